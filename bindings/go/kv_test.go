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
		Changes: []Change{{false, 0}, {true, before}, {false, 0}}}
	if !reflect.DeepEqual(done, want) {
		t.Fatalf("got %+v, want %+v", done, want)
	}
	if wantValue(t, kv, "new", "n").ModRevision != done.Revision {
		t.Fatal("another revision")
	}
	wantAbsent(t, kv, "old")

	again, err := batch.Apply(ctx)
	if err != nil || again.Succeeded || again.FailedCheck != 0 || string(again.Current.Value) != "n" || len(again.Changes) != 0 {
		t.Fatalf("got %+v, %v", again, err)
	}
	second, err := kv.Batch().Check([]byte("new"), ValueIs([]byte("n"))).Check([]byte("old"), Present()).
		Put([]byte("x"), nil).Apply(ctx)
	if err != nil || second.Succeeded || second.FailedCheck != 1 || second.Current != nil {
		t.Fatalf("got %+v, %v", second, err)
	}
	wantAbsent(t, kv, "x")

	_, err = kv.Batch().Put([]byte("k"), nil).Delete([]byte("k")).Apply(ctx)
	if wantCode(t, err, ErrInvalidArgument).Applied != AppliedNo {
		t.Fatal(err)
	}
	_, err = kv.Batch().Check([]byte("k"), Expect{}).Apply(ctx)
	wantCode(t, err, ErrInvalidArgument)
	many := kv.Batch()
	for i := uint64(0); i <= Limits().TransactionOps; i++ {
		many.Put([]byte(fmt.Sprint(i)), nil)
	}
	_, err = many.Apply(ctx)
	wantCode(t, err, ErrLimitExceeded)
}

func TestLimits(t *testing.T) {
	ctx, kv, limits := background(t), embedded(t).KV(), Limits()
	if limits.KeyBytes != 4096 || limits.OpsInFlight == 0 || limits.FrameBytes == 0 {
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
