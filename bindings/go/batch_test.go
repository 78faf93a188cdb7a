package aspen

import (
	"context"
	"fmt"
	"reflect"
	"strings"
	"testing"
)

// apply applies a batch that is to be accepted.
func apply(t testing.TB, batch *Batch) BatchResult {
	t.Helper()
	result, err := batch.Apply(background(t))
	if err != nil {
		t.Fatal(err)
	}
	return result
}

// show is a batch's results as text: of an entry its key and value.
func show(results []Result) string {
	var parts []string
	entry := func(e *Entry) string {
		if e == nil {
			return "none"
		}
		return fmt.Sprintf("%s=%s", e.Key, e.Value)
	}
	list := func(entries []Entry) string {
		var shown []string
		for i := range entries {
			shown = append(shown, entry(&entries[i]))
		}
		return strings.Join(shown, ",")
	}
	for _, result := range results {
		switch r := result.(type) {
		case Change:
			parts = append(parts, fmt.Sprintf("change(%v,%s)", r.Existed, entry(r.Previous)))
		case DeleteRangeResult:
			parts = append(parts, fmt.Sprintf("deleted(%d,%s)", r.Count, list(r.Previous)))
		case GetResult:
			parts = append(parts, fmt.Sprintf("got(%s)", entry(r.Entry)))
		case RangeResult:
			parts = append(parts, fmt.Sprintf("range(%s,%v)", list(r.Entries), r.More))
		case TransactionResult:
			parts = append(parts, fmt.Sprintf("transaction(%v: %s)", r.Succeeded, show(r.Results)))
		}
	}
	return strings.Join(parts, " ")
}

func wantResults(t testing.TB, results []Result, want string) {
	t.Helper()
	if got := show(results); got != want {
		t.Fatalf("got  %s\nwant %s", got, want)
	}
}

func TestBatches(t *testing.T) {
	ctx, kv := background(t), embedded(t).KV()
	before := put(t, kv, "old", "1")
	key := []byte("new")
	batch := kv.Batch().Check(key, Absent()).Check([]byte("old"), RevisionIs(before)).
		Put(key, []byte("n")).Delete([]byte("old")).Delete([]byte("none"))
	copy(key, "xxx") // it was copied
	done, err := batch.Apply(ctx)
	if err != nil {
		t.Fatal(err)
	}
	want := BatchResult{Succeeded: true, Revision: done.Revision, FailedCheck: -1,
		Changes: []Change{{}, {Existed: true, PreviousRevision: before}, {}},
		Results: []Result{Change{}, Change{Existed: true, PreviousRevision: before}, Change{}}}
	if !reflect.DeepEqual(done, want) {
		t.Fatalf("got %+v, want %+v", done, want)
	}
	if wantValue(t, kv, "new", "n").ModRevision != done.Revision {
		t.Fatal("another revision")
	}
	wantAbsent(t, kv, "old")

	again, err := batch.Apply(ctx)
	if err != nil || again.Succeeded || again.FailedCheck != 0 || string(again.Current.Value) != "n" ||
		len(again.Results) != 0 {
		t.Fatalf("got %+v, %v", again, err)
	}
	second, err := kv.Batch().Check([]byte("new"), ValueIs([]byte("n"))).Check([]byte("old"), Present()).
		Put([]byte("x"), nil).Apply(ctx)
	if err != nil || second.Succeeded || second.FailedCheck != 1 || second.Current != nil {
		t.Fatalf("got %+v, %v", second, err)
	}
	wantAbsent(t, kv, "x")
}

