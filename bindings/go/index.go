package aspen

// #include <stdlib.h>
// #include "bridge.h"
import "C"

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"strings"
	"unsafe"
)

// An IndexInfo is an index, as it is.
type IndexInfo struct {
	Name      string
	Prefix    []byte
	Extractor string
	State     string // building, ready or dropping
	Records   uint64 // how many keys have been looked at to build it
}

// cTexts copies texts, for free to be called.
func cTexts(texts ...string) (copied []*C.char, free func(), err error) {
	free = func() {
		for _, text := range copied {
			C.free(unsafe.Pointer(text))
		}
	}
	for _, text := range texts {
		if strings.IndexByte(text, 0) >= 0 {
			free()
			return nil, nil, localError(ErrInvalidArgument, "text with a NUL in it")
		}
		copied = append(copied, C.CString(text))
	}
	return copied, free, nil
}

// CreateIndex has the keys with this prefix found by what is in their values, with ScanIndex.
//
// The extractor is "json:/user/email" (a place in a JSON value), "number:/price" (the same, numbers only, all as
// float64), "tuple:0" (an item of a packed tuple) or "value" (all of it, as bytes). The index is kept in the same step as
// every write; keys that are there already are entered in the background, which Indexes tells. Errors: ErrAlreadyExists,
// ErrInvalidArgument, ErrLimitExceeded, ErrPermissionDenied.
func (kv *KV) CreateIndex(ctx context.Context, name string, prefix []byte, extractor string) error {
	texts, free, err := cTexts(name, extractor)
	if err != nil {
		return err
	}
	defer free()
	p := lend(prefix)
	op, err := kv.node.run(ctx, func(queue *C.aspen_cq_t, tag C.uint64_t) C.aspen_go_started_t {
		return C.aspen_go_index_create(kv.node.pointer, texts[0], (*C.uint8_t)(unsafe.Pointer(&p[0])),
			C.size_t(len(prefix)), texts[1], timeout(ctx), queue, tag)
	})
	if err == nil {
		op.free()
	}
	return err
}

// DropIndex drops an index; its name is free at once. Errors: ErrNotFound, ErrPermissionDenied.
func (kv *KV) DropIndex(ctx context.Context, name string) error {
	texts, free, err := cTexts(name)
	if err != nil {
		return err
	}
	defer free()
	op, err := kv.node.run(ctx, func(queue *C.aspen_cq_t, tag C.uint64_t) C.aspen_go_started_t {
		return C.aspen_go_index_drop(kv.node.pointer, texts[0], timeout(ctx), queue, tag)
	})
	if err == nil {
		op.free()
	}
	return err
}

// Indexes gives all indexes, by age.
func (kv *KV) Indexes(ctx context.Context) ([]IndexInfo, error) {
	op, err := kv.node.run(ctx, func(queue *C.aspen_cq_t, tag C.uint64_t) C.aspen_go_started_t {
		return C.aspen_go_index_list(kv.node.pointer, timeout(ctx), queue, tag)
	})
	if err != nil {
		return nil, err
	}
	defer op.free()
	var rows []struct {
		Name, Extractor, State string
		PrefixHex              string `json:"prefix_hex"`
		Records                uint64
	}
	if err := json.Unmarshal([]byte(C.GoString(op.result.text)), &rows); err != nil {
		return nil, localError(ErrInternal, "the list of indexes is not what this package expects: "+err.Error())
	}
	indexes := make([]IndexInfo, len(rows))
	for i, row := range rows {
		prefix, err := hex.DecodeString(row.PrefixHex)
		if err != nil {
			return nil, localError(ErrInternal, "the prefix of an index is not what this package expects")
		}
		indexes[i] = IndexInfo{row.Name, prefix, row.Extractor, row.State, row.Records}
	}
	return indexes, nil
}

