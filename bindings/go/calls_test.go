package aspen

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestConcurrentPuts(t *testing.T) {
	ctx, kv := background(t), embedded(t).KV()
	const count = 1000
	revisions := make([]uint64, count)
	var wg sync.WaitGroup
	for i := range revisions {
		wg.Add(1)
		go func(i int) {
			defer wg.Done()
			revision, err := kv.Put(ctx, []byte(fmt.Sprint("k", i)), []byte(fmt.Sprint("v", i)))
			if err != nil {
				t.Error(err)
			}
			revisions[i] = revision
		}(i)
	}
	wg.Wait()
	seen := map[uint64]bool{}
	for i, revision := range revisions {
		seen[revision] = true
		wantValue(t, kv, fmt.Sprint("k", i), fmt.Sprint("v", i))
	}
	if len(seen) != count {
		t.Fatalf("%d revisions of %d writes", len(seen), count)
	}
}

func TestADoneContextStopsACallBeforeItBegins(t *testing.T) {
	kv := embedded(t).KV()
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := kv.Put(cancelled, []byte("k"), nil)
	if failed := wantCode(t, err, ErrCancelled); failed.Applied != AppliedNo || !errors.Is(err, context.Canceled) {
		t.Fatalf("got %+v", failed)
	}
	late, cancel := context.WithDeadline(context.Background(), time.Now().Add(-time.Second))
	defer cancel()
	_, err = kv.Put(late, []byte("k"), nil)
	if failed := wantCode(t, err, ErrDeadlineExceeded); failed.Applied != AppliedNo || !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("got %+v", failed)
	}
	wantAbsent(t, kv, "k")
}

// The engine knows only that it was cancelled; the caller hears why.
func TestAnOperationCancelledByADeadlineIsLate(t *testing.T) {
	var op operation
	op.result.status = 12 // CANCELLED
	op.result.applied = 1
	late, cancel := context.WithDeadline(context.Background(), time.Now().Add(-time.Second))
	defer cancel()
	err := op.err(late)
	if wantCode(t, err, ErrDeadlineExceeded); !err.Retryable || err.Applied != AppliedMaybe || errors.Is(err, context.Canceled) {
		t.Fatalf("got %+v", err)
	}
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	if err := op.err(cancelled); err.Code != ErrCancelled || err.Retryable || errors.Unwrap(err) != context.Canceled {
		t.Fatalf("got %+v", err)
	}
}

// Without a majority no write completes, so that its other ends can be seen.
func TestWithoutAMajority(t *testing.T) {
	ctx := background(t)
	_, nodes, _ := network(t, 3)
	node, kv := nodes[0], nodes[0].KV()
	put(t, kv, "before", "1")
	for _, other := range nodes[1:] {
		if err := other.Close(ctx); err != nil {
			t.Fatal(err)
		}
	}

	t.Run("a call ends at its deadline", func(t *testing.T) {
		short, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
		defer cancel()
		begin := time.Now()
		_, err := kv.Put(short, []byte("k"), nil)
		took := time.Since(begin)
		failed := wantCode(t, err, ErrDeadlineExceeded)
		if !failed.Retryable || !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
			t.Fatalf("got %+v", failed)
		}
		if took < 290*time.Millisecond || took > 3*time.Second {
			t.Fatalf("took %v", took)
		}
	})

	t.Run("a cancelled context ends its calls, and only those", func(t *testing.T) {
		cancelled, cancel := context.WithCancel(ctx)
		short, stop := context.WithTimeout(ctx, 500*time.Millisecond)
		defer stop()
		other := make(chan error, 1)
		go func() {
			_, err := kv.Put(short, []byte("other"), nil)
			other <- err
		}()
		ends := make(chan error, 100)
		for i := 0; i < cap(ends); i++ {
			go func(i int) {
				_, err := kv.Put(cancelled, []byte(fmt.Sprint("k", i)), nil)
				ends <- err
			}(i)
		}
		time.Sleep(20 * time.Millisecond)
		cancel()
		for i := 0; i < cap(ends); i++ {
			err := <-ends
			wantCode(t, err, ErrCancelled)
			if !errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
				t.Fatal(err)
			}
		}
		wantCode(t, <-other, ErrDeadlineExceeded)
	})

	t.Run("a range ends at its deadline", func(t *testing.T) {
		short, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
		defer cancel()
		cursor := kv.Range(short, RangeOptions{})
		if cursor.Next() {
			t.Fatal("it read without a majority")
		}
		wantCode(t, cursor.Err(), ErrDeadlineExceeded, ErrUnavailable)
		// What the node itself has can still be read.
		if entry, err := kv.Get(ctx, []byte("before"), Stale()); err != nil || string(entry.Value) != "1" {
			t.Fatal(entry, err)
		}
	})

	t.Run("close completes what is in flight", func(t *testing.T) {
		ends := make(chan error, 50)
		for i := 0; i < cap(ends); i++ {
			go func(i int) {
				_, err := kv.Put(ctx, []byte(fmt.Sprint("c", i)), nil)
				ends <- err
			}(i)
		}
		time.Sleep(50 * time.Millisecond)
		if err := node.Close(ctx); err != nil {
			t.Fatal(err)
		}
		for i := 0; i < cap(ends); i++ {
			wantCode(t, <-ends, ErrShutdown)
		}
	})
}

