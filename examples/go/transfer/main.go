// Moves money between two accounts, any number of programs at once, and never makes or loses any.
//
// usage: transfer TICKET FROM TO AMOUNT
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"strconv"

	"aspen"
)

func balance(ctx context.Context, tx *aspen.Txn, account string) (int, error) {
	entry, err := tx.Get(ctx, []byte("account/"+account))
	if err != nil || entry == nil {
		return 100, err // an account that nobody used has 100
	}
	return strconv.Atoi(string(entry.Value))
}

// move adds to an account's balance. It is called again, from the beginning, when somebody changed one that it read.
func move(ctx context.Context, tx *aspen.Txn, account string, amount int) error {
	left, err := balance(ctx, tx, account)
	if err != nil {
		return err
	}
	if left+amount < 0 {
		return fmt.Errorf("%s has %d", account, left)
	}
	return tx.Put([]byte("account/"+account), []byte(strconv.Itoa(left+amount)))
}

func main() {
	ctx := context.Background()
	ticket, from, to := os.Args[1], os.Args[2], os.Args[3]
	amount, err := strconv.Atoi(os.Args[4])
	if err != nil {
		log.Fatal(err)
	}
	node, err := aspen.Connect(ctx, ticket)
	if err != nil {
		log.Fatal(err)
	}
	defer node.Close(ctx)
	err = node.KV().Transact(ctx, func(tx *aspen.Txn) error {
		if err := move(ctx, tx, from, -amount); err != nil {
			return err
		}
		return move(ctx, tx, to, amount)
	})
	if err != nil {
		log.Print(err)
	}
}
