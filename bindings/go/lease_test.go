package aspen

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"
)

func grant(t testing.TB, kv *KV, ttl time.Duration) *Lease {
	t.Helper()
	lease, err := kv.Grant(background(t), ttl)
	if err != nil {
		t.Fatal(err)
	}
	return lease
}

func attach(t testing.TB, kv *KV, key string, lease *Lease) {
	t.Helper()
	if _, err := kv.Put(background(t), []byte(key), nil, WithLease(lease.ID())); err != nil {
		t.Fatal(err)
	}
}

func present(t testing.TB, kv *KV, key string) bool {
	t.Helper()
	entry, err := kv.Get(background(t), []byte(key))
	if err != nil {
		t.Fatal(err)
	}
	return entry != nil
}

func TestLeaseRunsOut(t *testing.T) {
	ctx, kv := background(t), embedded(t).KV()
	begin := time.Now()
	lease := grant(t, kv, time.Second)
	for i := 0; i < 3; i++ {
		attach(t, kv, fmt.Sprint("k", i), lease)
	}
	attach(t, kv, "kept", lease)
	put(t, kv, "kept", "") // detached
	keys, err := lease.Keys(ctx)
	if err != nil || fmt.Sprintf("%s", keys) != "[k0 k1 k2]" {
		t.Fatalf("got %s, %v", keys, err)
	}
	until(t, "the key to go", func() bool { return !present(t, kv, "k0") })
	if took := time.Since(begin); took < time.Second {
		t.Errorf("it went after %v", took)
	}
	wantContents(t, kv.Range(ctx, RangeOptions{}), map[string]string{"kept": ""})
	_, err = lease.Info(ctx)
	wantCode(t, err, ErrNotFound)
	_, err = lease.KeepAlive(ctx)
	wantCode(t, err, ErrNotFound)
	_, err = lease.Keys(ctx)
	wantCode(t, err, ErrNotFound)
	_, err = lease.Revoke(ctx)
	wantCode(t, err, ErrNotFound)
}

func TestLeaseTellsOfItself(t *testing.T) {
	ctx, kv := background(t), embedded(t).KV()
	lease := grant(t, kv, time.Minute)
	attach(t, kv, "k", lease)
	info, err := kv.Lease(lease.ID()).Info(ctx)
	if err != nil || info.ID != lease.ID() || info.TTL != time.Minute || info.Keys != 1 ||
		info.Remaining > time.Minute || info.Remaining < 50*time.Second {
		t.Fatalf("got %+v, %v", info, err)
	}
	if remaining, err := lease.KeepAlive(ctx); err != nil || remaining != time.Minute {
		t.Fatal(remaining, err)
	}
	grant(t, kv, time.Hour)
	all, err := kv.Leases(ctx)
	if err != nil || len(all) != 2 || all[0].ID != lease.ID() || all[1].TTL != time.Hour {
		t.Fatalf("got %+v, %v", all, err)
	}
	if keys, err := lease.Revoke(ctx); err != nil || keys != 1 || present(t, kv, "k") {
		t.Fatal(keys, err)
	}
	for _, ttl := range []time.Duration{0, -1, 1, 1 << 62} {
		_, err := kv.Grant(ctx, ttl)
		wantCode(t, err, ErrInvalidArgument, ErrLimitExceeded)
	}
}

func TestLeaseIsKept(t *testing.T) {
	ctx, kv := background(t), embedded(t).KV()
	lease := grant(t, kv, time.Second)
	attach(t, kv, "k", lease)
	lost := lease.Keep()
	if lease.Keep() != lost {
		t.Error("it is kept twice")
	}
	select {
	case err := <-lost:
		t.Fatal(err)
	case <-time.After(2500 * time.Millisecond):
	}
	if !present(t, kv, "k") {
		t.Fatal("it ran out")
	}
	lease.Drop()
	lease.Drop()
	if err, ok := <-lost; ok {
		t.Fatal(err)
	}
	until(t, "the key to go", func() bool { return !present(t, kv, "k") })

	lease = grant(t, kv, time.Second)
	lost = lease.Keep()
	if _, err := kv.Lease(lease.ID()).Revoke(ctx); err != nil {
		t.Fatal(err)
	}
	wantCode(t, <-lost, ErrNotFound)
	if _, ok := <-lost; ok {
		t.Error("it is lost twice")
	}
}

func TestLeaseOfANodeThatIsClosed(t *testing.T) {
	ctx, node := background(t), embedded(t)
	lease := grant(t, node.KV(), time.Minute)
	lost := lease.Keep()
	if err := node.Close(ctx); err != nil {
		t.Fatal(err)
	}
	wantCode(t, <-lost, ErrShutdown)
	wantCode(t, <-lease.Keep(), ErrShutdown)
	lease.Drop()
}

func TestLeaseIsKeptWhileTheLeaderGoesAway(t *testing.T) {
	_, nodes, ticket := network(t, 3)
	client, other := connect(t, ticket), connect(t, ticket)
	lease := grant(t, client.KV(), 2*time.Second)
	attach(t, client.KV(), "member", lease)
	lost := lease.Keep()
	gone := leader(t, client)
	for _, node := range nodes {
		if node.ID() == gone {
			if err := node.Close(background(t)); err != nil {
				t.Error(err)
			}
		}
	}
	for end := time.Now().Add(6 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		entry, err := other.KV().Get(context.Background(), []byte("member"))
		var failed *Error
		if err != nil && !(errors.As(err, &failed) && failed.Retryable) {
			t.Fatal(err)
		}
		if err == nil && entry == nil {
			t.Fatal("the lease ran out")
		}
	}
	select {
	case err := <-lost:
		t.Fatal(err)
	default:
	}
	if _, err := lease.Revoke(background(t)); err != nil || present(t, other.KV(), "member") {
		t.Fatal(err)
	}
}
