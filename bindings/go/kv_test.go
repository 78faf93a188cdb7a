package aspen

import (
	"bytes"
	"fmt"
	"reflect"
	"testing"
)

func TestPutGetDelete(t *testing.T) {
	kv := embedded(t).KV()
	wantAbsent(t, kv, "k")
	first := put(t, kv, "k", "one")
	second := put(t, kv, "k", "two")
	if second <= first {
		t.Fatalf("revisions %d, %d do not grow", first, second)
	}
	entry := wantValue(t, kv, "k", "two")
	if entry.CreateRevision != first || entry.ModRevision != second || entry.Version != 2 {
		t.Fatalf("got %+v", entry)
	}
	deleted, err := kv.Delete(background(t), []byte("k"))
	if err != nil || !deleted.Existed || deleted.Revision <= second {
		t.Fatalf("got %+v, %v", deleted, err)
	}
	if deleted, err = kv.Delete(background(t), []byte("k")); err != nil || deleted.Existed {
		t.Fatalf("got %+v, %v", deleted, err)
	}
	wantAbsent(t, kv, "k")
	put(t, kv, "k", "three")
	if entry := wantValue(t, kv, "k", "three"); entry.Version != 1 {
		t.Fatalf("version %d after a delete", entry.Version)
	}
}

func TestKeysAndValuesAreBytes(t *testing.T) {
	ctx, kv := background(t), embedded(t).KV()
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	put(t, kv, string(all), string(all))
	wantValue(t, kv, string(all), string(all))
	put(t, kv, "empty", "")
	wantValue(t, kv, "empty", "")
	put(t, kv, "a\x00b", "nul")
	wantValue(t, kv, "a\x00b", "nul")
	if _, err := kv.Put(ctx, []byte("nil"), nil); err != nil {
		t.Fatal(err)
	}
	wantValue(t, kv, "nil", "")

	// Bytes in the middle of an object that holds pointers: C must be given no more than the bytes.
	object := &struct {
		pointer *int
		key     [4]byte
		other   *int
	}{new(int), [4]byte{'o', 'b', 'j', '1'}, new(int)}
	if _, err := kv.Put(ctx, object.key[:], object.key[1:3]); err != nil {
		t.Fatal(err)
	}
	wantValue(t, kv, "obj1", "bj")
	if _, err := kv.CAS(ctx, object.key[:], object.key[:], ValueIs(object.key[1:3])); err != nil {
		t.Fatal(err)
	}
	batch := kv.Batch().Check(object.key[:], ValueIs(object.key[:])).Put(object.key[:2], object.key[2:])
	if result, err := batch.Apply(ctx); err != nil || !result.Succeeded {
		t.Fatalf("%+v, %v", result, err)
	}
	if cursor := kv.Range(ctx, RangeOptions{Prefix: object.key[:]}); !cursor.Next() {
		t.Fatal(cursor.Err())
	}
}

func TestResultsAreTheCallersOwn(t *testing.T) {
	kv := embedded(t).KV()
	put(t, kv, "k", "value")
	entry := wantValue(t, kv, "k", "value")
	_ = append(entry.Key, "xxxx"...)
	if string(entry.Value) != "value" {
		t.Fatal("appending to the key reached the value")
	}
	entry.Value[0] = 'x'
	wantValue(t, kv, "k", "value")
}

func TestCAS(t *testing.T) {
	ctx, kv := background(t), embedded(t).KV()
	cas := func(key, value string, expect Expect) CASResult {
		t.Helper()
		result, err := kv.CAS(ctx, []byte(key), []byte(value), expect)
		if err != nil {
			t.Fatal(err)
		}
		return result
	}
	made := cas("k", "one", Absent())
	if !made.Succeeded || made.Current != nil {
		t.Fatalf("got %+v", made)
	}
	again := cas("k", "other", Absent())
	if again.Succeeded || string(again.Current.Value) != "one" || again.Current.ModRevision != made.Revision {
		t.Fatalf("got %+v", again)
	}
	if cas("k", "two", ValueIs([]byte("other"))).Succeeded {
		t.Fatal("another value passed")
	}
	two := cas("k", "two", ValueIs([]byte("one")))
	if !two.Succeeded || cas("k", "three", RevisionIs(made.Revision)).Succeeded {
		t.Fatal("an old revision passed")
	}
	if !cas("k", "three", RevisionIs(two.Revision)).Succeeded || !cas("k", "", Present()).Succeeded {
		t.Fatal("what is expected did not pass")
	}
	// An empty value is a value.
	if !cas("k", "four", ValueIs(nil)).Succeeded || cas("none", "v", ValueIs(nil)).Succeeded {
		t.Fatal("an empty value is told wrongly from an absent one")
	}
	if missing := cas("none", "v", Present()); missing.Succeeded || missing.Current != nil {
		t.Fatalf("got %+v", missing)
	}
	_, err := kv.CAS(ctx, []byte("k"), nil, Expect{})
	wantCode(t, err, ErrInvalidArgument)
}

