package aspen

// #include <stdlib.h>
// #include "bridge.h"
import "C"

import (
	"context"
	"encoding/json"
	"os"
	"strings"
	"unsafe"
)

// Compact forgets what the keys were before the revision: reads at earlier ones give ErrCompacted. It gives the oldest
// revision that can still be read. Errors: ErrInvalidArgument (one to come), ErrPermissionDenied.
func (kv *KV) Compact(ctx context.Context, revision uint64) (uint64, error) {
	op, err := kv.node.run(ctx, func(queue *C.aspen_cq_t, tag C.uint64_t) C.aspen_go_started_t {
		return C.aspen_go_compact(kv.node.pointer, C.uint64_t(revision), timeout(ctx), queue, tag)
	})
	if err != nil {
		return 0, err
	}
	defer op.free()
	return uint64(op.result.revision), nil
}

// A Quota bounds what all keys with a prefix may come to.
type Quota struct {
	Prefix   []byte
	BytesMax uint64 // of keys and values; 0: any
	KeysMax  uint64 // 0: any
	Bytes    uint64 // that there are; SetQuota does not look at it
	Keys     uint64
}

// SetQuota sets the quota of its prefix; with both limits 0 it has none any more. Writes that would exceed it give
// ErrQuotaExceeded; it can be set below what there is, and what shrinks is always allowed. Errors: ErrLimitExceeded
// (too many), ErrPermissionDenied.
func (kv *KV) SetQuota(ctx context.Context, quota Quota) error {
	p := lend(quota.Prefix)
	op, err := kv.node.run(ctx, func(queue *C.aspen_cq_t, tag C.uint64_t) C.aspen_go_started_t {
		return C.aspen_go_quota_set(kv.node.pointer, (*C.uint8_t)(unsafe.Pointer(&p[0])), C.size_t(len(quota.Prefix)),
			C.uint64_t(quota.BytesMax), C.uint64_t(quota.KeysMax), timeout(ctx), queue, tag)
	})
	if err == nil {
		op.free()
	}
	return err
}

// Quotas gives all quotas, by prefix.
func (kv *KV) Quotas(ctx context.Context) ([]Quota, error) {
	op, err := kv.node.run(ctx, func(queue *C.aspen_cq_t, tag C.uint64_t) C.aspen_go_started_t {
		return C.aspen_go_quota_list(kv.node.pointer, timeout(ctx), queue, tag)
	})
	if err != nil {
		return nil, err
	}
	defer op.free()
	quotas := make([]Quota, int(C.aspen_op_quota_count(op.result.op)))
	for i := range quotas {
		var from C.aspen_quota_t
		C.aspen_op_quota(op.result.op, C.size_t(i), &from)
		quotas[i] = Quota{
			Prefix:   clone(borrow(from.prefix, from.prefix_size)),
			BytesMax: uint64(from.bytes_max),
			KeysMax:  uint64(from.keys_max),
			Bytes:    uint64(from.bytes),
			Keys:     uint64(from.keys),
		}
	}
	return quotas, nil
}

// RemoveMember takes a node out of the members: one that is gone for good, or that is not to be a member any more. It
// tells whether it was one. It stops, serves what it is asked through the others, and does not come back by itself;
// with an empty directory and a ticket the machine can join anew. A leader hands over first. Errors: ErrInvalidArgument
// (not a node id, or the only voter), ErrPermissionDenied (this node was not opened with a ticket that lets nodes be
// members, with all keys), ErrDeadlineExceeded (another change of members is under way, or the voters that would stay
// have no majority; the message says which).
func (n *Node) RemoveMember(ctx context.Context, nodeID string) (bool, error) {
	if strings.IndexByte(nodeID, 0) >= 0 {
		return false, localError(ErrInvalidArgument, "text with a NUL in it")
	}
	text := C.CString(nodeID)
	defer C.free(unsafe.Pointer(text))
	op, err := n.run(ctx, func(queue *C.aspen_cq_t, tag C.uint64_t) C.aspen_go_started_t {
		return C.aspen_go_member_remove(n.pointer, text, timeout(ctx), queue, tag)
	})
	if err != nil {
		return false, err
	}
	defer op.free()
	return op.result.succeeded != 0, nil
}

