package aspen

// #include "bridge.h"
import "C"

import (
	"context"
	"unsafe"
)

// A Batch is checks and changes, applied as one: when all checks hold all changes are made at one revision, else
// none. A key may be at most once among the changes. It can be applied more than once. Not for several
// goroutines at once.
type Batch struct {
	kv      *KV
	checks  []check
	changes []change
}

type check struct {
	key    []byte
	expect Expect
}

type change struct {
	key, value []byte
	deletes    bool
}

// A Change tells what one put or delete of a batch met.
type Change struct {
	Existed          bool
	PreviousRevision uint64 // the key's ModRevision before; 0 when it was absent
}

// A BatchResult tells what a batch came to.
type BatchResult struct {
	Succeeded   bool
	Revision    uint64
	FailedCheck int      // when it did not succeed, the index of the first check that did not hold; else -1
	Current     *Entry   // when it did not succeed, what the key of that check has; nil: it is absent
	Changes     []Change // one per change, in the order they were added; empty when it did not succeed
}

// Batch makes an empty batch.
func (kv *KV) Batch() *Batch { return &Batch{kv: kv} }

// Check adds a check.
func (b *Batch) Check(key []byte, expect Expect) *Batch {
	expect.value = clone(expect.value)
	b.checks = append(b.checks, check{clone(key), expect})
	return b
}

// Put adds a write.
func (b *Batch) Put(key, value []byte) *Batch {
	b.changes = append(b.changes, change{key: clone(key), value: clone(value)})
	return b
}

// Delete adds a delete.
func (b *Batch) Delete(key []byte) *Batch {
	b.changes = append(b.changes, change{key: clone(key), deletes: true})
	return b
}

// Apply checks and applies. That a check does not hold is no error: Succeeded is false.
func (b *Batch) Apply(ctx context.Context) (BatchResult, error) {
	batch, err := b.build()
	defer C.aspen_batch_free(batch)
	if err != nil {
		return BatchResult{}, err
	}
	op, err := b.kv.node.run(ctx, func(queue *C.aspen_cq_t, tag C.uint64_t) C.aspen_go_started_t {
		return C.aspen_go_apply(b.kv.node.pointer, batch, timeout(ctx), queue, tag)
	})
	if err != nil {
		return BatchResult{}, err
	}
	defer op.free()
	result := BatchResult{
		Succeeded:   op.result.succeeded != 0,
		Revision:    uint64(op.result.revision),
		FailedCheck: int(op.result.failed_condition),
		Changes:     op.changes(),
	}
	if !result.Succeeded {
		result.Current = op.entry()
	}
	return result, nil
}

// build makes the engine's batch, also when there is an error.
func (b *Batch) build() (*C.aspen_batch_t, error) {
	var batch *C.aspen_batch_t
	if status := C.aspen_batch_new(&batch); status != C.ASPEN_OK {
		code := Code(status)
		return nil, localError(code, code.info().text)
	}
	for _, check := range b.checks {
		if err := check.expect.check(); err != nil {
			return batch, err
		}
		k, e := lend(check.key), lend(check.expect.value)
		C.aspen_batch_check(batch, unsafe.Pointer(&k[0]), C.size_t(len(check.key)), check.expect.comparison,
			unsafe.Pointer(&e[0]), C.size_t(len(check.expect.value)), C.uint64_t(check.expect.revision))
	}
	for _, change := range b.changes {
		k, v := lend(change.key), lend(change.value)
		if change.deletes {
			C.aspen_batch_delete(batch, unsafe.Pointer(&k[0]), C.size_t(len(change.key)))
		} else {
			C.aspen_batch_put(batch, unsafe.Pointer(&k[0]), C.size_t(len(change.key)), unsafe.Pointer(&v[0]),
				C.size_t(len(change.value)))
		}
	}
	return batch, nil
}

func clone(data []byte) []byte { return append([]byte(nil), data...) }