func TestElse(t *testing.T) {
	kv := embedded(t).KV()
	lock := []byte("lock")
	take := kv.Batch().
		Compare(Key(lock).Absent()).
		Put(lock, []byte("mine")).
		Else(func(b *Batch) {
			b.Get(lock).Put([]byte("waiting"), []byte("me")).Get([]byte("waiting"))
		})
	first := apply(t, take)
	if !first.Succeeded || first.FailedCheck != -1 || first.Current != nil {
		t.Fatalf("got %+v", first)
	}
	wantResults(t, first.Results, "change(false,none)")
	wantAbsent(t, kv, "waiting")

	second := apply(t, take)
	if second.Succeeded || second.FailedCheck != 0 || string(second.Current.Value) != "mine" {
		t.Fatalf("got %+v", second)
	}
	wantResults(t, second.Results, "got(lock=mine) change(false,none) got(waiting=me)")
	if len(second.Changes) != 3 || second.Changes[1] != (Change{}) || second.Revision <= first.Revision {
		t.Fatalf("got %+v", second)
	}
	if wantValue(t, kv, "waiting", "me").ModRevision != second.Revision {
		t.Fatal("another revision")
	}

	// The failed comparison met nothing, and the first entry is an operation's.
	absent := apply(t, kv.Batch().Compare(Key([]byte("none")).Exists()).Else(func(b *Batch) { b.Get(lock) }))
	if absent.Succeeded || absent.Current != nil {
		t.Fatalf("got %+v", absent)
	}
	wantResults(t, absent.Results, "got(lock=mine)")
}

func TestNestedTransactions(t *testing.T) {
	kv := embedded(t).KV()
	a, b, c := []byte("a"), []byte("b"), []byte("c")
	done := apply(t, kv.Batch().
		Put(a, []byte("1")).
		Transaction(func(n *Batch) {
			// It sees the put before it.
			n.Compare(Key(a).Value().Equal([]byte("1"))).
				Get(a).
				Transaction(func(n *Batch) {
					n.Check(b, Present()).
						Put(c, []byte("never")).
						Else(func(e *Batch) {
							e.Swap(a, []byte("2")).Transaction(func(n *Batch) { n.Get(a) })
						})
				}).
				Get(c).
				Else(func(e *Batch) { e.Put(b, []byte("never")) })
		}).
		Get(a))
	wantResults(t, done.Results, "change(false,none) "+
		"transaction(true: got(a=1) transaction(false: change(true,a=1) transaction(true: got(a=2))) got(none)) got(a=2)")
	if len(done.Changes) != 3 || !done.Succeeded {
		t.Fatalf("got %+v", done)
	}
	wantAbsent(t, kv, "b")
	wantAbsent(t, kv, "c")
	if entry := wantValue(t, kv, "a", "2"); entry.CreateRevision != done.Revision || entry.ModRevision != done.Revision {
		t.Fatalf("one step has several revisions: got %+v", entry)
	}

	empty := apply(t, kv.Batch().Transaction(func(*Batch) {}).Else(func(*Batch) {}))
	wantResults(t, empty.Results, "transaction(true: )")
}

func TestOperationsOfABatch(t *testing.T) {
	kv := embedded(t).KV()
	put(t, kv, "old", "1")
	batch := kv.Batch()
	for _, key := range []string{"a/1", "a/2", "a/3", "b"} {
		batch.Put([]byte(key), []byte("v"+key[len(key)-1:]))
	}
	apply(t, batch)
	prefix := []byte("a/")
	done := apply(t, kv.Batch().
		Range(RangeOptions{Prefix: prefix}).
		Range(RangeOptions{Prefix: prefix, Limit: 2, Reverse: true}).
		Range(RangeOptions{Start: []byte("a/3"), End: []byte("c"), KeysOnly: true}).
		Range(RangeOptions{Start: []byte("x")}).
		Swap([]byte("old"), []byte("2")).
		Swap([]byte("new"), []byte("n")).
		Delete([]byte("old"), WithPrevious()).
		Delete([]byte("old"), WithPrevious()).
		Delete([]byte("b")).
		DeleteRange(KeyRange{[]byte("a/2"), []byte("a/3")}).
		DeleteRange(Prefix(prefix), WithPrevious()).
		DeleteRange(Prefix(prefix), WithPrevious()).
		Get([]byte("a/1")).
		DeleteRange(KeyRange{}).
		Put([]byte("k"), nil).
		Delete([]byte("k")))
	wantResults(t, done.Results, "range(a/1=v1,a/2=v2,a/3=v3,false) range(a/3=v3,a/2=v2,true) range(a/3=,b=,false) "+
		"range(,false) change(true,old=1) change(false,none) change(true,old=2) change(false,none) change(true,none) "+
		"deleted(1,) deleted(2,a/1=v1,a/3=v3) deleted(0,) got(none) deleted(1,) change(false,none) change(true,none)")
	if got := keys(t, kv, RangeOptions{}); len(got) != 0 {
		t.Fatalf("%q are left", got)
	}
	if len(done.Changes) != len(done.Results) || !done.Changes[4].Existed || done.Changes[0] != (Change{}) {
		t.Fatalf("got %+v", done.Changes)
	}
}

