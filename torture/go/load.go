package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand"
	"os"
	"os/signal"
	"strconv"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"aspen"
)

// The same keys and mix as workload.py. Groups of kind "p" are for our own checker, which goes by revisions; of the Go
// calls only Batch tells all of them, so there everything is written with batches.
const (
	slotSeconds = 2
	groups      = 2
	pauseMax    = 40 * time.Millisecond
	timeoutMin  = time.Second
	timeoutMax  = 4 * time.Second
)

var keys = []string{"a", "b", "c"}

var mix = []struct {
	op     string
	weight int
}{{"get", 28}, {"put", 20}, {"cas", 20}, {"batch", 18}, {"delete", 6}, {"range", 8}}

// now is the clock that the other languages' clients use too.
func now() int64 {
	const clockMonotonic = 1
	var t syscall.Timespec
	syscall.Syscall(syscall.SYS_CLOCK_GETTIME, clockMonotonic, uintptr(unsafe.Pointer(&t)), 0)
	return t.Nano()
}

// A worker is one client: it does one operation after the other.
type worker struct {
	name    string
	kv      *aspen.KV
	random  *rand.Rand
	start   int64
	written int
	known   map[string]seen // present keys, as this client last saw them
}

// What a client has seen at a key.
type seen struct {
	value    string
	revision uint64
}

func (w *worker) value() string {
	w.written++
	return fmt.Sprintf("%s#%d", w.name, w.written)
}

func (w *worker) check(key string) []string {
	if w.random.Float64() < 0.1 {
		return []string{key, "present", ""}
	}
	found, met := w.known[key]
	if !met {
		return []string{key, "absent", ""}
	}
	if w.random.Intn(2) == 0 {
		return []string{key, "revision", found.value, strconv.FormatUint(found.revision, 10)}
	}
	return []string{key, "value", found.value}
}

func (w *worker) change(key string) []string {
	if w.random.Float64() < 0.75 {
		return []string{"put", key, w.value()}
	}
	return []string{"delete", key}
}

func (w *worker) draw() string {
	left := w.random.Intn(100)
	for _, one := range mix {
		if left -= one.weight; left < 0 {
			return one.op
		}
	}
	panic("the mix is not 100")
}

func (w *worker) next() *operation {
	slot := (now() - w.start) / (slotSeconds * int64(time.Second))
	kind := []string{"p", "q"}[w.random.Intn(2)]
	prefix := fmt.Sprintf("%s%d-%d/", kind, slot, w.random.Intn(groups))
	key := prefix + keys[w.random.Intn(len(keys))]
	one := &operation{Client: w.name, Op: w.draw()}
	switch one.Op {
	case "get":
		one.Key = key
	case "range":
		one.Prefix = prefix
	case "put":
		one.Changes = [][]string{{"put", key, w.value()}}
	case "delete":
		one.Changes = [][]string{{"delete", key}}
	case "cas":
		one.Checks = [][]string{w.check(key)}
		one.Changes = [][]string{{"put", key, w.value()}}
	case "batch":
		for _, i := range w.random.Perm(len(keys))[:w.random.Intn(3)] {
			one.Checks = append(one.Checks, w.check(prefix+keys[i]))
		}
		for _, i := range w.random.Perm(len(keys))[:1+w.random.Intn(3)] {
			one.Changes = append(one.Changes, w.change(prefix+keys[i]))
		}
	}
	return one
}

// perform does the operation and completes its line.
func (w *worker) perform(ctx context.Context, one *operation) {
	one.Call = now()
	answer, err := w.ask(ctx, one)
	one.Return = now()
	if err == nil {
		one.Outcome, one.Reply = "ok", answer
		return
	}
	one.Outcome, one.Error, one.Message = "maybe", "UNKNOWN", err.Error()
	var failed *aspen.Error
	if errors.As(err, &failed) {
		one.Error = failed.Name
		if failed.Applied == aspen.AppliedNo {
			one.Outcome = "no"
		}
	}
}

func (w *worker) ask(ctx context.Context, one *operation) (*reply, error) {
	switch {
	case one.Op == "get":
		found, err := w.kv.Get(ctx, []byte(one.Key))
		return &reply{Entry: entryOf(found)}, err
	case one.Op == "range":
		entries := []entry{}
		cursor := w.kv.Range(ctx, aspen.RangeOptions{Prefix: []byte(one.Prefix)})
		for cursor.Next() {
			found := cursor.Entry()
			entries = append(entries, *entryOf(&found))
		}
		return &reply{Entries: entries}, cursor.Err()
	case one.Op == "batch" || one.group()[0] == 'p':
		return w.batch(ctx, one)
	}
	key := []byte(one.Changes[0][1])
	switch one.Op {
	case "put":
		revision, err := w.kv.Put(ctx, key, []byte(one.Changes[0][2]))
		return &reply{Succeeded: true, Revision: &revision}, err
	case "delete":
		deleted, err := w.kv.Delete(ctx, key)
		return &reply{Succeeded: true, Revision: &deleted.Revision}, err
	default:
		first := 0
		swapped, err := w.kv.CAS(ctx, key, []byte(one.Changes[0][2]), expect(one.Checks[0]))
		answer := &reply{Succeeded: swapped.Succeeded, Revision: &swapped.Revision, Current: entryOf(swapped.Current)}
		if !swapped.Succeeded {
			answer.FailedCheck = &first
		}
		return answer, err
	}
}

