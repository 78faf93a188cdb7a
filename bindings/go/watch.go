package aspen

// #include "bridge.h"
import "C"

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"time"
)

// eventsPerRead is how many events of a watch one crossing brings.
const eventsPerRead = 256

// WatchOptions choose what a watch tells. The zero value is every change, from now on.
type WatchOptions struct {
	Key         []byte        // not nil: this key alone
	Prefix      []byte        // else, not nil: keys that begin with it
	Start       []byte        // else from this key, inclusive; nil: the first there is
	End         []byte        // to this one, exclusive; nil: after the last
	Revision    uint64        // the first that is told, past or to come; 0: what comes from now on
	Previous    bool          // events tell what was there before
	NoPuts      bool          // only deletes are told
	NoDeletes   bool          // only puts are told
	Progress    time.Duration // a mark about so often, at least 100 ms, when nothing changes; 0: none
	BufferBytes uint64        // what the node keeps at most of what was not asked for yet; 0: 1 MiB
}

// An EventKind is what happened to a key.
type EventKind int32

const (
	EventPut    EventKind = C.ASPEN_EVENT_PUT
	EventDelete EventKind = C.ASPEN_EVENT_DELETE
)

// String is "put" or "delete".
func (k EventKind) String() string {
	if k == EventPut {
		return "put"
	}
	return "delete"
}

// An Event is one change of one key.
type Event struct {
	Kind     EventKind
	Revision uint64
	Key      []byte
	Entry    *Entry // of a put: the key as it is at that revision; else nil
	Previous *Entry // with WatchOptions.Previous: as it was before, without its lease; nil: absent, or forgotten
}

// A WatchBatch is what a watch tells at once: all events of one or more revisions, in order, or none in a mark.
type WatchBatch struct {
	Revision uint64 // everything up to it has been told
	Events   []Event
}

// A Watch tells what changes in some keys, as it happens:
//
//	watch, err := node.KV().Watch(ctx, aspen.WatchOptions{Prefix: []byte("user/")})
//	...
//	defer watch.Close()
//	for {
//		batch, err := watch.Next(ctx)
//
// Every change is told once, in the order of the revisions. When the member that serves it is lost, it goes on at
// another one where it stood. A reader that is slow loses nothing; only when compaction has overtaken it does the watch
// end, with ErrCompacted, and Error.Revision is the first that can still be watched. To go on with the state as it is:
// read the range, and watch from the revision after that. It never goes on with a gap. One goroutine reads it at a
// time.
type Watch struct {
	node    *Node
	told    uint64  // everything up to this revision was told
	pending []Event // of it, what All has not given yet

	mu      sync.Mutex       // held while C is given the pointer
	pointer *C.aspen_watch_t // nil once closed
}

// Watch tells what changes. Errors: ErrLimitExceeded (too many), ErrPermissionDenied.
func (kv *KV) Watch(ctx context.Context, options WatchOptions) (*Watch, error) {
	o := &options
	if o.Progress < 0 || o.Key != nil && (o.Prefix != nil || o.Start != nil || o.End != nil) ||
		o.Prefix != nil && (o.Start != nil || o.End != nil) {
		return nil, localError(ErrInvalidArgument, "a watch has a key, or a prefix, or start and end, not several; "+
			"its progress is not negative")
	}
	// The engine copies them before the call returns; clones, because C may be given no more than the bytes.
	key, prefix, begin, end := own(o.Key), own(o.Prefix), own(o.Start), own(o.End)
	op, err := kv.node.run(ctx, func(queue *C.aspen_cq_t, tag C.uint64_t) C.aspen_go_started_t {
		return C.aspen_go_watch_open(kv.node.pointer, first(key), size(key), first(prefix), size(prefix), first(begin),
			size(begin), first(end), size(end), C.uint64_t(o.Revision), flag(o.Previous), flag(o.NoPuts),
			flag(o.NoDeletes), C.int64_t(o.Progress), C.uint64_t(o.BufferBytes), timeout(ctx), queue, tag)
	})
	if err != nil {
		return nil, err
	}
	defer op.free()
	watch := &Watch{node: kv.node, told: uint64(op.result.revision), pointer: C.aspen_op_take_watch(op.result.op)}
	runtime.SetFinalizer(watch, (*Watch).Close) // of one that was forgotten
	return watch, nil
}

