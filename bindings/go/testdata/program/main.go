// The README's first program, built as a module of its own.
package main

import (
	"context"
	"fmt"
	"log"
	"os"

	"aspen"
)

func main() {
	ctx := context.Background()
	node, err := aspen.Open(ctx, os.Args[1]) // one store, no network
	if err != nil {
		log.Fatal(err)
	}
	defer node.Close(ctx)

	if _, err := node.KV().Put(ctx, []byte("greeting"), []byte("hello")); err != nil {
		log.Fatal(err)
	}
	entry, err := node.KV().Get(ctx, []byte("greeting")) // nil when absent
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s at revision %d\n", entry.Value, entry.ModRevision)

	cursor := node.KV().Range(ctx, aspen.RangeOptions{Prefix: []byte("g")})
	for cursor.Next() {
		fmt.Printf("%s\n", cursor.Entry().Key)
	}
	if err := cursor.Err(); err != nil {
		log.Fatal(err)
	}
}
