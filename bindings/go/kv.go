package aspen

// #include "bridge.h"
import "C"

import (
	"context"
	"time"
	"unsafe"
)

// KV is the replicated key-value store of a node. Keys are 1 to Limits().KeyBytes bytes, values up to
// Limits().ValueBytes. Every write has a revision, which only grows. A write is durable on a majority when it
// returns, and is applied once however often it had to be sent.
type KV struct{ node *Node }

// An Entry is a key with its value and history.
type Entry struct {
	Key            []byte
	Value          []byte
	CreateRevision uint64 // of the write that created the key
	ModRevision    uint64 // of the last write
	Version        uint64 // 1 at creation, one more per write; starts again after a delete
	Lease          uint64 // the key goes when this lease does; 0: none
}

// A ReadOption changes how a read is done.
type ReadOption func(*readOptions)

type readOptions struct {
	consistency C.int32_t
	staleness   time.Duration
	revision    uint64
}

// Stale reads what the nearest member has applied, which may be old. Otherwise a read sees every write that
// completed before it.
func Stale() ReadOption {
	return func(options *readOptions) { options.consistency = C.ASPEN_READ_STALE }
}

// StaleWithin is as Stale, but sees every write that completed so long before.
func StaleWithin(age time.Duration) ReadOption {
	return func(options *readOptions) { options.consistency, options.staleness = C.ASPEN_READ_STALE, age }
}

// ByLease sees every write that completed before, as long as clocks keep to NodeOptions.ClockDriftPPM, and asks no other
// member while the leader has a lease (NodeOptions.LeaseReads).
func ByLease() ReadOption {
	return func(options *readOptions) { options.consistency = C.ASPEN_READ_LEASE }
}

// AtRevision reads the store as it was right after this revision; 0: as it is. Errors: ErrCompacted when that has
// been forgotten, ErrInvalidArgument when it has not happened yet.
func AtRevision(revision uint64) ReadOption {
	return func(options *readOptions) { options.revision = revision }
}

// Get gives the key's entry; nil when the key is absent.
func (kv *KV) Get(ctx context.Context, key []byte, options ...ReadOption) (*Entry, error) {
	read := readOptions{consistency: C.ASPEN_READ_LINEARIZABLE}
	for _, option := range options {
		option(&read)
	}
	k := lend(key)
	op, err := kv.node.run(ctx, func(queue *C.aspen_cq_t, tag C.uint64_t) C.aspen_go_started_t {
		return C.aspen_go_get(kv.node.pointer, (*C.uint8_t)(unsafe.Pointer(&k[0])), C.size_t(len(key)),
			read.consistency, C.int64_t(read.staleness), C.uint64_t(read.revision), timeout(ctx), queue, tag)
	})
	if err != nil {
		return nil, err
	}
	defer op.free()
	return op.entry(), nil
}

// A PutOption changes how a value is written.
type PutOption func(*putOptions)

type putOptions struct{ lease uint64 }

// WithLease ties the key to a lease, with which it goes; without it a write unties it. Error of the write:
// ErrNotFound when there is no such lease.
func WithLease(lease uint64) PutOption {
	return func(options *putOptions) { options.lease = lease }
}

func putOptionsOf(options []PutOption) putOptions {
	var put putOptions
	for _, option := range options {
		option(&put)
	}
	return put
}

// Put writes, and gives the write's revision.
func (kv *KV) Put(ctx context.Context, key, value []byte, options ...PutOption) (uint64, error) {
	op, err := kv.put(ctx, key, value, putOptionsOf(options), false)
	if err != nil {
		return 0, err
	}
	defer op.free()
	return uint64(op.result.revision), nil
}

// A SwapResult tells what a swap met.
type SwapResult struct {
	Revision uint64
	Previous *Entry // what was there; nil: the key was absent
}

// Swap writes as Put does, and gives what was there.
func (kv *KV) Swap(ctx context.Context, key, value []byte, options ...PutOption) (SwapResult, error) {
	op, err := kv.put(ctx, key, value, putOptionsOf(options), true)
	if err != nil {
		return SwapResult{}, err
	}
	defer op.free()
	return SwapResult{Revision: uint64(op.result.revision), Previous: op.entry()}, nil
}

func (kv *KV) put(ctx context.Context, key, value []byte, put putOptions, previous bool) (*operation, error) {
	k, v := lend(key), lend(value)
	return kv.node.run(ctx, func(queue *C.aspen_cq_t, tag C.uint64_t) C.aspen_go_started_t {
		return C.aspen_go_put(kv.node.pointer, (*C.uint8_t)(unsafe.Pointer(&k[0])), C.size_t(len(key)),
			(*C.uint8_t)(unsafe.Pointer(&v[0])), C.size_t(len(value)), C.uint64_t(put.lease), flag(previous),
			timeout(ctx), queue, tag)
	})
}