// Next waits for what comes next. Nothing is lost when ctx is done: the following Next goes on. Errors: ErrCompacted,
// ErrLimitExceeded (one revision that is too large), ErrPermissionDenied and ErrShutdown end the watch; ErrCancelled
// when it is closed meanwhile.
func (w *Watch) Next(ctx context.Context) (WatchBatch, error) {
	if events := w.pending; len(events) > 0 {
		w.pending = nil
		return WatchBatch{Revision: w.told, Events: events}, nil
	}
	closed := false
	op, err := run(ctx, func(queue *C.aspen_cq_t, tag C.uint64_t) C.aspen_go_started_t {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.pointer == nil {
			closed = true
			return C.aspen_go_started_t{status: C.ASPEN_CANCELLED}
		}
		return C.aspen_go_watch_next(w.pointer, queue, tag)
	})
	if closed {
		return WatchBatch{}, localError(ErrCancelled, "the watch is closed")
	}
	if err != nil {
		return WatchBatch{}, err
	}
	defer op.free()
	w.told = uint64(op.result.revision)
	return WatchBatch{Revision: w.told, Events: op.events()}, nil
}

// Revision is that up to which everything has been given: a watch from the one after it, at any node, goes on from
// here.
func (w *Watch) Revision() uint64 {
	if len(w.pending) > 0 {
		return w.pending[0].Revision - 1
	}
	return w.told
}

// All gives the events one after the other, for a range statement of Go 1.23 or newer:
//
//	for event, err := range watch.All(ctx) {
//
// It ends when the watch is closed; another error comes last, with an empty event.
func (w *Watch) All(ctx context.Context) func(yield func(Event, error) bool) {
	return func(yield func(Event, error) bool) {
		for {
			batch, err := w.Next(ctx)
			if err != nil {
				if ctx.Err() != nil || !errors.Is(err, ErrCancelled) {
					yield(Event{}, err)
				}
				return
			}
			for w.pending = batch.Events; len(w.pending) > 0; {
				event := w.pending[0]
				w.pending = w.pending[1:]
				if !yield(event, nil) {
					return
				}
			}
		}
	}
}

// Close ends the watch, and a Next that waits. It may be called again.
func (w *Watch) Close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	runtime.SetFinalizer(w, nil)
	C.aspen_watch_free(w.pointer)
	w.pointer = nil
}

// events copies all of the operation's events.
func (op *operation) events() []Event {
	count := int(C.aspen_op_event_count(op.result.op))
	events := make([]Event, 0, count)
	block := make([]C.aspen_watch_event_t, eventsPerRead)
	for len(events) < count {
		if left := count - len(events); left < len(block) {
			block = block[:left]
		}
		C.aspen_go_events(op.result.op, C.size_t(len(events)), &block[0], C.size_t(len(block)))
		for i := range block {
			events = append(events, copyEvent(&block[i]))
		}
	}
	return events
}

func copyEvent(from *C.aspen_watch_event_t) Event {
	entry := copyEntry(&C.aspen_go_entry_t{entry: from.entry, lease: from.lease})
	event := Event{Kind: EventKind(from.kind), Revision: uint64(from.revision), Key: entry.Key}
	if event.Kind == EventPut {
		event.Entry = &entry
	}
	if from.has_previous != 0 {
		previous := copyEntry(&C.aspen_go_entry_t{entry: from.previous})
		event.Previous = &previous
	}
	return event
}

// own copies a slice; nil stays nil.
func own(data []byte) []byte {
	if data == nil {
		return nil
	}
	return append([]byte{}, data...)
}