func TestWhatWasThere(t *testing.T) {
	ctx, kv := background(t), embedded(t).KV()
	swap := func(value string, options ...PutOption) SwapResult {
		t.Helper()
		result, err := kv.Swap(ctx, []byte("k"), []byte(value), options...)
		if err != nil {
			t.Fatal(err)
		}
		return result
	}
	one := swap("one")
	if one.Previous != nil || one.Revision == 0 {
		t.Fatalf("got %+v", one)
	}
	two := swap("two", WithLease(0))
	want := &Entry{Key: []byte("k"), Value: []byte("one"), CreateRevision: one.Revision, ModRevision: one.Revision, Version: 1}
	if !reflect.DeepEqual(two.Previous, want) || two.Revision <= one.Revision {
		t.Fatalf("got %+v", two)
	}
	wantValue(t, kv, "k", "two")

	// A delete tells it only when it is asked.
	deleted, err := kv.Delete(ctx, []byte("k"), WithPrevious())
	if err != nil || !deleted.Existed || string(deleted.Previous.Value) != "two" || deleted.Previous.Version != 2 {
		t.Fatalf("got %+v, %v", deleted, err)
	}
	deleted, err = kv.Delete(ctx, []byte("k"), WithPrevious())
	if err != nil || deleted.Existed || deleted.Previous != nil {
		t.Fatalf("got %+v, %v", deleted, err)
	}
	put(t, kv, "k", "three")
	if deleted, err = kv.Delete(ctx, []byte("k")); err != nil || !deleted.Existed || deleted.Previous != nil {
		t.Fatalf("got %+v, %v", deleted, err)
	}
}

func TestReadsAtARevision(t *testing.T) {
	ctx, kv := background(t), embedded(t).KV()
	var then uint64
	want := []string{}
	for i := 0; i < 20; i++ {
		key := fmt.Sprintf("k%02d", i)
		then = put(t, kv, key, "then")
		want = append(want, key)
	}
	gone, err := kv.Delete(ctx, []byte("k03"))
	if err != nil {
		t.Fatal(err)
	}
	put(t, kv, "k04", "now")
	now := put(t, kv, "later", "now")

	get := func(key string, revision uint64) string {
		t.Helper()
		entry, err := kv.Get(ctx, []byte(key), AtRevision(revision))
		if err != nil {
			t.Fatal(err)
		}
		if entry == nil {
			return "absent"
		}
		return string(entry.Value)
	}
	for _, c := range []struct {
		key      string
		revision uint64
		want     string
	}{
		{"k03", then, "then"}, {"k03", gone.Revision - 1, "then"}, {"k03", gone.Revision, "absent"}, {"k03", 0, "absent"},
		{"k04", then, "then"}, {"k04", now, "now"}, {"k04", 0, "now"},
		{"later", then, "absent"}, {"later", now, "now"},
		{"k19", then - 1, "absent"}, {"k19", then, "then"},
	} {
		if got := get(c.key, c.revision); got != c.want {
			t.Errorf("%s at %d: got %s, want %s", c.key, c.revision, got, c.want)
		}
	}
	if entry, err := kv.Get(ctx, []byte("k04"), Stale(), AtRevision(then)); err != nil || string(entry.Value) != "then" {
		t.Fatal(entry, err)
	}

	// The pages of a range fit together, whatever is written between them.
	cursor := kv.Range(ctx, RangeOptions{Revision: then, PageEntries: 3})
	got := []string{}
	for cursor.Next() {
		if string(cursor.Entry().Value) != "then" {
			t.Fatalf("got %+v", cursor.Entry())
		}
		got = append(got, string(cursor.Entry().Key))
		put(t, kv, "k19", "now")
		put(t, kv, "k05x", "now")
	}
	if cursor.Err() != nil || !reflect.DeepEqual(got, want) {
		t.Fatalf("got %q, %v", got, cursor.Err())
	}

	_, err = kv.Get(ctx, []byte("k"), AtRevision(now+1000))
	if wantCode(t, err, ErrInvalidArgument).Retryable {
		t.Fatal(err)
	}
	cursor = kv.Range(ctx, RangeOptions{Revision: now + 1000})
	if cursor.Next() {
		t.Fatal("it read what has not happened")
	}
	wantCode(t, cursor.Err(), ErrInvalidArgument)
}

