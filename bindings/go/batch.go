package aspen

// #include "bridge.h"
import "C"

import (
	"context"
	"unsafe"
)

// A Batch is a transaction: comparisons, what happens when all of them hold, and, in Else, what happens when one
// does not. All of it is one step at one revision. The operations run in the order they were added and see what the
// ones before them did; when one cannot be carried out, none is.
//
//	done, err := kv.Batch().
//		Compare(aspen.Key(lock).Absent()).
//		Put(lock, mine).
//		Else(func(b *aspen.Batch) { b.Get(lock) }).
//		Apply(ctx)
//
// Transaction puts a transaction of its own in the place of an operation. Limits().TransactionOps, TransactionBytes
// and TransactionDepth bound a batch, nested transactions included.
//
// A batch can be applied more than once. What was added wrongly is told by Apply. Not for several goroutines at
// once.
type Batch struct {
	kv          *KV
	outer       *Batch // the one that this one is inside of
	branch      bool   // it is what happens else in outer; if not, a transaction
	comparisons []Comparison
	steps       []step
	otherwise   *Batch
	err         error // of the outermost: the first thing that was added wrongly
}

// A step adds an operation to the engine's batch. It holds copies of the caller's slices.
type step func(batch *C.aspen_batch_t) C.int32_t

// Batch makes an empty batch.
func (kv *KV) Batch() *Batch { return &Batch{kv: kv} }

// Check adds a comparison of one key.
func (b *Batch) Check(key []byte, expect Expect) *Batch {
	if err := expect.check(); err != nil {
		return b.refuse(err)
	}
	return b.Compare(expect.of(key))
}

// Compare adds comparisons. They are of what is there before the transaction.
func (b *Batch) Compare(comparisons ...Comparison) *Batch {
	if b.branch {
		return b.misuse("a comparison inside Else; it belongs before, or inside a Transaction")
	}
	for _, comparison := range comparisons {
		if comparison.target == 0 {
			return b.misuse("an empty Comparison; begin with Key or Keys")
		}
		comparison.own()
		b.comparisons = append(b.comparisons, comparison)
	}
	return b
}

// Put adds a write. Its result is a Change.
func (b *Batch) Put(key, value []byte, options ...PutOption) *Batch {
	return b.put(key, value, putOptionsOf(options), false)
}

// Swap adds a write whose result, a Change, has what was there.
func (b *Batch) Swap(key, value []byte, options ...PutOption) *Batch {
	return b.put(key, value, putOptionsOf(options), true)
}

func (b *Batch) put(key, value []byte, put putOptions, previous bool) *Batch {
	key, value = clone(key), clone(value)
	return b.add(func(batch *C.aspen_batch_t) C.int32_t {
		return C.aspen_batch_put_with(batch, unsafe.Pointer(first(key)), C.size_t(len(key)),
			unsafe.Pointer(first(value)), C.size_t(len(value)), C.uint64_t(put.lease), flag(previous))
	})
}

// Delete adds a delete. Its result is a Change.
func (b *Batch) Delete(key []byte, options ...DeleteOption) *Batch {
	key, deletes := clone(key), deleteOptionsOf(options)
	return b.add(func(batch *C.aspen_batch_t) C.int32_t {
		return C.aspen_batch_delete_with(batch, unsafe.Pointer(first(key)), C.size_t(len(key)),
			flag(deletes.previous))
	})
}

// DeleteRange adds a delete of all keys in the range. Its result is a DeleteRangeResult.
func (b *Batch) DeleteRange(keys KeyRange, options ...DeleteOption) *Batch {
	start, end, deletes := clone(keys.Start), clone(keys.End), deleteOptionsOf(options)
	return b.add(func(batch *C.aspen_batch_t) C.int32_t {
		return C.aspen_batch_delete_range(batch, unsafe.Pointer(first(start)), C.size_t(len(start)),
			unsafe.Pointer(first(end)), C.size_t(len(end)), flag(deletes.previous))
	})
}

// Get adds a read of one key. Its result is a GetResult.
func (b *Batch) Get(key []byte) *Batch {
	key = clone(key)
	return b.add(func(batch *C.aspen_batch_t) C.int32_t {
		return C.aspen_batch_get(batch, unsafe.Pointer(first(key)), C.size_t(len(key)))
	})
}

