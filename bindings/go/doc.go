// Package aspen makes a program a node of an encrypted network with a replicated key-value store.
//
//	node, err := aspen.Open(ctx, "./data") // one store, no network
//	...
//	defer node.Close(ctx)
//	revision, err := node.KV().Put(ctx, []byte("greeting"), []byte("hello"))
//	entry, err := node.KV().Get(ctx, []byte("greeting")) // nil when absent
//
// A transaction compares, and does one thing or another, in one step:
//
//	done, err := node.KV().Batch().
//		Compare(aspen.Key(lock).Absent()).
//		Put(lock, mine).
//		Else(func(b *aspen.Batch) { b.Get(lock) }).
//		Apply(ctx)
//
// Found makes the first member of a network, Node.Ticket an invitation to it, Join a further member and Connect
// a client that stores nothing.
//
// Every call takes a context. When that is done the operation is asked to end, and the call returns when it
// has: with an error, or with the result when it was too late. The context's deadline is the operation's too;
// without one it is 10 seconds, and 30 of opening a node.
//
// Errors are *Error. errors.Is(err, aspen.ErrNotLeader) asks for a code, and Error.Applied tells whether a
// failed change can have taken effect. errors.Is(err, context.DeadlineExceeded) and context.Canceled work too.
//
// KV.Transact runs a function that reads before it knows what to write, again while others are faster; a Branch is a
// copy of some keys that is committed later.
//
// Everything may be used by any number of goroutines, except Batch and Cursor. Byte slices given to a call are
// copied before it returns, and those it returns are the caller's.
package aspen

/*
#cgo CFLAGS: -std=c99 -I${SRCDIR}/../../capi/include
#cgo LDFLAGS: -L${SRCDIR}/../../build/release/lib -laspen -Wl,-rpath,${SRCDIR}/../../build/release/lib
#include "bridge.h"
*/
import "C"
