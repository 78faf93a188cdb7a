package aspen

import (
	"fmt"
	"reflect"
	"sort"
	"testing"
)

func ready(t testing.TB, kv *KV, names ...string) {
	t.Helper()
	for _, name := range names {
		until(t, name, func() bool {
			indexes, err := kv.Indexes(background(t))
			if err != nil {
				t.Fatal(err)
			}
			for _, index := range indexes {
				if index.Name == name && index.State == "ready" {
					return true
				}
			}
			return false
		})
	}
}

func createIndex(t testing.TB, kv *KV, name, prefix, extractor string) {
	t.Helper()
	if err := kv.CreateIndex(background(t), name, []byte(prefix), extractor); err != nil {
		t.Fatal(err)
	}
}

// scanned are the values and keys that a scan gives.
func scanned(t testing.TB, kv *KV, name string, options IndexScanOptions) []string {
	t.Helper()
	found := []string{}
	cursor := kv.ScanIndex(background(t), name, options)
	defer cursor.Close()
	for cursor.Next() {
		found = append(found, fmt.Sprintf("%v %s", cursor.Value(), cursor.Entry().Key))
	}
	if cursor.Err() != nil {
		t.Fatal(cursor.Err())
	}
	return found
}

func wantScanned(t testing.TB, kv *KV, name string, options IndexScanOptions, want ...string) {
	t.Helper()
	if found := scanned(t, kv, name, options); !reflect.DeepEqual(found, append([]string{}, want...)) {
		t.Errorf("%s %+v: got %q, want %q", name, options, found, want)
	}
}

func TestIndexes(t *testing.T) {
	ctx, kv := background(t), embedded(t).KV()
	put(t, kv, "user/0", `{"name":"ada","age":36}`)
	put(t, kv, "user/1", `{"name":"bob","age":41}`)
	put(t, kv, "user/2", `{"name":"ada","age":null}`)
	createIndex(t, kv, "by-name", "user/", "json:/name")
	createIndex(t, kv, "by-age", "user/", "json:/age")
	createIndex(t, kv, "by-second", "t/", "tuple:1")
	ready(t, kv, "by-name", "by-age", "by-second")
	wantScanned(t, kv, "by-name", IndexScanOptions{Value: Tuple{"ada"}}, "ada user/0", "ada user/2")
	wantScanned(t, kv, "by-name", IndexScanOptions{PageEntries: 1}, "ada user/0", "ada user/2", "bob user/1")
	wantScanned(t, kv, "by-name", IndexScanOptions{Reverse: true, Limit: 2}, "bob user/1", "ada user/2")
	wantScanned(t, kv, "by-age", IndexScanOptions{Start: Tuple{30}, End: Tuple{41}}, "36 user/0")
	wantScanned(t, kv, "by-age", IndexScanOptions{Value: Tuple{nil}}, "<nil> user/2")
	packed, err := Tuple{"a", 2.5}.Pack()
	if err != nil {
		t.Fatal(err)
	}
	put(t, kv, "t/1", string(packed))
	wantScanned(t, kv, "by-second", IndexScanOptions{}, "2.5 t/1")
	put(t, kv, "user/0", `{"name":"zoe"}`)
	wantScanned(t, kv, "by-name", IndexScanOptions{Value: Tuple{"ada"}}, "ada user/2")
	cursor := kv.ScanIndex(ctx, "by-name", IndexScanOptions{Value: Tuple{"zoe"}, KeysOnly: true})
	if !cursor.Next() || len(cursor.Entry().Value) != 0 || cursor.Entry().Version != 2 || cursor.Next() || cursor.Err() != nil {
		t.Errorf("got %+v, %v", cursor.Entry(), cursor.Err())
	}
	wantCode(t, kv.CreateIndex(ctx, "by-name", nil, "value"), ErrAlreadyExists)
	wantCode(t, kv.CreateIndex(ctx, "other", nil, "xml:/n"), ErrInvalidArgument)
	wantCode(t, kv.CreateIndex(ctx, "a\x00b", nil, "value"), ErrInvalidArgument)
	indexes, err := kv.Indexes(ctx)
	if err != nil || len(indexes) != 3 || string(indexes[0].Prefix) != "user/" || indexes[0].Extractor != "json:/name" {
		t.Fatalf("got %+v, %v", indexes, err)
	}
	if err := kv.DropIndex(ctx, "by-name"); err != nil {
		t.Fatal(err)
	}
	wantCode(t, kv.DropIndex(ctx, "by-name"), ErrNotFound)
	for _, options := range []IndexScanOptions{{}, {Value: Tuple{1}, Start: Tuple{2}}, {Value: Tuple{1, 2}}} {
		cursor := kv.ScanIndex(ctx, "by-name", options)
		if cursor.Next() {
			t.Fatal("it found something")
		}
		wantCode(t, cursor.Err(), ErrNotFound, ErrInvalidArgument)
		cursor.Close()
	}
}

