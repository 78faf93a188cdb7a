package aspen

// #include "bridge.h"
import "C"

import "context"

// A Directory is a path of names, and the prefix of a few bytes that it stands for: a Subspace for the keys of what is
// there.
//
//	users, err := node.KV().Directory(ctx, []string{"app", "users"})
//	key, err := users.Pack(aspen.Tuple{42, "name"})
type Directory struct {
	Subspace
	Path    []string // the names, from the outermost on, by which it was opened
	Created bool     // opening it has created it
}

// A DirectoryOption changes how a directory is opened.
type DirectoryOption func(*directoryOptions)

type directoryOptions struct {
	how   C.int32_t
	layer []byte
}

// ExistingOnly gives ErrNotFound when the directory is not there.
func ExistingOnly() DirectoryOption {
	return func(options *directoryOptions) { options.how = C.ASPEN_DIRECTORY_OPEN }
}

// NewOnly gives ErrAlreadyExists when the directory is there.
func NewOnly() DirectoryOption {
	return func(options *directoryOptions) { options.how = C.ASPEN_DIRECTORY_CREATE }
}

// WithLayer says what kind of directory it is: a new one gets it, and one that exists must have it.
func WithLayer(layer []byte) DirectoryOption {
	return func(options *directoryOptions) { options.layer = clone(layer) }
}

// Directory opens a directory, and creates it, with its parents, when it is not there. Errors: ErrInvalidArgument (it
// has another layer), and those of its options.
func (kv *KV) Directory(ctx context.Context, path []string, options ...DirectoryOption) (*Directory, error) {
	given := directoryOptions{how: C.ASPEN_DIRECTORY_OPEN_OR_CREATE}
	for _, option := range options {
		option(&given)
	}
	packed, err := packedPath(path)
	if err != nil {
		return nil, err
	}
	op, err := kv.node.run(ctx, func(queue *C.aspen_cq_t, tag C.uint64_t) C.aspen_go_started_t {
		return C.aspen_go_directory_open(kv.node.pointer, first(packed), C.size_t(len(packed)), given.how,
			first(given.layer), C.size_t(len(given.layer)), timeout(ctx), queue, tag)
	})
	if err != nil {
		return nil, err
	}
	defer op.free()
	return op.directory(path), nil
}

// Directories gives the directories in one, by name; of an empty path, the outermost. Errors: ErrNotFound.
func (kv *KV) Directories(ctx context.Context, path []string) ([]*Directory, error) {
	packed, err := packedPath(path)
	if err != nil {
		return nil, err
	}
	all := []*Directory{}
	for {
		var after *C.char
		if len(all) > 0 {
			texts, free, err := cTexts(all[len(all)-1].Path[len(path)])
			if err != nil {
				return nil, err
			}
			defer free()
			after = texts[0]
		}
		op, err := kv.node.run(ctx, func(queue *C.aspen_cq_t, tag C.uint64_t) C.aspen_go_started_t {
			return C.aspen_go_directory_list(kv.node.pointer, first(packed), C.size_t(len(packed)), after, timeout(ctx),
				queue, tag)
		})
		if err != nil {
			return nil, err
		}
		for _, entry := range op.entries() {
			inner := append(append([]string{}, path...), string(entry.Key))
			all = append(all, &Directory{Subspace: Subspace{entry.Value}, Path: inner})
		}
		more := op.result.more != 0 && op.result.entry_count > 0
		op.free()
		if !more {
			return all, nil
		}
	}
}

// MoveDirectory gives a directory, with all that is in it, another path; its prefix stays the same. Errors: ErrNotFound
// (also of the new place's parent), ErrAlreadyExists, ErrInvalidArgument (a place inside itself).
func (kv *KV) MoveDirectory(ctx context.Context, from, to []string) (*Directory, error) {
	source, err := packedPath(from)
	if err != nil {
		return nil, err
	}
	target, err := packedPath(to)
	if err != nil {
		return nil, err
	}
	op, err := kv.node.run(ctx, func(queue *C.aspen_cq_t, tag C.uint64_t) C.aspen_go_started_t {
		return C.aspen_go_directory_move(kv.node.pointer, first(source), C.size_t(len(source)), first(target),
			C.size_t(len(target)), timeout(ctx), queue, tag)
	})
	if err != nil {
		return nil, err
	}
	defer op.free()
	moved := op.directory(to)
	moved.Created = false
	return moved, nil
}

// RemoveDirectory removes a directory with all directories and keys in it, and tells whether it was there. Errors:
// ErrLimitExceeded when that is more than one step may change: delete keys under its prefix first.
func (kv *KV) RemoveDirectory(ctx context.Context, path []string) (bool, error) {
	packed, err := packedPath(path)
	if err != nil {
		return false, err
	}
	op, err := kv.node.run(ctx, func(queue *C.aspen_cq_t, tag C.uint64_t) C.aspen_go_started_t {
		return C.aspen_go_directory_remove(kv.node.pointer, first(packed), C.size_t(len(packed)), timeout(ctx), queue,
			tag)
	})
	if err != nil {
		return false, err
	}
	defer op.free()
	return op.result.succeeded != 0, nil
}

func packedPath(path []string) ([]byte, error) {
	names := make(Tuple, len(path))
	for i, name := range path {
		names[i] = name
	}
	return names.Pack()
}

// directory is the one that the operation gives.
func (op *operation) directory(path []string) *Directory {
	return &Directory{
		Subspace: Subspace{op.entry().Value},
		Path:     append([]string{}, path...),
		Created:  op.result.succeeded != 0,
	}
}