// Range adds a read of a range. Its result is a RangeResult: one reply, which need not hold all of the range. Of the
// options Stale, Staleness, ByLease, Revision and PageEntries must be zero.
func (b *Batch) Range(options RangeOptions) *Batch {
	if err := options.check(); err != nil {
		return b.refuse(err)
	}
	if !options.plain() || options.PageEntries != 0 {
		return b.misuse("a range of a batch reads what the batch sees, in one reply: no Stale, Staleness, ByLease, Revision or PageEntries")
	}
	options.own()
	return b.add(func(batch *C.aspen_batch_t) C.int32_t {
		o := &options
		return C.aspen_go_batch_range(batch, first(o.Prefix), size(o.Prefix), first(o.Start), size(o.Start),
			first(o.End), size(o.End), C.uint64_t(o.Limit), flag(o.Reverse), flag(o.KeysOnly))
	})
}

// Transaction adds a transaction of its own, which fill puts together: its comparisons are of what is there at its
// place, and whether they hold decides only over its own operations. Its result is a TransactionResult.
func (b *Batch) Transaction(fill func(b *Batch)) *Batch {
	nested := &Batch{outer: b}
	fill(nested)
	return b.add(func(batch *C.aspen_batch_t) C.int32_t {
		if status := C.aspen_batch_begin(batch); status != C.ASPEN_OK {
			return status
		}
		if status := nested.addTo(batch); status != C.ASPEN_OK {
			return status
		}
		return C.aspen_batch_end(batch)
	})
}

// Else says what happens when a comparison does not hold: the operations that fill adds. Once in a transaction.
func (b *Batch) Else(fill func(b *Batch)) *Batch {
	if b.branch || b.otherwise != nil {
		return b.misuse("a second Else; a transaction has one")
	}
	b.otherwise = &Batch{outer: b, branch: true}
	fill(b.otherwise)
	return b
}

// Apply applies the batch. That a comparison does not hold is no error: Succeeded is false.
func (b *Batch) Apply(ctx context.Context) (BatchResult, error) {
	if b.outer != nil {
		return BatchResult{}, localError(ErrInvalidArgument, "Apply inside a batch; apply the outermost")
	}
	if b.err != nil {
		return BatchResult{}, b.err
	}
	var batch *C.aspen_batch_t
	status := C.aspen_batch_new(&batch)
	defer C.aspen_batch_free(batch)
	if status == C.ASPEN_OK {
		status = b.addTo(batch)
	}
	if status != C.ASPEN_OK {
		code := Code(status)
		return BatchResult{}, localError(code, code.info().text)
	}
	op, err := b.kv.node.run(ctx, func(queue *C.aspen_cq_t, tag C.uint64_t) C.aspen_go_started_t {
		return C.aspen_go_apply(b.kv.node.pointer, batch, timeout(ctx), queue, tag)
	})
	if err != nil {
		return BatchResult{}, err
	}
	defer op.free()
	return op.batchResult(), nil
}

// addTo adds what this batch holds to the engine's.
func (b *Batch) addTo(batch *C.aspen_batch_t) C.int32_t {
	for i := range b.comparisons {
		if status := b.comparisons[i].addTo(batch); status != C.ASPEN_OK {
			return status
		}
	}
	for _, add := range b.steps {
		if status := add(batch); status != C.ASPEN_OK {
			return status
		}
	}
	if b.otherwise == nil {
		return C.ASPEN_OK
	}
	if status := C.aspen_batch_else(batch); status != C.ASPEN_OK {
		return status
	}
	return b.otherwise.addTo(batch)
}

func (b *Batch) add(s step) *Batch {
	b.steps = append(b.steps, s)
	return b
}

func (b *Batch) misuse(message string) *Batch {
	return b.refuse(localError(ErrInvalidArgument, "batch: "+message))
}

// refuse has Apply give err, unless there is one already.
func (b *Batch) refuse(err error) *Batch {
	outermost := b
	for outermost.outer != nil {
		outermost = outermost.outer
	}
	if outermost.err == nil {
		outermost.err = err
	}
	return b
}

func clone(data []byte) []byte { return append([]byte(nil), data...) }