func TestIndexWithMoreThanAReply(t *testing.T) {
	kv := embedded(t).KV()
	createIndex(t, kv, "by", "k", "value")
	ready(t, kv, "by")
	count := int(Limits().RangeEntries) + 10
	for at := 0; at < count; at += 1000 {
		batch := kv.Batch()
		for i := at; i < at+1000 && i < count; i++ {
			batch.Put([]byte(fmt.Sprintf("k%06d", i)), []byte{byte(i % 7)})
		}
		if _, err := batch.Apply(background(t)); err != nil {
			t.Fatal(err)
		}
	}
	found := scanned(t, kv, "by", IndexScanOptions{KeysOnly: true})
	if len(found) != count || !sort.StringsAreSorted(found) {
		t.Errorf("got %d of %d", len(found), count)
	}
}

func directory(t testing.TB, kv *KV, path ...string) *Directory {
	t.Helper()
	opened, err := kv.Directory(background(t), path)
	if err != nil {
		t.Fatal(err)
	}
	return opened
}

func TestDirectories(t *testing.T) {
	ctx, kv := background(t), embedded(t).KV()
	users := directory(t, kv, "app", "users")
	if !users.Created || len(users.Prefix()) == 0 || len(users.Prefix()) > 10 || len(users.Path) != 2 {
		t.Errorf("got %+v", users)
	}
	key, err := users.Pack(Tuple{42, "name"})
	if err != nil {
		t.Fatal(err)
	}
	put(t, kv, string(key), "ada")
	if again := directory(t, kv, "app", "users"); again.Created || string(again.Prefix()) != string(users.Prefix()) {
		t.Errorf("got %+v", again)
	}
	_, err = kv.Directory(ctx, []string{"a"}, ExistingOnly())
	wantCode(t, err, ErrNotFound)
	if _, err = kv.Directory(ctx, []string{"a"}, NewOnly(), WithLayer([]byte("l"))); err != nil {
		t.Fatal(err)
	}
	_, err = kv.Directory(ctx, []string{"a"}, NewOnly())
	wantCode(t, err, ErrAlreadyExists)
	_, err = kv.Directory(ctx, []string{"a"}, WithLayer([]byte("other")))
	wantCode(t, err, ErrInvalidArgument)
	_, err = kv.Directory(ctx, nil)
	wantCode(t, err, ErrInvalidArgument)

	directory(t, kv, "app", "orders")
	paths := func(path ...string) string {
		all, err := kv.Directories(ctx, path)
		if err != nil {
			t.Fatal(err)
		}
		found := ""
		for _, one := range all {
			found += fmt.Sprint(one.Path)
		}
		return found
	}
	if found := paths() + paths("app"); found != "[a][app][app orders][app users]" {
		t.Errorf("got %s", found)
	}
	moved, err := kv.MoveDirectory(ctx, []string{"app", "users"}, []string{"people"})
	if err != nil || string(moved.Prefix()) != string(users.Prefix()) || moved.Path[0] != "people" {
		t.Fatalf("got %+v, %v", moved, err)
	}
	_, err = kv.MoveDirectory(ctx, []string{"app", "users"}, []string{"p"})
	wantCode(t, err, ErrNotFound)
	if removed, err := kv.RemoveDirectory(ctx, []string{"people"}); err != nil || !removed {
		t.Fatal(removed, err)
	}
	if removed, err := kv.RemoveDirectory(ctx, []string{"people"}); err != nil || removed {
		t.Fatal(removed, err)
	}
	wantAbsent(t, kv, string(key))
	_, err = kv.Directories(ctx, []string{"people"})
	wantCode(t, err, ErrNotFound)
}

func TestIndexesAndDirectoriesOfANetwork(t *testing.T) {
	_, nodes, ticket := network(t, 3)
	client := connect(t, ticket)
	createIndex(t, nodes[1].KV(), "by-age", "user/", "json:/age")
	ready(t, client.KV(), "by-age")
	for i := 0; i < 50; i++ {
		put(t, nodes[i%3].KV(), fmt.Sprint("user/", i), fmt.Sprintf(`{"age":%d}`, i%5))
	}
	if found := scanned(t, client.KV(), "by-age", IndexScanOptions{Value: Tuple{3}}); len(found) != 10 {
		t.Errorf("got %q", found)
	}
	if one, other := directory(t, nodes[0].KV(), "app"), directory(t, client.KV(), "app"); string(one.Prefix()) != string(other.Prefix()) {
		t.Errorf("got %v and %v", one, other)
	}
}
