package aspen

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"strconv"
	"sync"
	"testing"
	"time"
)

func watch(t testing.TB, kv *KV, options WatchOptions) *Watch {
	t.Helper()
	watch, err := kv.Watch(background(t), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(watch.Close)
	return watch
}

func wantEvents(t testing.TB, watch *Watch, want ...string) []Event {
	t.Helper()
	var events []Event
	for len(events) < len(want) {
		batch, err := watch.Next(background(t))
		if err != nil {
			t.Fatal(err)
		}
		events = append(events, batch.Events...)
	}
	told := []string{}
	for _, event := range events {
		told = append(told, event.Kind.String()+" "+string(event.Key))
	}
	if !reflect.DeepEqual(told, want) {
		t.Fatalf("got %q, want %q", told, want)
	}
	return events
}

func TestWatchTellsChanges(t *testing.T) {
	ctx, kv := background(t), embedded(t).KV()
	created := put(t, kv, "user/1", "1")
	all := watch(t, kv, WatchOptions{Prefix: []byte("user/"), Previous: true})
	some := watch(t, kv, WatchOptions{Start: []byte("b"), End: []byte("d")})
	one := watch(t, kv, WatchOptions{Key: []byte("b")})
	deletes := watch(t, kv, WatchOptions{NoPuts: true})
	puts := watch(t, kv, WatchOptions{NoDeletes: true})
	changed := put(t, kv, "user/1", "2")
	deleted, err := kv.Delete(ctx, []byte("user/1"))
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"a", "b", "c", "d"} {
		put(t, kv, key, "1")
	}
	events := wantEvents(t, all, "put user/1", "delete user/1")
	before := Entry{Key: []byte("user/1"), Value: []byte("1"), CreateRevision: created, ModRevision: created, Version: 1}
	after := Entry{Key: []byte("user/1"), Value: []byte("2"), CreateRevision: created, ModRevision: changed, Version: 2}
	if want := []Event{
		{EventPut, changed, after.Key, &after, &before},
		{EventDelete, deleted.Revision, after.Key, nil, &after},
	}; !reflect.DeepEqual(events, want) {
		t.Errorf("got %+v, want %+v", events, want)
	}
	wantEvents(t, some, "put b", "put c")
	wantEvents(t, one, "put b")
	wantEvents(t, deletes, "delete user/1")
	wantEvents(t, puts, "put user/1", "put a", "put b", "put c", "put d")
	_, err = kv.Watch(ctx, WatchOptions{Prefix: []byte("p"), Key: []byte("k")})
	wantCode(t, err, ErrInvalidArgument)
}

func TestWatchTellsATransactionWhole(t *testing.T) {
	kv := embedded(t).KV()
	all := watch(t, kv, WatchOptions{Prefix: []byte("k")})
	batch := kv.Batch()
	for i := 0; i < 500; i++ {
		batch.Put([]byte(fmt.Sprintf("k%03d", i)), nil)
	}
	done, err := batch.Apply(background(t))
	if err != nil {
		t.Fatal(err)
	}
	told, err := all.Next(background(t))
	if err != nil || len(told.Events) != 500 || told.Revision < done.Revision || all.Revision() != told.Revision {
		t.Fatalf("%d events, %v", len(told.Events), err)
	}
	for i, event := range told.Events {
		if string(event.Key) != fmt.Sprintf("k%03d", i) || event.Revision != done.Revision {
			t.Fatalf("event %d: %+v", i, event)
		}
	}
}

func TestWatchGoesOnFromARevision(t *testing.T) {
	ctx, kv := background(t), embedded(t).KV()
	first := put(t, kv, "k", "0")
	for i := 1; i < 10; i++ {
		put(t, kv, "k", strconv.Itoa(i))
	}
	told := 0
	watch(t, kv, WatchOptions{Revision: first + 3}).All(ctx)(func(event Event, err error) bool {
		if err != nil || event.Revision != first+3+uint64(told) {
			t.Fatalf("got %+v, %v", event, err)
		}
		told++
		return told < 3
	})
	all := watch(t, kv, WatchOptions{Revision: first})
	all.All(ctx)(func(event Event, err error) bool { return event.Revision < first+4 })
	if all.Revision() != first+4 {
		t.Fatalf("got %d, want %d", all.Revision(), first+4)
	}
	wantEvents(t, all, "put k", "put k", "put k", "put k", "put k")
	marks := watch(t, kv, WatchOptions{Key: []byte("none"), Progress: 100 * time.Millisecond})
	for latest := put(t, kv, "k", "last"); marks.Revision() < latest; {
		if batch, err := marks.Next(ctx); err != nil || len(batch.Events) > 0 {
			t.Fatal(batch, err)
		}
	}
}

