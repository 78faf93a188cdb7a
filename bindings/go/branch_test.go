package aspen

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"runtime"
	"testing"
)

func branchOf(t testing.TB, of interface {
	Branch(context.Context, []byte) (*Branch, error)
}, prefix []byte) *Branch {
	t.Helper()
	branch, err := of.Branch(background(t), prefix)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(branch.Discard)
	return branch
}

func set(t testing.TB, branch *Branch, key, value string) {
	t.Helper()
	if err := branch.Put([]byte(key), []byte(value)); err != nil {
		t.Fatal(err)
	}
}

func commit(t testing.TB, branch *Branch) {
	t.Helper()
	if revision, err := branch.Commit(background(t)); err != nil || revision == 0 {
		t.Fatal(revision, err)
	}
}

func TestBranchIsCommittedOrDiscarded(t *testing.T) {
	ctx, kv := background(t), embedded(t).KV()
	put(t, kv, "p/a", "1")
	put(t, kv, "p/b", "1")
	branch := branchOf(t, kv, []byte("p/"))
	set(t, branch, "p/a", "2")
	set(t, branch, "p/c", "2")
	if err := branch.Delete([]byte("p/b")); err != nil || string(branch.Prefix()) != "p/" {
		t.Fatal(err)
	}
	wantContents(t, branch.Range(ctx, RangeOptions{}), map[string]string{"p/a": "2", "p/c": "2"})
	wantContents(t, kv.Range(ctx, RangeOptions{}), map[string]string{"p/a": "1", "p/b": "1"})
	put(t, kv, "other", "theirs")
	commit(t, branch)
	wantContents(t, kv.Range(ctx, RangeOptions{Prefix: []byte("p/")}), map[string]string{"p/a": "2", "p/c": "2"})
	wantOver(t, branch.Put([]byte("p/a"), nil), "branch")
	_, err := branch.Commit(ctx)
	wantOver(t, err, "branch")

	discarded := branchOf(t, kv, []byte("p/"))
	set(t, discarded, "p/a", "never")
	discarded.Discard()
	discarded.Discard()
	_, err = discarded.Get(ctx, []byte("p/a"))
	wantOver(t, err, "branch")
	wantValue(t, kv, "p/a", "2")
}

func TestBranchNamesItsConflicts(t *testing.T) {
	ctx, kv := background(t), embedded(t).KV()
	put(t, kv, "p/a", "1")
	branch := branchOf(t, kv, []byte("p/"))
	if entry, err := branch.Get(ctx, []byte("p/a")); err != nil || string(entry.Value) != "1" {
		t.Fatal(entry, err)
	}
	set(t, branch, "p/b", "mine")
	contents(t, branch.Range(ctx, RangeOptions{Start: []byte("p/c"), End: []byte("p/e")}))
	for _, key := range []string{"p/a", "p/b", "p/d", "p/unread"} {
		put(t, kv, key, "theirs")
	}
	_, err := branch.Commit(ctx)
	var conflict *ConflictError
	if !errors.As(err, &conflict) || !errors.Is(err, ErrConflict) || conflict.Retryable {
		t.Fatal(err)
	}
	if conflict.Message != `others changed what the branch read or changed, in 3 places: "p/a", "p/b", "p/c"; `+
		"make another branch" {
		t.Error(conflict)
	}
	keys := []string{}
	for _, one := range conflict.Conflicts {
		keys = append(keys, string(one.Key()))
	}
	if want := []string{"p/a", "p/b", ""}; !reflect.DeepEqual(keys, want) {
		t.Errorf("got %q, want %q", keys, want)
	}
	if last := conflict.Conflicts[2]; string(last.Start) != "p/c" || string(last.End) != "p/e" {
		t.Errorf("got %q", last)
	}
	// It can still be read, for another one to be made of it.
	again := branchOf(t, kv, []byte("p/"))
	for cursor := branch.Range(ctx, RangeOptions{Prefix: []byte("p/b")}); cursor.Next(); {
		set(t, again, string(cursor.Entry().Key), string(cursor.Entry().Value))
	}
	commit(t, again)
	wantValue(t, kv, "p/b", "mine")
}

func TestBranchesOfBranches(t *testing.T) {
	ctx, kv := background(t), embedded(t).KV()
	outer := branchOf(t, kv, []byte("p/"))
	set(t, outer, "p/x/1", "outer")
	inner := branchOf(t, outer, []byte("p/x/"))
	wantContents(t, inner.Range(ctx, RangeOptions{}), map[string]string{"p/x/1": "outer"})
	set(t, inner, "p/x/2", "inner")
	wantContents(t, outer.Range(ctx, RangeOptions{}), map[string]string{"p/x/1": "outer"})
	wantCode(t, inner.Put([]byte("p/y"), nil), ErrInvalidArgument)
	commit(t, inner)
	late := branchOf(t, outer, nil)
	if _, err := late.Get(ctx, []byte("p/x/1")); err != nil {
		t.Fatal(err)
	}
	set(t, outer, "p/x/1", "again")
	if _, err := late.Commit(ctx); !errors.Is(err, ErrConflict) {
		t.Fatal(err)
	}
	wantAbsent(t, kv, "p/x/1")
	commit(t, outer)
	wantContents(t, kv.Range(ctx, RangeOptions{}), map[string]string{"p/x/1": "again", "p/x/2": "inner"})

	_, err := branchOf(t, kv, []byte("p/")).Branch(ctx, []byte("q/"))
	wantCode(t, err, ErrInvalidArgument)
	deepest := branchOf(t, kv, []byte{})
	for depth := uint64(0); err == nil || !errors.Is(err, ErrLimitExceeded); depth++ {
		if depth > Limits().BranchDepth {
			t.Fatal("deeper than the limit")
		}
		var deeper *Branch
		if deeper, err = deepest.Branch(ctx, nil); err == nil {
			deepest = deeper
		}
	}
}

func TestNothingIsLeftOfBranchesThatWereForgotten(t *testing.T) {
	ctx, kv := background(t), embedded(t).KV()
	value := make([]byte, 1<<20)
	forget := func(count int) {
		for i := 0; i < count; i++ {
			branch, err := kv.Branch(ctx, nil)
			if err != nil {
				t.Fatal(err)
			}
			branch.Put([]byte(fmt.Sprint("k", i)), value)
			if i%20 == 0 {
				runtime.GC()
			}
		}
		runtime.GC()
	}
	forget(50)
	before := resident(t)
	forget(400)
	if after := resident(t); after > before+150 && !raceDetector {
		t.Errorf("%.1f MiB grew to %.1f", before, after)
	}
	wantContents(t, kv.Range(ctx, RangeOptions{}), map[string]string{})
}