func TestABatchOfManyOperations(t *testing.T) {
	kv := embedded(t).KV()
	const count = 1000 // more than a crossing brings
	batch := kv.Batch()
	for i := 0; i < count; i++ {
		batch.Put([]byte(fmt.Sprint(i)), []byte(fmt.Sprint("v", i))).Get([]byte(fmt.Sprint(i)))
	}
	done := apply(t, batch)
	for i := 0; i < count; i++ {
		got, ok := done.Results[2*i+1].(GetResult)
		if _, change := done.Results[2*i].(Change); !change || !ok || string(got.Entry.Value) != fmt.Sprint("v", i) {
			t.Fatalf("%d: got %+v, %+v", i, done.Results[2*i], done.Results[2*i+1])
		}
	}
	if len(done.Results) != 2*count {
		t.Fatalf("%d results", len(done.Results))
	}
}

func TestABatchCopiesWhatItIsGiven(t *testing.T) {
	kv := embedded(t).KV()
	put(t, kv, "k", "v")
	key, value, start, end := []byte("k"), []byte("v"), []byte("k"), []byte("l")
	batch := kv.Batch().Compare(Key(key).Value().Equal(value), Keys(KeyRange{start, end}).Exists()).
		Get(key).Range(RangeOptions{Start: start, End: end}).Delete(key, WithPrevious()).Put(key, value).
		DeleteRange(KeyRange{start, end}, WithPrevious())
	for _, bytes := range [][]byte{key, value, start, end} {
		bytes[0] = 'x'
	}
	wantResults(t, apply(t, batch).Results, "got(k=v) range(k=v,false) change(true,k=v) change(false,none) deleted(1,k=v)")

	// Bytes in the middle of an object that holds pointers: C must be given no more than the bytes.
	object := &struct {
		pointer *int
		key     [4]byte
		other   *int
	}{new(int), [4]byte{'o', 'b', 'j', '1'}, new(int)}
	in := object.key[:]
	apply(t, kv.Batch().Compare(Key(in).Value().Less(in), Keys(KeyRange{in[:1], in}).Exists()).Else(func(b *Batch) {
		b.Swap(in, in).Get(in).Range(RangeOptions{Prefix: in[1:2]}).DeleteRange(KeyRange{in[:2], in}).Delete(in)
	}))
}

func TestEntriesOfResultsAreApart(t *testing.T) {
	kv := embedded(t).KV()
	put(t, kv, "a", "1")
	put(t, kv, "b", "2")
	done := apply(t, kv.Batch().Range(RangeOptions{Limit: 1}).Get([]byte("b")))
	_ = append(done.Results[0].(RangeResult).Entries, Entry{Key: []byte("other")})
	wantResults(t, done.Results, "range(a=1,true) got(b=2)")
}