func TestWatchLosesNothingWhenItsContextIsDone(t *testing.T) {
	kv := embedded(t).KV()
	all := watch(t, kv, WatchOptions{})
	const count = 300
	var revisions, told []uint64
	var wg sync.WaitGroup
	wg.Add(1)
	go func() {
		defer wg.Done()
		for i := 0; i < count; i++ {
			revisions = append(revisions, put(t, kv, "k", "v"))
		}
	}()
	late := 0
	for len(told) < count {
		ctx, cancel := context.WithTimeout(context.Background(), 300*time.Microsecond)
		batch, err := all.Next(ctx)
		cancel()
		if err != nil {
			wantCode(t, err, ErrDeadlineExceeded)
			late++
		}
		for _, event := range batch.Events {
			told = append(told, event.Revision)
		}
	}
	wg.Wait()
	if !reflect.DeepEqual(told, revisions) || late == 0 {
		t.Fatalf("late %d times; got %v, want %v", late, told, revisions)
	}
}

func TestWatchIsClosed(t *testing.T) {
	ctx, node := background(t), embedded(t)
	closed := watch(t, node.KV(), WatchOptions{})
	time.AfterFunc(50*time.Millisecond, closed.Close)
	_, err := closed.Next(ctx)
	wantCode(t, err, ErrCancelled)
	_, err = closed.Next(ctx)
	wantCode(t, err, ErrCancelled)
	closed.All(ctx)(func(event Event, err error) bool { t.Errorf("got %+v, %v", event, err); return true })
	closed.Close()

	cancelled, cancel := context.WithCancel(ctx)
	time.AfterFunc(50*time.Millisecond, cancel)
	count := 0
	watch(t, node.KV(), WatchOptions{}).All(cancelled)(func(event Event, err error) bool {
		wantCode(t, err, ErrCancelled)
		count++
		return true
	})
	if count != 1 {
		t.Errorf("the error came %d times", count)
	}

	left := watch(t, node.KV(), WatchOptions{})
	time.AfterFunc(50*time.Millisecond, func() { node.Close(ctx) })
	_, err = left.Next(ctx)
	wantCode(t, err, ErrShutdown)
	_, err = node.KV().Watch(ctx, WatchOptions{})
	wantCode(t, err, ErrShutdown)
}

func TestManyWatches(t *testing.T) {
	kv := embedded(t).KV()
	var watches []*Watch
	for i := 0; i < 100; i++ {
		watches = append(watches, watch(t, kv, WatchOptions{Prefix: []byte(fmt.Sprint("k", i%10, "/"))}))
	}
	for i := 0; i < 10; i++ {
		put(t, kv, fmt.Sprint("k", i, "/x"), "")
	}
	for i, one := range watches {
		wantEvents(t, one, fmt.Sprint("put k", i%10, "/x"))
	}
}

// Everything is told once and in order, and nothing is left out, while the leader goes away and comes back.
func TestWatchWhileTheLeaderGoesAway(t *testing.T) {
	ctx := background(t)
	dir, nodes, ticket := network(t, 3)
	client, other := connect(t, ticket), connect(t, ticket)
	all := watch(t, client.KV(), WatchOptions{Prefix: []byte("w/")})
	var mu sync.Mutex
	var told []Event
	count := func() int {
		mu.Lock()
		defer mu.Unlock()
		return len(told)
	}
	read := make(chan struct{})
	go func() {
		defer close(read)
		all.All(context.Background())(func(event Event, err error) bool {
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				t.Error(err)
				return false
			}
			told = append(told, event)
			return true
		})
	}()
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for worker := 0; worker < 6; worker++ {
		wg.Add(1)
		go func(key string) {
			defer wg.Done()
			for {
				select {
				case <-stop:
					return
				default:
				}
				_, err := other.KV().Batch().Put([]byte(key), nil).Put([]byte(key+"/twin"), nil).Apply(context.Background())
				var failed *Error
				if err != nil && !(errors.As(err, &failed) && (failed.Retryable || failed.Applied == AppliedMaybe)) {
					t.Error(err)
					return
				}
			}
		}(fmt.Sprint("w/", worker))
	}
	more := func(events int) {
		before := count()
		until(t, "events", func() bool { return count() > before+events })
	}
	more(100)
	gone := leader(t, client)
	for i, node := range nodes {
		if node.ID() == gone {
			if err := node.Close(ctx); err != nil {
				t.Error(err)
			}
			more(200)
			back, err := Join(ctx, MemberOptions{Dir: filepath.Join(dir, fmt.Sprint(i)), Listen: anyPort}, ticket)
			nodes[i] = closing(t, back, err)
		}
	}
	more(200)
	close(stop)
	wg.Wait()
	end := put(t, client.KV(), "w/end", "")
	until(t, "the last event", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return told[len(told)-1].Revision == end
	})
	all.Close()
	<-read
	versions := map[string]uint64{}
	for i, event := range told {
		if i > 0 && event.Revision < told[i-1].Revision {
			t.Fatalf("revision %d after %d", event.Revision, told[i-1].Revision)
		}
		if key := string(event.Key); event.Entry == nil || event.Entry.Version != versions[key]+1 {
			t.Fatalf("got %+v after version %d", event, versions[key])
		}
		versions[string(event.Key)]++
	}
	for worker := 0; worker < 6; worker++ {
		if key := fmt.Sprint("w/", worker); versions[key] != versions[key+"/twin"] {
			t.Errorf("%s: %d and %d", key, versions[key], versions[key+"/twin"])
		}
	}
}
