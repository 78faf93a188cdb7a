package aspen

// #include "bridge.h"
import "C"

import (
	"context"
	"sync"
	"unsafe"
)

// A draft is what transactions and branches share: changes that are kept until the commit, and reads that are
// remembered.
type draft struct {
	node *Node
	noun string

	mu      sync.Mutex     // held while C is given the pointer
	pointer *C.aspen_txn_t // nil once it is over
}

// Get gives the key's entry; nil when the key is absent. An entry that was put here has revisions of 0.
func (d *draft) Get(ctx context.Context, key []byte) (*Entry, error) {
	k := lend(key)
	op, err := d.run(ctx, func(queue *C.aspen_cq_t, tag C.uint64_t) C.aspen_go_started_t {
		return C.aspen_go_txn_get(d.pointer, (*C.uint8_t)(unsafe.Pointer(&k[0])), C.size_t(len(key)), timeout(ctx),
			queue, tag)
	})
	if err != nil {
		return nil, err
	}
	defer op.free()
	return op.entry(), nil
}

// Range begins a range, as KV.Range does. What counts as read is as far as its pages went. Of the options Stale,
// Staleness, ByLease and Revision must be zero.
func (d *draft) Range(ctx context.Context, options RangeOptions) *Cursor {
	cursor := newCursor(ctx, options, d.readPage)
	if cursor.err == nil && !options.plain() {
		cursor.err = localError(ErrInvalidArgument, "a "+d.noun+" reads at its own revision: no Stale, Staleness, ByLease or Revision")
	}
	return cursor
}

func (d *draft) readPage(c *Cursor, pages uint64) (*operation, error) {
	o := &c.options
	return d.run(c.ctx, func(queue *C.aspen_cq_t, tag C.uint64_t) C.aspen_go_started_t {
		return C.aspen_go_txn_range(d.pointer, first(o.Prefix), size(o.Prefix), first(o.Start), size(o.Start),
			first(o.End), size(o.End), first(c.continuation), size(c.continuation), C.uint64_t(pages),
			flag(o.Reverse), flag(o.KeysOnly), timeout(c.ctx), queue, tag)
	})
}

// Put writes, when it is committed. Errors: ErrInvalidArgument, ErrLimitExceeded.
func (d *draft) Put(key, value []byte, options ...PutOption) error {
	k, v, put := lend(key), lend(value), putOptionsOf(options)
	return d.change(func() C.int32_t {
		return C.aspen_txn_put(d.pointer, unsafe.Pointer(&k[0]), C.size_t(len(key)), unsafe.Pointer(&v[0]),
			C.size_t(len(value)), C.uint64_t(put.lease))
	})
}

// Delete deletes the key, when it is committed. Errors: as of Put.
func (d *draft) Delete(key []byte) error {
	k := lend(key)
	return d.change(func() C.int32_t {
		return C.aspen_txn_delete(d.pointer, unsafe.Pointer(&k[0]), C.size_t(len(key)))
	})
}

// DeleteRange deletes all keys in the range, when it is committed. Errors: as of Put.
func (d *draft) DeleteRange(keys KeyRange) error {
	start, end := lend(keys.Start), lend(keys.End)
	return d.change(func() C.int32_t {
		return C.aspen_txn_delete_range(d.pointer, unsafe.Pointer(&start[0]), C.size_t(len(keys.Start)),
			unsafe.Pointer(&end[0]), C.size_t(len(keys.End)))
	})
}

func (d *draft) change(do func() C.int32_t) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.pointer == nil {
		return d.over()
	}
	if status := do(); status != C.ASPEN_OK {
		return localError(Code(status), C.GoString(C.aspen_txn_message(d.pointer)))
	}
	return nil
}

// run is run, on this draft.
func (d *draft) run(ctx context.Context, begin start) (*operation, error) {
	over := false
	op, err := d.node.run(ctx, func(queue *C.aspen_cq_t, tag C.uint64_t) C.aspen_go_started_t {
		d.mu.Lock()
		defer d.mu.Unlock()
		if d.pointer == nil {
			over = true
			return C.aspen_go_started_t{status: C.ASPEN_INVALID_ARGUMENT}
		}
		return begin(queue, tag)
	})
	if over {
		return nil, d.over()
	}
	return op, err
}

// commit gives whether it succeeded, its revision, and, of a branch, where it did not.
func (d *draft) commit(ctx context.Context) (succeeded bool, revision uint64, conflicts []KeyRange, err error) {
	op, err := d.run(ctx, func(queue *C.aspen_cq_t, tag C.uint64_t) C.aspen_go_started_t {
		return C.aspen_go_txn_commit(d.pointer, timeout(ctx), queue, tag)
	})
	if err != nil {
		return false, 0, nil, err
	}
	defer op.free()
	count := C.aspen_op_conflict_count(op.result.op)
	for i := C.size_t(0); i < count; i++ {
		var keys C.aspen_conflict_t
		C.aspen_op_conflict(op.result.op, i, &keys)
		conflicts = append(conflicts, KeyRange{
			Start: clone(borrow(keys.start, keys.start_size)),
			End:   clone(borrow(keys.end, keys.end_size)),
		})
	}
	return op.result.succeeded != 0, uint64(op.result.revision), conflicts, nil
}

func (d *draft) over() error {
	return localError(ErrInvalidArgument, "the "+d.noun+" is over; make another")
}

func (d *draft) end() {
	d.mu.Lock()
	defer d.mu.Unlock()
	C.aspen_txn_free(d.pointer)
	d.pointer = nil
}
