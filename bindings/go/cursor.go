package aspen

// #include "bridge.h"
import "C"

import (
	"context"
	"time"
)

// RangeOptions choose entries. The zero value chooses all.
type RangeOptions struct {
	Prefix      []byte        // not nil: keys that begin with it, instead of Start and End
	Start       []byte        // the first key, inclusive; nil: the first there is
	End         []byte        // where to end, exclusive; nil: after the last key
	Limit       uint64        // at most so many entries; 0: all
	Reverse     bool          // from the last key to the first
	KeysOnly    bool          // leave values out
	Stale       bool          // read what the nearest member has applied, which may be old
	Staleness   time.Duration // not 0: the same, but see every write that completed so long before
	ByLease     bool          // read as ByLease does
	Revision    uint64        // read the store as it was right after this revision, as AtRevision does; 0: as it is
	PageEntries uint64        // entries fetched, and held, at a time; 0: as many as a reply holds
}

// A Cursor gives the entries of a range one after the other, in the order of their keys' bytes:
//
//	cursor := node.KV().Range(ctx, aspen.RangeOptions{Prefix: []byte("user/")})
//	defer cursor.Close()
//	for cursor.Next() {
//		entry := cursor.Entry()
//	}
//	if err := cursor.Err(); err != nil {
//
// It fetches page by page as it advances and holds one page. Each page is a read of its own; those of one
// RangeOptions.Revision fit together. Not for several goroutines at once.
type Cursor struct {
	ctx          context.Context
	read         func(c *Cursor, pages uint64) (*operation, error) // fetches a page of so many entries
	options      RangeOptions
	left         uint64  // entries still to be given
	page         []Entry // what is left of it
	entry        Entry
	continuation []byte // of the next page
	last         bool   // there is no next page
	err          error
}

// Range begins a range. The first page is fetched by the first Next.
func (kv *KV) Range(ctx context.Context, options RangeOptions) *Cursor {
	return newCursor(ctx, options, kv.readPage)
}

func newCursor(ctx context.Context, options RangeOptions, read func(*Cursor, uint64) (*operation, error)) *Cursor {
	cursor := &Cursor{ctx: ctx, read: read, options: options, left: options.Limit}
	if options.Limit == 0 {
		cursor.left = ^uint64(0)
	}
	cursor.options.own()
	cursor.err = options.check()
	return cursor
}

func (o *RangeOptions) check() error {
	if o.Prefix != nil && (o.Start != nil || o.End != nil) {
		return localError(ErrInvalidArgument, "a range has a prefix, or start and end, not both")
	}
	if o.ByLease && (o.Stale || o.Staleness != 0) {
		return localError(ErrInvalidArgument, "a range is stale, or by the leader's lease, not both")
	}
	return nil
}

// own copies the caller's slices, which may be used again before they are needed.
func (o *RangeOptions) own() {
	for _, key := range []*[]byte{&o.Prefix, &o.Start, &o.End} {
		if *key != nil {
			*key = append([]byte{}, *key...)
		}
	}
}

// Next goes to the next entry; false when there is none, or an error.
func (c *Cursor) Next() bool {
	for c.err == nil && len(c.page) == 0 && !c.last && c.left > 0 {
		c.fetch()
	}
	if c.err != nil || len(c.page) == 0 || c.left == 0 {
		c.Close()
		return false
	}
	c.entry, c.page = c.page[0], c.page[1:]
	c.left--
	return true
}

// Entry is the entry that Next went to.
func (c *Cursor) Entry() Entry { return c.entry }

// Err tells why Next gave false; nil at the end of the range.
func (c *Cursor) Err() error { return c.err }

// Close ends the range: Next gives false. It is not needed after that.
func (c *Cursor) Close() { c.page, c.entry, c.last = nil, Entry{}, true }

// All gives what is left, for a range statement of Go 1.23 or newer:
//
//	for entry, err := range node.KV().Range(ctx, options).All() {
//
// An error comes last, with an empty entry.
func (c *Cursor) All() func(yield func(Entry, error) bool) {
	return func(yield func(Entry, error) bool) {
		defer c.Close()
		for c.Next() {
			if !yield(c.Entry(), nil) {
				return
			}
		}
		if c.err != nil {
			yield(Entry{}, c.err)
		}
	}
}

func (c *Cursor) fetch() {
	pages := c.options.PageEntries
	if c.options.Limit != 0 && (pages == 0 || pages > c.options.Limit) {
		pages = c.options.Limit
	}
	op, err := c.read(c, pages)
	if err != nil {
		c.err = err
		return
	}
	defer op.free()
	c.page = op.entries()
	c.continuation = op.continuation()
	c.last = c.continuation == nil
}

func (kv *KV) readPage(c *Cursor, pages uint64) (*operation, error) {
	o := &c.options
	consistency := C.int32_t(C.ASPEN_READ_LINEARIZABLE)
	if o.ByLease {
		consistency = C.ASPEN_READ_LEASE
	} else if o.Stale || o.Staleness != 0 {
		consistency = C.ASPEN_READ_STALE
	}
	return kv.node.run(c.ctx, func(queue *C.aspen_cq_t, tag C.uint64_t) C.aspen_go_started_t {
		return C.aspen_go_range(kv.node.pointer, first(o.Prefix), size(o.Prefix), first(o.Start), size(o.Start),
			first(o.End), size(o.End), first(c.continuation), size(c.continuation), C.uint64_t(pages),
			flag(o.Reverse), flag(o.KeysOnly), consistency, C.int64_t(o.Staleness), C.uint64_t(o.Revision), timeout(c.ctx), queue, tag)
	})
}

// plain reports whether the options leave open which state is read.
func (o *RangeOptions) plain() bool {
	return !o.Stale && o.Staleness == 0 && !o.ByLease && o.Revision == 0
}

// size is the length of bytes that may be none: then -1.
func size(data []byte) C.int64_t {
	if data == nil {
		return -1
	}
	return C.int64_t(len(data))
}

func flag(on bool) C.uint8_t {
	if on {
		return 1
	}
	return 0
}