// IndexScanOptions choose entries of an index. The zero value chooses all. Values are items as tuples have them, each
// in a Tuple of its own: Tuple{42}, Tuple{nil}.
type IndexScanOptions struct {
	Value       Tuple  // not nil: the entries of this value, instead of Start and End
	Start       Tuple  // the first value, inclusive; nil: the first there is
	End         Tuple  // where to end, exclusive; nil: after the last value
	Limit       uint64 // at most so many entries; 0: all
	Reverse     bool   // from the last to the first
	KeysOnly    bool   // leave the entries' values out
	PageEntries uint64 // entries fetched, and held, at a time; 0: as many as a reply holds
}

// An IndexCursor gives the entries of an index one after the other, by value, and by key where these are equal. It is
// used as a Cursor is.
type IndexCursor struct {
	cursor *Cursor
	values [][]byte // of what is left of the page
	value  interface{}
	err    error
}

// ScanIndex begins a scan, which sees what a read of the keys would. A key with several values comes once for each.
// Errors, of the cursor: ErrNotFound, also while the index is being built.
func (kv *KV) ScanIndex(ctx context.Context, name string, options IndexScanOptions) *IndexCursor {
	scan := &IndexCursor{}
	bounds := [3][]byte{}
	for i, value := range []Tuple{options.Value, options.Start, options.End} {
		if value == nil {
			continue
		}
		if len(value) != 1 {
			return &IndexCursor{err: localError(ErrInvalidArgument, "a value of an index is a tuple of one item")}
		}
		packed, err := value.Pack()
		if err != nil {
			return &IndexCursor{err: err}
		}
		bounds[i] = packed
	}
	if options.Value != nil && (options.Start != nil || options.End != nil) {
		return &IndexCursor{err: localError(ErrInvalidArgument, "a scan is of one value, or has start and end, not both")}
	}
	read := func(c *Cursor, pages uint64) (*operation, error) {
		texts, free, err := cTexts(name)
		if err != nil {
			return nil, err
		}
		defer free()
		op, err := kv.node.run(c.ctx, func(queue *C.aspen_cq_t, tag C.uint64_t) C.aspen_go_started_t {
			return C.aspen_go_index_scan(kv.node.pointer, texts[0], first(bounds[0]), size(bounds[0]), first(bounds[1]),
				size(bounds[1]), first(bounds[2]), size(bounds[2]), first(c.continuation), size(c.continuation),
				C.uint64_t(pages), flag(options.Reverse), flag(options.KeysOnly), timeout(c.ctx), queue, tag)
		})
		if err == nil {
			scan.values = op.indexValues()
		}
		return op, err
	}
	scan.cursor = newCursor(ctx, RangeOptions{Limit: options.Limit, PageEntries: options.PageEntries}, read)
	return scan
}

// Next goes to the next entry; false when there is none, or an error.
func (c *IndexCursor) Next() bool {
	if c.err != nil || !c.cursor.Next() {
		return false
	}
	tuple, err := UnpackTuple(c.values[0])
	c.values = c.values[1:]
	if err != nil || len(tuple) != 1 {
		c.err = localError(ErrInternal, "the value of an index is not a tuple of one item")
		return false
	}
	c.value = tuple[0]
	return true
}

// Entry is the entry that Next went to.
func (c *IndexCursor) Entry() Entry { return c.cursor.Entry() }

// Value is the value that the index has it under.
func (c *IndexCursor) Value() interface{} { return c.value }

// Err tells why Next gave false; nil at the end.
func (c *IndexCursor) Err() error {
	if c.err != nil {
		return c.err
	}
	return c.cursor.Err()
}

// Close ends the scan: Next gives false. It is not needed after that.
func (c *IndexCursor) Close() {
	if c.cursor != nil {
		c.cursor.Close()
	}
	c.values, c.value = nil, nil
}

// indexValues copies the value, a packed tuple, of each of the operation's entries.
func (op *operation) indexValues() [][]byte {
	values := make([][]byte, int(op.result.entry_count))
	for i := range values {
		var length C.size_t
		data := C.aspen_op_index_value(op.result.op, C.size_t(i), &length)
		values[i] = clone(borrow(data, length))
	}
	return values
}
