package aspen

import (
	"bytes"
	"fmt"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestCompact(t *testing.T) {
	ctx, kv := background(t), embedded(t).KV()
	var revisions []uint64
	for i := 0; i < 10; i++ {
		revisions = append(revisions, put(t, kv, "k", fmt.Sprint(i)))
	}
	if oldest, err := kv.Compact(ctx, revisions[5]); err != nil || oldest != revisions[5] {
		t.Fatal(oldest, err)
	}
	_, err := kv.Get(ctx, []byte("k"), AtRevision(revisions[4]))
	wantCode(t, err, ErrCompacted)
	if entry, err := kv.Get(ctx, []byte("k"), AtRevision(revisions[5])); err != nil || string(entry.Value) != "5" {
		t.Fatal(entry, err)
	}
	if oldest, err := kv.Compact(ctx, revisions[2]); err != nil || oldest != revisions[5] {
		t.Fatal(oldest, err)
	}
	_, err = kv.Compact(ctx, revisions[9]+1000)
	wantCode(t, err, ErrInvalidArgument)
	late, err := kv.Watch(ctx, WatchOptions{Revision: revisions[1]})
	if err == nil {
		_, err = late.Next(ctx)
		late.Close()
	}
	if failed := wantCode(t, err, ErrCompacted); failed.Revision <= revisions[1] {
		t.Errorf("got %+v", failed)
	}
}

func TestQuotas(t *testing.T) {
	ctx, kv := background(t), embedded(t).KV()
	prefix := []byte("q/")
	put(t, kv, "q/0", "v")
	if err := kv.SetQuota(ctx, Quota{Prefix: prefix, KeysMax: 2}); err != nil {
		t.Fatal(err)
	}
	put(t, kv, "q/1", "v")
	_, err := kv.Put(ctx, []byte("q/2"), nil)
	if failed := wantCode(t, err, ErrQuotaExceeded); failed.Applied != AppliedNo || !strings.Contains(failed.Message, "q/") {
		t.Errorf("got %+v", failed)
	}
	wantCode(t, kv.Transact(ctx, func(tx *Txn) error { return tx.Put([]byte("q/2"), nil) }), ErrQuotaExceeded)
	put(t, kv, "other", "v")
	quotas, err := kv.Quotas(ctx)
	if want := []Quota{{prefix, 0, 2, 8, 2}}; err != nil || !reflect.DeepEqual(quotas, want) {
		t.Fatalf("got %+v, %v, want %+v", quotas, err, want)
	}
	if err := kv.SetQuota(ctx, Quota{Prefix: prefix, BytesMax: 5}); err != nil {
		t.Fatal(err)
	}
	_, err = kv.Put(ctx, []byte("q/1"), []byte("larger"))
	wantCode(t, err, ErrQuotaExceeded)
	if err := kv.SetQuota(ctx, Quota{Prefix: prefix}); err != nil {
		t.Fatal(err)
	}
	if quotas, err := kv.Quotas(ctx); err != nil || len(quotas) != 0 {
		t.Fatal(quotas, err)
	}
}

func TestFreshness(t *testing.T) {
	ctx := background(t)
	_, nodes, ticket := network(t, 3)
	nodes = append(nodes, connect(t, ticket))
	for i, node := range nodes {
		want := []byte(fmt.Sprint(i))
		put(t, node.KV(), "k", string(want))
		for _, options := range [][]ReadOption{{}, {StaleWithin(time.Microsecond)}, {ByLease()}} {
			if entry, err := nodes[3].KV().Get(ctx, []byte("k"), options...); err != nil || !bytes.Equal(entry.Value, want) {
				t.Fatalf("got %+v, %v, want %s", entry, err, want)
			}
		}
		for _, options := range []RangeOptions{{}, {Staleness: time.Microsecond}, {ByLease: true}} {
			wantContents(t, nodes[3].KV().Range(ctx, options), map[string]string{"k": string(want)})
		}
	}
	cursor := nodes[0].KV().Range(ctx, RangeOptions{ByLease: true, Stale: true})
	cursor.Next()
	wantCode(t, cursor.Err(), ErrInvalidArgument)
}

func TestNodeOptions(t *testing.T) {
	ctx, dir := background(t), t.TempDir()
	node, err := Open(ctx, filepath.Join(dir, "embedded"), NodeOptions{HistoryRevisions: 10, History: -1})
	closing(t, node, err)
	first := put(t, node.KV(), "k", "first")
	for i := 0; i < 50; i++ {
		put(t, node.KV(), "k", fmt.Sprint(i))
	}
	if entry, err := node.KV().Get(ctx, []byte("k"), AtRevision(first)); err != nil || string(entry.Value) != "first" {
		t.Fatal(entry, err)
	}
	_, err = Open(ctx, filepath.Join(dir, "none"), NodeOptions{JournalSegmentBytes: 1})
	wantCode(t, err, ErrInvalidArgument, ErrLimitExceeded)

	options := NodeOptions{LeaseReads: true, MemberReads: true, ClockDriftPPM: 500, DeadVoter: time.Minute}
	founder, err := Found(ctx, MemberOptions{Dir: filepath.Join(dir, "0"), Listen: anyPort, NodeOptions: options})
	closing(t, founder, err)
	ticket, err := founder.Ticket(ctx, 0)
	if err != nil {
		t.Fatal(err)
	}
	member, err := Join(ctx, MemberOptions{Dir: filepath.Join(dir, "1"), Listen: anyPort, NodeOptions: options}, ticket)
	closing(t, member, err)
	for i := 0; i < 20; i++ {
		put(t, founder.KV(), "k", fmt.Sprint(i))
		for _, node := range []*Node{founder, member} {
			wantValue(t, node.KV(), "k", fmt.Sprint(i))
			if entry, err := node.KV().Get(ctx, []byte("k"), ByLease()); err != nil || string(entry.Value) != fmt.Sprint(i) {
				t.Fatal(entry, err)
			}
		}
	}
}
