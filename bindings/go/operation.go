package aspen

// #include "bridge.h"
import "C"

import (
	"context"
	"time"
	"unsafe"
)

// entriesPerRead is how many entries of a reply one crossing brings.
const entriesPerRead = 256

// An operation of the engine, in flight or finished.
//
// It is started, cancelled, read and freed by the one goroutine that waits for it, so that it cannot be
// cancelled after it was freed.
type operation struct {
	done   chan struct{}
	result C.aspen_go_result_t // once done
}

// start makes an operation of the engine, on its queue and with its tag.
type start func(queue *C.aspen_cq_t, tag C.uint64_t) C.aspen_go_started_t

// run starts an operation and waits for it; when ctx is done first, it is asked to end, and still waited for.
// One without error is the caller's to free.
func run(ctx context.Context, begin start) (*operation, error) {
	op, err := complete(ctx, begin)
	if err == nil && op.result.status != C.ASPEN_OK {
		defer op.free()
		return nil, op.err(ctx)
	}
	return op, err
}

// runReporting is run, of an operation whose text is wanted although it fails.
func runReporting(ctx context.Context, begin start, text *string) error {
	op, err := complete(ctx, begin)
	if err != nil {
		return err
	}
	defer op.free()
	*text = C.GoString(op.result.text)
	if op.result.status != C.ASPEN_OK {
		return op.err(ctx)
	}
	return nil
}

// complete gives a completed operation, which is the caller's to free.
func complete(ctx context.Context, begin start) (*operation, error) {
	if ctx.Err() != nil {
		return nil, contextError(ctx)
	}
	q, err := theQueue()
	if err != nil {
		return nil, err
	}
	op, tag := q.expect()
	started := begin(q.cq, tag)
	if started.status != C.ASPEN_OK {
		q.forget(tag)
		code := Code(started.status)
		return nil, localError(code, code.info().text)
	}
	select {
	case <-op.done:
	case <-ctx.Done():
		C.aspen_op_cancel(started.op)
		<-op.done
	}
	return op, nil
}

func (op *operation) free() { C.aspen_op_free(op.result.op) }

func (op *operation) err(ctx context.Context) *Error {
	err := &Error{
		Code:      Code(op.result.status),
		Message:   C.GoString(op.result.message),
		Applied:   Applied(op.result.applied),
		Retryable: op.result.retryable != 0,
	}
	// The engine knows only that it was cancelled. The caller is to hear why.
	if err.Code == ErrCancelled && ctx.Err() == context.DeadlineExceeded {
		err.Code = ErrDeadlineExceeded
		err.Retryable = err.Code.info().retryable
	}
	if err.Code == ErrCancelled || err.Code == ErrDeadlineExceeded {
		err.cause = ctx.Err()
	}
	if err.Code == ErrCompacted {
		err.Revision = uint64(op.result.revision)
	}
	err.Name = err.Code.String()
	return err
}

// entry copies the operation's first entry; nil without one.
func (op *operation) entry() *Entry {
	if op.result.entry_count == 0 {
		return nil
	}
	entry := copyEntry(&op.result.first)
	return &entry
}

// entries copies all of the operation's entries.
func (op *operation) entries() []Entry {
	count := int(op.result.entry_count)
	entries := make([]Entry, 0, count)
	var block [entriesPerRead]C.aspen_go_entry_t
	for len(entries) < count {
		size := count - len(entries)
		if size > len(block) {
			size = len(block)
		}
		C.aspen_go_entries(op.result.op, C.size_t(len(entries)), &block[0], C.size_t(size))
		for i := range block[:size] {
			entries = append(entries, copyEntry(&block[i]))
		}
	}
	return entries
}

// continuation copies where a range goes on; nil at its end.
func (op *operation) continuation() []byte {
	if op.result.more == 0 {
		return nil
	}
	return append([]byte{}, borrow(op.result.continuation, op.result.continuation_size)...)
}

// copyEntry puts key and value into one allocation; appending to one does not reach the other.
func copyEntry(from *C.aspen_go_entry_t) Entry {
	entry := &from.entry
	key, value := borrow(entry.key, entry.key_size), borrow(entry.value, entry.value_size)
	both := make([]byte, len(key)+len(value))
	copy(both, key)
	copy(both[len(key):], value)
	return Entry{
		Key:            both[:len(key):len(key)],
		Value:          both[len(key):],
		CreateRevision: uint64(entry.create_revision),
		ModRevision:    uint64(entry.mod_revision),
		Version:        uint64(entry.version),
		Lease:          uint64(from.lease),
	}
}

// borrow views C memory as a slice, for as long as the operation it belongs to is not freed.
func borrow(data *C.uint8_t, size C.size_t) []byte {
	if size == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(data)), int(size))
}

// lend gives a slice whose first element can be pointed to. (C tells empty bytes from none by the pointer.)
func lend(data []byte) []byte {
	if len(data) == 0 {
		return nothing[:]
	}
	return data
}

var nothing [1]byte

// first points to the first byte, or, without one, to a byte that is not to be read.
func first(data []byte) *C.uint8_t { return (*C.uint8_t)(unsafe.Pointer(&lend(data)[0])) }

// timeout is what is left until the deadline of ctx, in nanoseconds; 0, the engine's default, without one.
func timeout(ctx context.Context) C.int64_t {
	deadline, ok := ctx.Deadline()
	if !ok {
		return 0
	}
	if left := time.Until(deadline); left > 0 {
		return C.int64_t(left)
	}
	return 1
}