func (w *worker) batch(ctx context.Context, one *operation) (*reply, error) {
	batch := w.kv.Batch()
	for _, check := range one.Checks {
		batch.Check([]byte(check[0]), expect(check))
	}
	for _, change := range one.Changes {
		if change[0] == "put" {
			batch.Put([]byte(change[1]), []byte(change[2]))
		} else {
			batch.Delete([]byte(change[1]))
		}
	}
	applied, err := batch.Apply(ctx)
	answer := &reply{Succeeded: applied.Succeeded, Revision: &applied.Revision}
	if !applied.Succeeded {
		answer.FailedCheck, answer.Current = &applied.FailedCheck, entryOf(applied.Current)
		return answer, err
	}
	answer.Changes = []change{}
	for _, one := range applied.Changes {
		answer.Changes = append(answer.Changes, change{one.Existed, one.PreviousRevision})
	}
	return answer, err
}

func expect(check []string) aspen.Expect {
	switch check[1] {
	case "absent":
		return aspen.Absent()
	case "present":
		return aspen.Present()
	case "revision":
		revision, err := strconv.ParseUint(check[3], 10, 64)
		if err != nil {
			panic(err)
		}
		return aspen.RevisionIs(revision)
	}
	return aspen.ValueIs([]byte(check[2]))
}

func entryOf(found *aspen.Entry) *entry {
	if found == nil {
		return nil
	}
	return &entry{string(found.Key), string(found.Value), found.CreateRevision, found.ModRevision, found.Version}
}

// learn keeps what the answer tells of keys, so that later checks may hold.
func (w *worker) learn(one *operation) {
	if one.Outcome != "ok" {
		return
	}
	if len(w.known) > 100 {
		w.known = map[string]seen{}
	}
	set := func(key string, found *entry) {
		delete(w.known, key)
		if found != nil {
			w.known[key] = seen{found.Value, found.Mod}
		}
	}
	switch {
	case one.Op == "get":
		set(one.Key, one.Reply.Entry)
	case one.Op == "range":
		for i := range one.Reply.Entries {
			set(one.Reply.Entries[i].Key, &one.Reply.Entries[i])
		}
	case !one.Reply.Succeeded:
		set(one.Checks[*one.Reply.FailedCheck][0], one.Reply.Current)
	default:
		for _, made := range one.Changes {
			delete(w.known, made[1])
			if made[0] == "put" {
				w.known[made[1]] = seen{made[2], *one.Reply.Revision}
			}
		}
	}
}

// work goes on until `stopping` is done. An operation that is under way then is waited for.
func (w *worker) work(stopping context.Context, out *recorder) error {
	for stopping.Err() == nil {
		one := w.next()
		limit := timeoutMin + time.Duration(w.random.Int63n(int64(timeoutMax-timeoutMin)))
		ctx, cancel := context.WithTimeout(context.Background(), limit)
		w.perform(ctx, one)
		cancel()
		if err := out.write(one); err != nil {
			return err
		}
		w.learn(one)
		select {
		case <-stopping.Done():
		case <-time.After(time.Duration(w.random.Int63n(int64(pauseMax)))):
		}
	}
	return nil
}

// load runs `count` workers against the ticket's network until SIGTERM.
func load(ticket, record, name string, start, seed int64, count int) error {
	stopping, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	opening, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	node, err := aspen.Connect(opening, ticket)
	if err != nil {
		return err
	}
	defer node.Close(context.Background())
	out, err := newRecorder(record)
	if err != nil {
		return err
	}
	failures := make(chan error, count)
	var workers sync.WaitGroup
	for i := 0; i < count; i++ {
		w := &worker{name: fmt.Sprintf("%s.%d", name, i), kv: node.KV(), start: start, known: map[string]seen{}}
		w.random = rand.New(rand.NewSource(seed + int64(i)))
		workers.Add(1)
		go func() {
			defer workers.Done()
			if err := w.work(stopping, out); err != nil {
				failures <- err
				stop()
			}
		}()
	}
	workers.Wait()
	if err := out.close(); err != nil {
		return err
	}
	select {
	case err := <-failures:
		return err
	default:
		return nil
	}
}
