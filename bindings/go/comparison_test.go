package aspen

import "testing"

func TestComparisons(t *testing.T) {
	kv := embedded(t).KV()
	r := put(t, kv, "k", "a")
	m := put(t, kv, "k", "m")
	put(t, kv, "r/1", "x")
	last := put(t, kv, "r/2", "y")
	k, none := Key([]byte("k")), Key([]byte("none"))
	several, nothing := Keys(Prefix([]byte("r/"))), Keys(KeyRange{[]byte("s"), []byte("t")})
	text := func(s string) []byte { return []byte(s) }
	for i, c := range []struct {
		comparison Comparison
		holds      bool
	}{
		{k.Exists(), true}, {k.Absent(), false}, {none.Exists(), false}, {none.Absent(), true},
		{k.Value().Equal(text("m")), true}, {k.Value().Equal(text("a")), false},
		{k.Value().NotEqual(text("a")), true}, {k.Value().NotEqual(text("m")), false},
		{k.Value().Less(text("n")), true}, {k.Value().Less(text("m")), false},
		{k.Value().Greater(text("lzz")), true}, {k.Value().Greater(nil), true}, {k.Value().Greater(text("m")), false},
		{none.Value().Equal(nil), false}, {none.Value().NotEqual(text("a")), false}, {none.Value().Less(text("a")), false},
		{k.Version().Equal(2), true}, {k.Version().Equal(1), false},
		{k.Version().NotEqual(1), true}, {k.Version().NotEqual(2), false},
		{k.Version().Less(3), true}, {k.Version().Less(2), false},
		{k.Version().Greater(1), true}, {k.Version().Greater(2), false},
		{k.CreateRevision().Equal(r), true}, {k.CreateRevision().Equal(m), false},
		{k.ModRevision().Equal(m), true}, {k.ModRevision().Less(m), false}, {k.ModRevision().Greater(r), true},
		{k.Lease().Equal(0), true}, {k.Lease().NotEqual(0), false}, {k.Lease().Less(1), true},
		{none.Version().Equal(0), true}, {none.ModRevision().Less(1), true}, {none.Lease().Greater(0), false},
		{k.UnchangedSince(m), true}, {k.UnchangedSince(m - 1), false}, {none.UnchangedSince(1), true},

		{several.Exists(), true}, {several.Absent(), false}, {nothing.Exists(), false}, {nothing.Absent(), true},
		{several.Version().Equal(1), true}, {several.Value().Less(text("z")), true},
		{several.Value().Equal(text("x")), false}, {nothing.Value().Equal(text("x")), true},
		{several.UnchangedSince(last), true}, {several.UnchangedSince(last - 1), false},
		{Keys(KeyRange{}).Version().Less(3), true}, {Keys(KeyRange{}).Version().Less(2), false},
		{Keys(KeyRange{Start: text("l")}).Version().Less(2), true},
		{Keys(KeyRange{End: text("k")}).Exists(), false},
	} {
		batch := kv.Batch().Compare(Key(text("k")).Exists(), c.comparison)
		result := apply(t, batch)
		failed := -1
		if !c.holds {
			failed = 1
		}
		if result.Succeeded != c.holds || result.FailedCheck != failed {
			t.Errorf("%d: %+v: got %+v", i, c.comparison, result)
		}
	}
	// Of a range, what a comparison met first.
	result := apply(t, kv.Batch().Compare(several.Value().Less(text("y"))))
	if result.Succeeded || string(result.Current.Key) != "r/2" {
		t.Fatalf("got %+v", result)
	}
}

func TestADeleteIsAChange(t *testing.T) {
	kv := embedded(t).KV()
	put(t, kv, "d/1", "gone")
	deleted, err := kv.Delete(background(t), []byte("d/1"))
	if err != nil {
		t.Fatal(err)
	}
	before := deleted.Revision - 1
	for _, subject := range []Subject{Key([]byte("d/1")), Keys(Prefix([]byte("d/")))} {
		if apply(t, kv.Batch().Compare(subject.UnchangedSince(before))).Succeeded {
			t.Errorf("%+v: a delete was no change", subject)
		}
		if !apply(t, kv.Batch().Compare(subject.UnchangedSince(deleted.Revision))).Succeeded {
			t.Errorf("%+v: it changed after its last change", subject)
		}
	}
}