// TransferLeadership has the voter with the node id to lead; of "", any other than who leads now. It gives the node id
// of who leads then; writes wait meanwhile. Errors: ErrInvalidArgument (not a node id), ErrNotFound (not a voter, or of
// "": no other one is in contact), ErrPermissionDenied (as RemoveMember), ErrDeadlineExceeded (it could not take over).
func (n *Node) TransferLeadership(ctx context.Context, to string) (string, error) {
	if strings.IndexByte(to, 0) >= 0 {
		return "", localError(ErrInvalidArgument, "text with a NUL in it")
	}
	var text *C.char
	if to != "" {
		text = C.CString(to)
		defer C.free(unsafe.Pointer(text))
	}
	op, err := n.run(ctx, func(queue *C.aspen_cq_t, tag C.uint64_t) C.aspen_go_started_t {
		return C.aspen_go_leader_transfer(n.pointer, text, timeout(ctx), queue, tag)
	})
	if err != nil {
		return "", err
	}
	defer op.free()
	return C.GoString(op.result.text), nil
}

// A BackupManifest is what a backup holds.
type BackupManifest struct {
	Revision  uint64          `json:"revision"`
	NetworkID string          `json:"network_id"`
	NodeID    string          `json:"node_id"` // of the member that made it
	Keys      uint64          `json:"keys"`
	Bytes     uint64          `json:"bytes"` // of its files
	JSON      json.RawMessage `json:"-"`     // all of it, as aspen.h describes it
}

// A BackupOption changes how a backup is made.
type BackupOption func(*backupOptions)

type backupOptions struct{ consistency C.int32_t }

// BackupStale takes what the nearest member has; otherwise a backup holds what was acknowledged before it began.
func BackupStale() BackupOption {
	return func(options *backupOptions) { options.consistency = C.ASPEN_READ_STALE }
}

// Backup writes the store, as it is at one revision, into the directory dir, which is made or must be empty. Any node
// can be asked, while the network goes on; without a deadline it takes as long as it takes. A new node begins with it:
// NodeOptions.RestoreFrom. Errors: ErrAlreadyExists (something is in the directory), ErrIO, ErrCorrupt, ErrOverloaded,
// ErrPermissionDenied.
func (n *Node) Backup(ctx context.Context, dir string, options ...BackupOption) (*BackupManifest, error) {
	if strings.IndexByte(dir, 0) >= 0 {
		return nil, localError(ErrInvalidArgument, "text with a NUL in it")
	}
	text := C.CString(dir)
	defer C.free(unsafe.Pointer(text))
	return n.backup(ctx, text, 0, options)
}

// BackupTo is as Backup, but writes a tar archive to the file, which may be a pipe.
func (n *Node) BackupTo(ctx context.Context, file *os.File, options ...BackupOption) (*BackupManifest, error) {
	return n.backup(ctx, nil, C.int32_t(file.Fd()), options)
}

func (n *Node) backup(ctx context.Context, dir *C.char, stream C.int32_t, given []BackupOption) (*BackupManifest, error) {
	options := backupOptions{consistency: C.ASPEN_READ_LINEARIZABLE}
	for _, option := range given {
		option(&options)
	}
	op, err := n.run(ctx, func(queue *C.aspen_cq_t, tag C.uint64_t) C.aspen_go_started_t {
		return C.aspen_go_backup(n.pointer, dir, stream, options.consistency, timeout(ctx), queue, tag)
	})
	if err != nil {
		return nil, err
	}
	defer op.free()
	manifest := &BackupManifest{JSON: json.RawMessage(C.GoString(op.result.text))}
	if err := json.Unmarshal(manifest.JSON, manifest); err != nil {
		return nil, localError(ErrInternal, "the manifest is not what this package expects: "+err.Error())
	}
	return manifest, nil
}

// A Verification is what a look at all of a directory has found.
type Verification struct {
	OK       bool            `json:"ok"`   // nothing is wrong with it
	Kind     string          `json:"kind"` // node or backup
	Problems []Problem       `json:"problems"`
	JSON     json.RawMessage `json:"-"` // all of it, as aspen.h describes it
}

// A Problem is what is wrong with a directory.
type Problem struct {
	Code    string `json:"code"` // a name of the error table, mostly CORRUPT
	Message string `json:"message"`
}

// Verify looks at all of a node's or a backup's directory that no node is using, and changes nothing. What is damaged
// is in the result. Errors: ErrNotFound (it is neither), ErrInUse.
func Verify(ctx context.Context, dir string) (*Verification, error) {
	if strings.IndexByte(dir, 0) >= 0 {
		return nil, localError(ErrInvalidArgument, "text with a NUL in it")
	}
	text := C.CString(dir)
	defer C.free(unsafe.Pointer(text))
	var report string
	err := runReporting(ctx, func(queue *C.aspen_cq_t, tag C.uint64_t) C.aspen_go_started_t {
		return C.aspen_go_verify(text, queue, tag)
	}, &report)
	if report == "" {
		return nil, err
	}
	found := &Verification{JSON: json.RawMessage(report)}
	if err := json.Unmarshal(found.JSON, found); err != nil {
		return nil, localError(ErrInternal, "the report is not what this package expects: "+err.Error())
	}
	return found, nil
}
