//go:build go1.23

package aspen

import (
	"context"
	"testing"
)

func TestRangeStatement(t *testing.T) {
	kv := embedded(t).KV()
	for _, key := range []string{"a", "b", "c"} {
		put(t, kv, key, key)
	}
	found := ""
	for entry, err := range kv.Range(background(t), RangeOptions{PageEntries: 1}).All() {
		if err != nil {
			t.Fatal(err)
		}
		found += string(entry.Key)
		if found == "ab" {
			break
		}
	}
	if found != "ab" {
		t.Fatalf("got %q", found)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	count := 0
	for _, err := range kv.Range(ctx, RangeOptions{}).All() {
		wantCode(t, err, ErrCancelled)
		count++
	}
	if count != 1 {
		t.Fatalf("the error came %d times", count)
	}
}