func TestCloseWithCallsInFlight(t *testing.T) {
	ctx, node := background(t), embedded(t)
	ends := make(chan error, 200)
	for i := 0; i < cap(ends); i++ {
		go func(i int) {
			_, err := node.KV().Put(ctx, []byte(fmt.Sprint("k", i)), nil)
			ends <- err
		}(i)
	}
	closes := make(chan error, 3)
	for i := 0; i < cap(closes); i++ {
		go func() { closes <- node.Close(ctx) }()
	}
	for i := 0; i < cap(ends); i++ {
		if err := <-ends; err != nil {
			wantCode(t, err, ErrShutdown)
		}
	}
	for i := 0; i < cap(closes); i++ {
		if err := <-closes; err != nil {
			t.Fatal(err)
		}
	}
	_, err := node.KV().Get(ctx, []byte("k0"))
	if wantCode(t, err, ErrShutdown).Applied != AppliedNo {
		t.Fatal(err)
	}
	_, err = node.Status(ctx)
	wantCode(t, err, ErrShutdown)
	_, err = node.KV().Batch().Put([]byte("k"), nil).Apply(ctx)
	wantCode(t, err, ErrShutdown)
	if cursor := node.KV().Range(ctx, RangeOptions{}); cursor.Next() || !errors.Is(cursor.Err(), ErrShutdown) {
		t.Fatal(cursor.Err())
	}
}

func TestMoreInFlightThanTheLimit(t *testing.T) {
	ctx, kv := background(t), embedded(t).KV()
	ends := make(chan error, Limits().OpsInFlight+1000)
	for i := 0; i < cap(ends); i++ {
		go func(i int) {
			_, err := kv.Put(ctx, []byte(fmt.Sprint("k", i%10)), nil)
			ends <- err
		}(i)
	}
	for i := 0; i < cap(ends); i++ {
		if err := <-ends; err != nil {
			if failed := wantCode(t, err, ErrOverloaded); failed.Applied != AppliedNo || !failed.Retryable {
				t.Fatalf("got %+v", failed)
			}
		}
	}
	put(t, kv, "after", "v")
}

// resident is the memory the process has, in MiB.
func resident(t *testing.T) float64 {
	runtime.GC()
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Skip(err)
	}
	var total, pages float64
	if _, err := fmt.Sscan(string(text), &total, &pages); err != nil {
		t.Fatal(err)
	}
	return pages * float64(os.Getpagesize()) / (1 << 20)
}

func TestNothingIsLeftOf100000Calls(t *testing.T) {
	ctx, kv := background(t), embedded(t).KV()
	for i := 0; i < 10; i++ {
		put(t, kv, fmt.Sprint("k", i), strings.Repeat("v", 1024))
	}
	calls := func(count int) {
		var wg sync.WaitGroup
		const workers = 50
		for w := 0; w < workers; w++ {
			wg.Add(1)
			go func() {
				defer wg.Done()
				for i := 0; i < count/workers; i++ {
					switch i % 20 {
					case 0:
						kv.Get(ctx, nil)
					case 1:
						for cursor := kv.Range(ctx, RangeOptions{}); cursor.Next(); {
						}
					case 2:
						short, cancel := context.WithCancel(ctx)
						go cancel()
						kv.Get(short, []byte("k1"))
					default:
						kv.Get(ctx, []byte(fmt.Sprint("k", i%10)))
					}
				}
			}()
		}
		wg.Wait()
	}
	calls(20_000)
	goroutines, before := runtime.NumGoroutine(), resident(t)
	calls(100_000)
	after := resident(t)
	t.Logf("resident MiB: %.1f after warming up, %.1f after the calls", before, after)
	// Leaking only the 1 KiB values would be 100 MiB. The race detector's own memory grows by more.
	if after > before+24 && !raceDetector {
		t.Errorf("%.1f MiB grew to %.1f", before, after)
	}
	until(t, "goroutines to end", func() bool { return runtime.NumGoroutine() <= goroutines })
	q, err := theQueue()
	if err != nil {
		t.Fatal(err)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) != 0 {
		t.Errorf("%d operations are still waited for", len(q.waiting))
	}
}

func TestNothingIsLeftOf10000Batches(t *testing.T) {
	ctx, kv := background(t), embedded(t).KV()
	for i := 0; i < 10; i++ {
		put(t, kv, fmt.Sprint("k", i), strings.Repeat("v", 1024))
	}
	batches := func(count int) {
		var wg sync.WaitGroup
		const workers = 50
		for w := 0; w < workers; w++ {
			wg.Add(1)
			go func() {
				defer wg.Done()
				for i := 0; i < count/workers; i++ {
					batch := kv.Batch().Compare(Keys(Prefix([]byte("k"))).Absent()).Else(func(b *Batch) {
						b.Range(RangeOptions{}).Transaction(func(n *Batch) { n.Range(RangeOptions{Limit: uint64(i % 10)}) })
					})
					if i%20 == 0 {
						batch.Get(nil) // refused
					}
					batch.Apply(ctx)
				}
			}()
		}
		wg.Wait()
	}
	batches(10_000) // the engine remembers the replies to the latest writes
	before := resident(t)
	batches(10_000)
	after := resident(t)
	t.Logf("resident MiB: %.1f after warming up, %.1f after the batches", before, after)
	// Leaking only the values would be 150 MiB.
	if after > before+50 && !raceDetector {
		t.Errorf("%.1f MiB grew to %.1f", before, after)
	}
}

func BenchmarkGet(b *testing.B) {
	ctx, kv := context.Background(), embedded(b).KV()
	put(b, kv, "k", "v")
	b.SetParallelism(32)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := kv.Get(ctx, []byte("k")); err != nil {
				b.Error(err)
			}
		}
	})
}
