package aspen

// #include "bridge.h"
import "C"

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"unsafe"
)

const conflictsShown = 3

// A Branch is a copy of the keys with a prefix, which costs nothing:
//
//	branch, err := node.KV().Branch(ctx, []byte("app/"))
//	...
//	defer branch.Discard()
//	branch.Put([]byte("app/x"), value)
//	revision, err := branch.Commit(ctx)
//
// It sees the keys as they were when it was made, with its own changes over them. A branch may have branches, which
// read through it and are committed into it, at most Limits().BranchDepth deep. Of the limits of a transaction each
// key that was read takes three, and each that was changed four. Reads and the commit give ErrCompacted when it lives
// longer than old revisions are kept. It may be used by any number of goroutines.
type Branch struct {
	draft
	prefix []byte
}

// Branch makes a branch of the keys with this prefix, as they are now.
func (kv *KV) Branch(ctx context.Context, prefix []byte) (*Branch, error) {
	p := lend(prefix)
	op, err := kv.node.run(ctx, func(queue *C.aspen_cq_t, tag C.uint64_t) C.aspen_go_started_t {
		return C.aspen_go_txn_branch(kv.node.pointer, nil, (*C.uint8_t)(unsafe.Pointer(&p[0])),
			C.size_t(len(prefix)), timeout(ctx), queue, tag)
	})
	if err != nil {
		return nil, err
	}
	return kv.node.takeBranch(op, prefix)
}

// Branch makes a branch of this one: of its keys with this prefix, which begins with its own; with a nil prefix of
// all of them.
func (b *Branch) Branch(ctx context.Context, prefix []byte) (*Branch, error) {
	if prefix == nil {
		prefix = b.prefix
	}
	p := lend(prefix)
	op, err := b.run(ctx, func(queue *C.aspen_cq_t, tag C.uint64_t) C.aspen_go_started_t {
		return C.aspen_go_txn_branch(b.node.pointer, b.pointer, (*C.uint8_t)(unsafe.Pointer(&p[0])),
			C.size_t(len(prefix)), timeout(ctx), queue, tag)
	})
	if err != nil {
		return nil, err
	}
	return b.node.takeBranch(op, prefix)
}

func (n *Node) takeBranch(op *operation, prefix []byte) (*Branch, error) {
	defer op.free()
	pointer := C.aspen_op_take_txn(op.result.op)
	if pointer == nil {
		return nil, localError(ErrShutdown, "the node is closed")
	}
	branch := &Branch{draft{node: n, noun: "branch", pointer: pointer}, clone(prefix)}
	runtime.SetFinalizer(branch, (*Branch).Discard) // of one that was forgotten
	return branch, nil
}

// Prefix is what its keys begin with.
func (b *Branch) Prefix() []byte { return clone(b.prefix) }

// Commit makes the changes, in one step, and gives their revision; of a branch of a branch, in that. The branch is
// then over. Errors: a *ConflictError when others have meanwhile changed what it read or changed: then nothing is
// changed, and it can still be read; ErrLimitExceeded, ErrQuotaExceeded, ErrCompacted.
func (b *Branch) Commit(ctx context.Context) (uint64, error) {
	succeeded, revision, conflicts, err := b.commit(ctx)
	if err != nil {
		return 0, err
	}
	if !succeeded {
		return 0, conflict(conflicts)
	}
	b.Discard()
	return revision, nil
}

// Discard forgets the changes that were not committed. It may be called again.
func (b *Branch) Discard() {
	runtime.SetFinalizer(b, nil)
	b.end()
}

func conflict(conflicts []KeyRange) *ConflictError {
	shown := []string{}
	for i, keys := range conflicts {
		if i == conflictsShown {
			shown = append(shown, "...")
			break
		}
		shown = append(shown, fmt.Sprintf("%q", keys.Start))
	}
	return &ConflictError{
		Message: fmt.Sprintf("others changed what the branch read or changed, in %d places: %s; make another branch",
			len(conflicts), strings.Join(shown, ", ")),
		Conflicts: conflicts,
	}
}