func TestAWriteWithALeaseThatIsNotThere(t *testing.T) {
	ctx, kv := background(t), embedded(t).KV()
	key, none := []byte("k"), WithLease(1<<40)
	_, putErr := kv.Put(ctx, key, nil, none)
	_, swapErr := kv.Swap(ctx, key, nil, none)
	_, casErr := kv.CAS(ctx, key, nil, Absent(), none)
	_, batchErr := kv.Batch().Put([]byte("other"), nil).Put(key, nil, none).Apply(ctx)
	for _, err := range []error{putErr, swapErr, casErr, batchErr} {
		if wantCode(t, err, ErrNotFound).Applied != AppliedNo {
			t.Fatal(err)
		}
	}
	wantAbsent(t, kv, "k")
	wantAbsent(t, kv, "other")
	// What does not come to the write does not need its lease.
	if result, err := kv.CAS(ctx, key, nil, Present(), none); err != nil || result.Succeeded {
		t.Fatal(result, err)
	}
}

func TestAnEntryHasItsLease(t *testing.T) {
	var op operation
	op.result.entry_count = 1
	op.result.first.lease = 7
	if entry := op.entry(); entry.Lease != 7 {
		t.Fatalf("got %+v", entry)
	}
}

// keys walks the range.
func keys(t *testing.T, kv *KV, options RangeOptions) []string {
	t.Helper()
	cursor := kv.Range(background(t), options)
	defer cursor.Close()
	found := []string{}
	for cursor.Next() {
		found = append(found, string(cursor.Entry().Key))
	}
	if err := cursor.Err(); err != nil {
		t.Fatal(err)
	}
	return found
}

func TestRanges(t *testing.T) {
	kv := embedded(t).KV()
	for _, key := range []string{"a", "b/1", "b/2", "b/3", "c", "d"} {
		put(t, kv, key, "value of "+key)
	}
	for _, c := range []struct {
		options RangeOptions
		want    []string
	}{
		{RangeOptions{}, []string{"a", "b/1", "b/2", "b/3", "c", "d"}},
		{RangeOptions{Prefix: []byte("b/")}, []string{"b/1", "b/2", "b/3"}},
		{RangeOptions{Prefix: []byte("b/"), Reverse: true}, []string{"b/3", "b/2", "b/1"}},
		{RangeOptions{Prefix: []byte("x")}, []string{}},
		{RangeOptions{Prefix: []byte{}, Limit: 1}, []string{"a"}},
		{RangeOptions{Start: []byte("b/2"), End: []byte("d")}, []string{"b/2", "b/3", "c"}},
		{RangeOptions{Start: []byte("c")}, []string{"c", "d"}},
		{RangeOptions{End: []byte("b/2")}, []string{"a", "b/1"}},
		{RangeOptions{Limit: 2}, []string{"a", "b/1"}},
		{RangeOptions{Limit: 2, Reverse: true}, []string{"d", "c"}},
		{RangeOptions{Limit: 1, Stale: true}, []string{"a"}},
	} {
		if got := keys(t, kv, c.options); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%+v: got %q, want %q", c.options, got, c.want)
		}
	}
	for _, keysOnly := range []bool{false, true} {
		cursor := kv.Range(background(t), RangeOptions{Prefix: []byte("c"), KeysOnly: keysOnly})
		if !cursor.Next() || (len(cursor.Entry().Value) == 0) != keysOnly {
			t.Errorf("keys only %v: got %+v, %v", keysOnly, cursor.Entry(), cursor.Err())
		}
	}
	cursor := kv.Range(background(t), RangeOptions{Prefix: []byte("a"), Start: []byte("b")})
	if cursor.Next() {
		t.Fatal("a prefix and a start went together")
	}
	wantCode(t, cursor.Err(), ErrInvalidArgument)
}

