package aspen

// #include <stdlib.h>
// #include "bridge.h"
import "C"

import (
	"context"
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
