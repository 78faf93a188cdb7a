package aspen

// #include "bridge.h"
import "C"

import (
	"context"
	"fmt"
	"math/rand"
	"time"
)

const (
	defaultAttempts = 32
	firstPause      = time.Millisecond
	maxPause        = 250 * time.Millisecond
)

// A Txn is a transaction that reads before it knows what to write: what KV.Transact calls its function with.
//
// All its reads see the store at one revision, with its own changes over it. It is carried out only if nothing that
// it read has changed since, absent keys and the gaps of ranges included. What is read and changed may come to
// Limits().TransactionOps and TransactionBytes: ErrLimitExceeded. It can be used, by any number of goroutines, until
// the function returns.
type Txn struct{ draft }

// A TransactOption changes how KV.Transact goes about it.
type TransactOption func(*transactOptions)

type transactOptions struct{ attempts int }

// WithAttempts says how often the function is called at most; without it 32 times.
func WithAttempts(attempts int) TransactOption {
	return func(options *transactOptions) { options.attempts = attempts }
}

// Transact calls fn with a transaction and commits what it did.
//
//	err := kv.Transact(ctx, func(tx *aspen.Txn) error {
//		entry, err := tx.Get(ctx, key)
//		if err != nil {
//			return err
//		}
//		return tx.Put(key, next(entry))
//	})
//
// When others have meanwhile changed what it read, fn is called again with a new transaction, after a pause that
// grows; so it must have no other effects. When it returns an error, nothing is changed and Transact returns that
// error. Errors: ErrConflict after WithAttempts, ErrLimitExceeded, ErrNotFound (a lease), ErrQuotaExceeded, and
// ErrCompacted when fn takes longer than old revisions are kept. A commit that fails with AppliedMaybe is not made
// again.
func (kv *KV) Transact(ctx context.Context, fn func(tx *Txn) error, options ...TransactOption) error {
	transact := transactOptions{attempts: defaultAttempts}
	for _, option := range options {
		option(&transact)
	}
	if transact.attempts < 1 {
		return localError(ErrInvalidArgument, fmt.Sprintf("attempts is %d; it must be at least 1", transact.attempts))
	}
	for attempt := 0; attempt < transact.attempts; attempt++ {
		if attempt > 0 && !pause(ctx, attempt-1) || ctx.Err() != nil {
			return contextError(ctx)
		}
		if succeeded, err := kv.attempt(ctx, fn); err != nil || succeeded {
			return err
		}
	}
	message := fmt.Sprintf("others changed what the transaction read, in each of %d attempts", transact.attempts)
	return &ConflictError{Message: message, Retryable: true}
}

func (kv *KV) attempt(ctx context.Context, fn func(tx *Txn) error) (bool, error) {
	pointer, err := kv.node.newTransaction()
	if err != nil {
		return false, err
	}
	tx := &Txn{draft{node: kv.node, noun: "transaction", pointer: pointer}}
	defer tx.end()
	if err := fn(tx); err != nil {
		return false, err
	}
	succeeded, _, _, err := tx.commit(ctx)
	return succeeded, err
}

func (n *Node) newTransaction() (*C.aspen_txn_t, error) {
	n.mu.RLock()
	defer n.mu.RUnlock()
	if n.closing {
		return nil, localError(ErrShutdown, "the node is closed")
	}
	var pointer *C.aspen_txn_t
	if status := C.aspen_txn_new(n.pointer, &pointer); status != C.ASPEN_OK {
		code := Code(status)
		return nil, localError(code, code.info().text)
	}
	return pointer, nil
}

// pause waits for a time of random length, below a bound that doubles, so that rivals part. False: ctx is done.
func pause(ctx context.Context, attempt int) bool {
	bound := maxPause
	if attempt < 8 && firstPause<<attempt < maxPause {
		bound = firstPause << attempt
	}
	// A source of its own: before Go 1.20 the package's gives every process the same numbers.
	random := rand.New(rand.NewSource(time.Now().UnixNano()))
	timer := time.NewTimer(time.Duration(random.Int63n(int64(bound))))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
