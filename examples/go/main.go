// Increments one counter by compare-and-swap, each time exactly once.
//
// usage: counter TICKET RECORD COUNT
//
// RECORD gets one JSON line when it is done: the counter's key and the value that was acknowledged last.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"aspen"
)

var counter = []byte("go/counter")

// read returns the counter's value and what the next write has to expect.
func read(ctx context.Context, kv *aspen.KV) (int, aspen.Expect, error) {
	entry, err := kv.Get(ctx, counter)
	if err != nil || entry == nil {
		return 0, aspen.Absent(), err
	}
	value, err := strconv.Atoi(string(entry.Value))
	return value, aspen.RevisionIs(entry.ModRevision), err
}

// increment adds one to the counter, whose value is known to be `value`. A failure that may have been applied all the
// same is resolved by reading: nobody else counts here.
func increment(kv *aspen.KV, value int) error {
	for {
		done, err := attempt(kv, value)
		var failure *aspen.Error
		if done || (err != nil && !(errors.As(err, &failure) && failure.Retryable)) {
			return err
		}
	}
}

func attempt(kv *aspen.KV, value int) (done bool, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	found, expect, err := read(ctx, kv)
	if err != nil {
		return false, err
	}
	if found == value+1 {
		return true, nil // an attempt before this one took effect
	}
	if found != value {
		return false, fmt.Errorf("the counter is %d, not %d", found, value)
	}
	result, err := kv.CAS(ctx, counter, []byte(strconv.Itoa(value+1)), expect)
	return result.Succeeded, err
}

func run(ticket, record string, count int) error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	node, err := aspen.Connect(ctx, ticket)
	if err != nil {
		return err
	}
	defer node.Close(context.Background())
	for i := 0; i < count; i++ {
		if err := increment(node.KV(), i); err != nil {
			return err
		}
	}
	line, err := json.Marshal(map[string]string{"key": string(counter), "value": strconv.Itoa(count)})
	if err != nil {
		return err
	}
	return os.WriteFile(record, append(line, '\n'), 0o644)
}

func main() {
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "usage: counter TICKET RECORD COUNT")
		os.Exit(2)
	}
	count, err := strconv.Atoi(os.Args[3])
	if err == nil {
		err = run(os.Args[1], os.Args[2], count)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