func TestRangeFollowsContinuations(t *testing.T) {
	ctx, kv := background(t), embedded(t).KV()
	all := make([]string, 1000)
	batch := kv.Batch()
	for i := range all {
		all[i] = fmt.Sprintf("k%04d", i)
		batch.Put([]byte(all[i]), []byte(all[i]))
	}
	if _, err := batch.Apply(ctx); err != nil {
		t.Fatal(err)
	}
	for _, page := range []uint64{0, 1000, 999, 333, 7} {
		if got := keys(t, kv, RangeOptions{PageEntries: page}); !reflect.DeepEqual(got, all) {
			t.Fatalf("pages of %d: %d keys", page, len(got))
		}
	}
	backward := keys(t, kv, RangeOptions{PageEntries: 7, Reverse: true})
	if len(backward) != 1000 || backward[0] != all[999] || backward[999] != all[0] {
		t.Fatalf("backward: %d keys", len(backward))
	}
	if got := keys(t, kv, RangeOptions{PageEntries: 7, Limit: 23}); !reflect.DeepEqual(got, all[:23]) {
		t.Fatalf("limited: %q", got)
	}
	cursor := kv.Range(ctx, RangeOptions{PageEntries: 10})
	for i := 0; i < 15; i++ {
		if !cursor.Next() {
			t.Fatal(cursor.Err())
		}
	}
	cursor.Close()
	if cursor.Next() || cursor.Err() != nil {
		t.Fatal("a closed cursor went on")
	}
	// Larger than one reply may be.
	value := bytes.Repeat([]byte{1}, 1<<20)
	for i := 0; i < 6; i++ {
		put(t, kv, fmt.Sprint("large", i), string(value))
	}
	large := kv.Range(ctx, RangeOptions{Prefix: []byte("large")})
	count := 0
	for ; large.Next(); count++ {
		if !bytes.Equal(large.Entry().Value, value) {
			t.Fatal("another value")
		}
	}
	if count != 6 || large.Err() != nil {
		t.Fatal(count, large.Err())
	}
}

func TestLimits(t *testing.T) {
	ctx, kv, limits := background(t), embedded(t).KV(), Limits()
	if limits.KeyBytes != 4096 || limits.OpsInFlight == 0 || limits.FrameBytes == 0 || limits.TransactionDepth != 8 {
		t.Fatalf("got %+v", limits)
	}
	put(t, kv, string(make([]byte, limits.KeyBytes)), "v")
	_, err := kv.Put(ctx, make([]byte, limits.KeyBytes+1), nil)
	failed := wantCode(t, err, ErrLimitExceeded)
	if failed.Applied != AppliedNo || failed.Retryable || failed.Code != 2 {
		t.Fatalf("got %+v", failed)
	}
	_, err = kv.Get(ctx, make([]byte, limits.KeyBytes+1))
	wantCode(t, err, ErrLimitExceeded)
	put(t, kv, "v", string(make([]byte, limits.ValueBytes)))
	if entry, err := kv.Get(ctx, []byte("v")); err != nil || uint64(len(entry.Value)) != limits.ValueBytes {
		t.Fatal(err)
	}
	_, err = kv.Put(ctx, []byte("v"), make([]byte, limits.ValueBytes+1))
	wantCode(t, err, ErrLimitExceeded)
	for _, empty := range [][]byte{nil, {}} {
		_, err = kv.Put(ctx, empty, nil)
		wantCode(t, err, ErrInvalidArgument)
		_, err = kv.Get(ctx, empty)
		wantCode(t, err, ErrInvalidArgument)
		_, err = kv.Delete(ctx, empty)
		wantCode(t, err, ErrInvalidArgument)
	}
}
