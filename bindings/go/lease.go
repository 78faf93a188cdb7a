package aspen

// #include "bridge.h"
import "C"

import (
	"context"
	"sync"
	"time"
)

// A Lease is time that keys are attached to: they go, all in one step, when it has run out or is revoked.
//
//	lease, err := node.KV().Grant(ctx, 10*time.Second)
//	...
//	lost := lease.Keep()
//	defer lease.Revoke(ctx)
//	_, err = node.KV().Put(ctx, []byte("member/1"), here, aspen.WithLease(lease.ID()))
//
// The leader counts the time: a lease never runs out before its time has passed since it was granted or renewed, or
// since the leader came to lead; what holds the leader up makes it last longer. A put without a lease detaches the key.
// All calls give ErrNotFound when it is gone.
type Lease struct {
	kv *KV
	id uint64

	mu      sync.Mutex
	keeping chan error // of Keep; nil when it is not kept
}

// A LeaseInfo is a lease, as it is.
type LeaseInfo struct {
	ID        uint64
	TTL       time.Duration // what it was granted for
	Remaining time.Duration // before it runs out, if nobody keeps it alive
	Keys      uint64        // how many are attached
}

// Grant makes a lease of this time. Errors: ErrInvalidArgument (the time), ErrLimitExceeded (too many leases).
func (kv *KV) Grant(ctx context.Context, ttl time.Duration) (*Lease, error) {
	op, err := kv.node.run(ctx, func(queue *C.aspen_cq_t, tag C.uint64_t) C.aspen_go_started_t {
		return C.aspen_go_lease_grant(kv.node.pointer, C.int64_t(ttl), timeout(ctx), queue, tag)
	})
	if err != nil {
		return nil, err
	}
	defer op.free()
	return kv.Lease(uint64(C.aspen_op_lease(op.result.op))), nil
}

// Lease is the lease with this number, such as that of an entry; nobody is asked.
func (kv *KV) Lease(id uint64) *Lease { return &Lease{kv: kv, id: id} }

// Leases gives all leases, by number.
func (kv *KV) Leases(ctx context.Context) ([]LeaseInfo, error) {
	var all []LeaseInfo
	for after := uint64(0); ; {
		op, err := kv.node.run(ctx, func(queue *C.aspen_cq_t, tag C.uint64_t) C.aspen_go_started_t {
			return C.aspen_go_lease_list(kv.node.pointer, C.uint64_t(after), timeout(ctx), queue, tag)
		})
		if err != nil {
			return nil, err
		}
		page, more := op.leases(), op.result.more != 0
		op.free()
		all = append(all, page...)
		if !more || len(page) == 0 {
			return all, nil
		}
		after = page[len(page)-1].ID
	}
}

// ID is the lease's number, for WithLease.
func (l *Lease) ID() uint64 { return l.id }

// KeepAlive gives it all its time again, once, and tells how much that is.
func (l *Lease) KeepAlive(ctx context.Context) (time.Duration, error) {
	info, err := l.run(ctx, func(queue *C.aspen_cq_t, tag C.uint64_t) C.aspen_go_started_t {
		return C.aspen_go_lease_keep_alive(l.kv.node.pointer, C.uint64_t(l.id), timeout(ctx), queue, tag)
	})
	return info.Remaining, err
}

// Info tells what is left of it.
func (l *Lease) Info(ctx context.Context) (LeaseInfo, error) {
	return l.run(ctx, func(queue *C.aspen_cq_t, tag C.uint64_t) C.aspen_go_started_t {
		return C.aspen_go_lease_info(l.kv.node.pointer, C.uint64_t(l.id), nil, 0, timeout(ctx), queue, tag)
	})
}

// Keys gives the keys that are attached, in order.
func (l *Lease) Keys(ctx context.Context) ([][]byte, error) {
	var keys [][]byte
	for continuation := []byte(nil); ; {
		op, err := l.kv.node.run(ctx, func(queue *C.aspen_cq_t, tag C.uint64_t) C.aspen_go_started_t {
			return C.aspen_go_lease_info(l.kv.node.pointer, C.uint64_t(l.id), first(continuation),
				C.size_t(len(continuation)), timeout(ctx), queue, tag)
		})
		if err != nil {
			return nil, err
		}
		for _, entry := range op.entries() {
			keys = append(keys, entry.Key)
		}
		continuation = op.continuation()
		op.free()
		if continuation == nil {
			return keys, nil
		}
	}
}

// Revoke deletes its keys, in one step, and the lease, and tells how many keys. It is no longer kept then.
func (l *Lease) Revoke(ctx context.Context) (uint64, error) {
	l.Drop()
	info, err := l.run(ctx, func(queue *C.aspen_cq_t, tag C.uint64_t) C.aspen_go_started_t {
		return C.aspen_go_lease_revoke(l.kv.node.pointer, C.uint64_t(l.id), timeout(ctx), queue, tag)
	})
	return info.Keys, err
}

// Keep has the engine renew it from now on, in the background, each time a third of its time has passed. The channel
// is closed when that has ended; before, it gives the reason, unless that was Drop: ErrNotFound when the lease has run
// out or was revoked, ErrShutdown. Of a lease that is kept already it is the same channel.
func (l *Lease) Keep() <-chan error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.keeping != nil {
		return l.keeping
	}
	keeping := make(chan error, 1)
	l.keeping = keeping
	begun := make(chan struct{})
	var once sync.Once
	begin := func() { once.Do(func() { close(begun) }) }
	go func() {
		node := l.kv.node
		op, err := node.run(context.Background(), func(queue *C.aspen_cq_t, tag C.uint64_t) C.aspen_go_started_t {
			defer begin()
			return C.aspen_go_lease_keep(node.pointer, C.uint64_t(l.id), queue, tag)
		})
		begin()
		l.mu.Lock()
		defer l.mu.Unlock()
		if err == nil {
			op.free()
		} else if l.keeping == keeping {
			keeping <- err
		}
		if l.keeping == keeping {
			l.keeping = nil
		}
		close(keeping)
	}()
	<-begun // so that a Drop that follows finds it
	return keeping
}

// Drop ends Keep, here and wherever else the lease is kept at this node; it then runs out. It may be called again.
func (l *Lease) Drop() {
	l.mu.Lock()
	kept := l.keeping != nil
	l.keeping = nil
	l.mu.Unlock()
	node := l.kv.node
	node.mu.RLock()
	defer node.mu.RUnlock()
	if kept && !node.closing {
		C.aspen_lease_drop_keep(node.pointer, C.uint64_t(l.id))
	}
}

func (l *Lease) run(ctx context.Context, begin start) (LeaseInfo, error) {
	op, err := l.kv.node.run(ctx, begin)
	if err != nil {
		return LeaseInfo{}, err
	}
	defer op.free()
	return op.leases()[0], nil
}

// leases copies the operation's leases.
func (op *operation) leases() []LeaseInfo {
	count := int(C.aspen_op_lease_count(op.result.op))
	if count == 0 {
		return nil
	}
	from := make([]C.aspen_lease_t, count)
	C.aspen_go_leases(op.result.op, 0, &from[0], C.size_t(count))
	leases := make([]LeaseInfo, count)
	for i := range from {
		leases[i] = LeaseInfo{
			ID:        uint64(from[i].lease),
			TTL:       time.Duration(from[i].ttl_ns),
			Remaining: time.Duration(from[i].remaining_ns),
			Keys:      uint64(from[i].keys),
		}
	}
	return leases
}