// A DeleteOption changes what a delete tells.
type DeleteOption func(*deleteOptions)

type deleteOptions struct{ previous bool }

// WithPrevious has a delete tell what was there.
func WithPrevious() DeleteOption {
	return func(options *deleteOptions) { options.previous = true }
}

func deleteOptionsOf(options []DeleteOption) deleteOptions {
	var deletes deleteOptions
	for _, option := range options {
		option(&deletes)
	}
	return deletes
}

// A DeleteResult tells what a delete met.
type DeleteResult struct {
	Existed  bool // whether the key was there
	Revision uint64
	Previous *Entry // what was there, when WithPrevious asked for it; else nil
}

// Delete deletes the key; that it is absent is no error.
func (kv *KV) Delete(ctx context.Context, key []byte, options ...DeleteOption) (DeleteResult, error) {
	k, deletes := lend(key), deleteOptionsOf(options)
	op, err := kv.node.run(ctx, func(queue *C.aspen_cq_t, tag C.uint64_t) C.aspen_go_started_t {
		return C.aspen_go_delete(kv.node.pointer, (*C.uint8_t)(unsafe.Pointer(&k[0])), C.size_t(len(key)),
			flag(deletes.previous), timeout(ctx), queue, tag)
	})
	if err != nil {
		return DeleteResult{}, err
	}
	defer op.free()
	return DeleteResult{
		Existed:  op.result.first_existed != 0,
		Revision: uint64(op.result.revision),
		Previous: op.entry(),
	}, nil
}

// An Expect is what a key must be for a change to be made: made by Absent, Present, ValueIs and RevisionIs.
type Expect struct {
	comparison C.int32_t
	value      []byte
	revision   uint64
}

// Absent expects that there is no such key.
func Absent() Expect { return Expect{comparison: C.ASPEN_IF_ABSENT} }

// Present expects that there is such a key.
func Present() Expect { return Expect{comparison: C.ASPEN_IF_PRESENT} }

// ValueIs expects the key to have this value.
func ValueIs(value []byte) Expect { return Expect{comparison: C.ASPEN_IF_VALUE, value: value} }

// RevisionIs expects that the key was last written at this revision.
func RevisionIs(revision uint64) Expect {
	return Expect{comparison: C.ASPEN_IF_REVISION, revision: revision}
}

// of is the comparison that expects it of the key.
func (e Expect) of(key []byte) Comparison {
	switch e.comparison {
	case C.ASPEN_IF_ABSENT:
		return Key(key).Absent()
	case C.ASPEN_IF_PRESENT:
		return Key(key).Exists()
	case C.ASPEN_IF_VALUE:
		return Key(key).Value().Equal(e.value)
	default:
		return Key(key).ModRevision().Equal(e.revision)
	}
}

func (e Expect) check() error {
	if e.comparison == 0 {
		return localError(ErrInvalidArgument, "an empty Expect; use Absent, Present, ValueIs or RevisionIs")
	}
	return nil
}

// A CASResult tells what a compare-and-swap came to.
type CASResult struct {
	Succeeded bool
	Revision  uint64
	Current   *Entry // when it did not succeed, what the key has instead; nil: it is absent
}

// CAS puts the value if the key is as expected. If it is not, that is no error: Succeeded is false.
func (kv *KV) CAS(ctx context.Context, key, value []byte, expect Expect, options ...PutOption) (CASResult, error) {
	if err := expect.check(); err != nil {
		return CASResult{}, err
	}
	k, v, e := lend(key), lend(value), lend(expect.value)
	put := putOptionsOf(options)
	op, err := kv.node.run(ctx, func(queue *C.aspen_cq_t, tag C.uint64_t) C.aspen_go_started_t {
		return C.aspen_go_cas(kv.node.pointer, (*C.uint8_t)(unsafe.Pointer(&k[0])), C.size_t(len(key)),
			expect.comparison, (*C.uint8_t)(unsafe.Pointer(&e[0])), C.size_t(len(expect.value)),
			C.uint64_t(expect.revision), (*C.uint8_t)(unsafe.Pointer(&v[0])), C.size_t(len(value)),
			C.uint64_t(put.lease), timeout(ctx), queue, tag)
	})
	if err != nil {
		return CASResult{}, err
	}
	defer op.free()
	result := CASResult{Succeeded: op.result.succeeded != 0, Revision: uint64(op.result.revision)}
	if !result.Succeeded {
		result.Current = op.entry()
	}
	return result, nil
}