func TestBatchesThatAreNotValid(t *testing.T) {
	ctx, kv, limits := background(t), embedded(t).KV(), Limits()
	k := []byte("k")
	long := make([]byte, limits.KeyBytes+1)
	farLong := make([]byte, 2*limits.KeyBytes)
	many := kv.Batch()
	for i := uint64(0); i <= limits.TransactionOps; i++ {
		many.Put([]byte(fmt.Sprint(i)), nil)
	}
	large := kv.Batch()
	for i := uint64(0); i <= limits.TransactionBytes/limits.ValueBytes; i++ {
		large.Put([]byte(fmt.Sprint(i)), make([]byte, limits.ValueBytes))
	}
	add := func(fill func(b *Batch)) *Batch {
		batch := kv.Batch()
		fill(batch)
		return batch
	}
	for i, c := range []struct {
		batch *Batch
		code  Code
		says  string
	}{
		{kv.Batch().Check(k, Expect{}), ErrInvalidArgument, "Expect"},
		{kv.Batch().Compare(Comparison{}), ErrInvalidArgument, "Comparison"},
		{kv.Batch().Compare(Key(nil).Exists()), ErrInvalidArgument, "empty"},
		{kv.Batch().Compare(Key(long).Exists()), ErrLimitExceeded, "4096"},
		{kv.Batch().Compare(Keys(KeyRange{farLong, nil}).Exists()), ErrLimitExceeded, "bound"},
		{kv.Batch().Compare(Keys(KeyRange{nil, farLong}).Exists()), ErrLimitExceeded, "bound"},
		{kv.Batch().Compare(Key(k).Value().Less(make([]byte, limits.ValueBytes+1))), ErrLimitExceeded, "value"},
		{kv.Batch().Put(nil, nil), ErrInvalidArgument, "empty"},
		{kv.Batch().Put(long, nil), ErrLimitExceeded, "4096"},
		{kv.Batch().Swap(k, make([]byte, limits.ValueBytes+1)), ErrLimitExceeded, "value"},
		{kv.Batch().Delete(nil, WithPrevious()), ErrInvalidArgument, "empty"},
		{kv.Batch().DeleteRange(KeyRange{farLong, nil}), ErrLimitExceeded, "bound"},
		{kv.Batch().Get(nil), ErrInvalidArgument, "empty"},
		{kv.Batch().Get(long), ErrLimitExceeded, "4096"},
		{kv.Batch().Range(RangeOptions{Prefix: k, Start: k}), ErrInvalidArgument, "prefix"},
		{kv.Batch().Range(RangeOptions{Prefix: farLong}), ErrLimitExceeded, "bound"},
		{kv.Batch().Range(RangeOptions{Stale: true}), ErrInvalidArgument, "Stale"},
		{kv.Batch().Range(RangeOptions{Revision: 1}), ErrInvalidArgument, "Revision"},
		{kv.Batch().Range(RangeOptions{PageEntries: 1}), ErrInvalidArgument, "PageEntries"},
		{kv.Batch().Else(func(*Batch) {}).Else(func(*Batch) {}), ErrInvalidArgument, "Else"},
		{kv.Batch().Else(func(b *Batch) { b.Else(func(*Batch) {}) }), ErrInvalidArgument, "Else"},
		{kv.Batch().Else(func(b *Batch) { b.Check(k, Absent()) }), ErrInvalidArgument, "Else"},
		// The first of two faults is told, from wherever it is.
		{add(func(b *Batch) {
			b.Transaction(func(n *Batch) { n.Else(func(e *Batch) { e.Compare(Comparison{}) }) }).Check(k, Expect{})
		}), ErrInvalidArgument, "inside Else"},
		{many, ErrLimitExceeded, "4096"},
		{large, ErrLimitExceeded, "bytes"},
		{nest(kv.Batch(), limits.TransactionDepth+1), ErrLimitExceeded, "inside each other"},
	} {
		_, err := c.batch.Put([]byte("made"), nil).Apply(ctx)
		failed := wantCode(t, err, c.code)
		if failed.Applied != AppliedNo || failed.Retryable || !strings.Contains(failed.Message, c.says) {
			t.Errorf("%d: got %v, want one that says %q", i, err, c.says)
		}
	}
	wantAbsent(t, kv, "made")
	apply(t, nest(kv.Batch(), limits.TransactionDepth))

	kv.Batch().Transaction(func(b *Batch) {
		_, err := b.Apply(ctx)
		wantCode(t, err, ErrInvalidArgument)
	})
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	_, err := kv.Batch().Put([]byte("made"), nil).Apply(cancelled)
	wantCode(t, err, ErrCancelled)
	wantAbsent(t, kv, "made")
}

// nest puts so many transactions inside each other.
func nest(batch *Batch, depth uint64) *Batch {
	if depth == 0 {
		return batch
	}
	return batch.Transaction(func(b *Batch) { nest(b, depth-1) })
}
