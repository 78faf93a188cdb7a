package aspen

import (
	"bytes"
	"encoding/hex"
	"math"
	"reflect"
	"strconv"
	"strings"
	"testing"
)

type tupleFixtures struct {
	Valid, Nans, Order []struct {
		Name  string
		Value []interface{}
		Hex   string
	}
	Ranges []struct {
		Value           []interface{}
		Start, End      string
		Inside, Outside []string
	}
	Subspaces []struct {
		Prefix          string
		Tuple, Value    []interface{}
		Key, Start, End string
		Outside         []string
	}
	Invalid    []struct{ Name, Hex, Code, Message string }
	Unpackable []struct {
		Name          string
		Value         []interface{}
		Code, Message string
	}
}

func readTupleFixtures(t *testing.T) (f tupleFixtures) {
	fixture(t, "tuple.json", &f)
	if len(f.Valid) < 30 || len(f.Nans) == 0 || len(f.Order) < 80 || len(f.Ranges) == 0 ||
		len(f.Subspaces) == 0 || len(f.Invalid) < 50 || len(f.Unpackable) == 0 {
		t.Fatal("fixtures are missing")
	}
	return f
}

// spelledTuple gives a tuple as the fixtures spell it; false when it has an integer that no Go type we take holds.
func spelledTuple(t *testing.T, spelled []interface{}) (Tuple, bool) {
	tuple := Tuple{}
	for _, item := range spelled {
		value, ok := spelledItem(t, item)
		if !ok {
			return nil, false
		}
		tuple = append(tuple, value)
	}
	return tuple, true
}

func spelledItem(t *testing.T, spelled interface{}) (interface{}, bool) {
	switch v := spelled.(type) {
	case []interface{}:
		return spelledTuple(t, v)
	case map[string]interface{}:
		for kind, body := range v {
			return spelledValue(t, kind, body.(string))
		}
	}
	return spelled, true
}

func spelledValue(t *testing.T, kind, body string) (interface{}, bool) {
	switch kind {
	case "text":
		return body, true
	case "int":
		if low, err := strconv.ParseInt(body, 10, 64); err == nil {
			return low, true
		}
		high, err := strconv.ParseUint(body, 10, 64)
		return high, err == nil
	case "bytes":
		return unhex(t, body), true
	case "uuid":
		var id UUID
		copy(id[:], unhex(t, body))
		return id, true
	}
	bits, err := strconv.ParseUint(body, 16, 64)
	if err != nil {
		t.Fatal(err)
	}
	if kind == "float" {
		return math.Float32frombits(uint32(bits)), true
	}
	return math.Float64frombits(bits), true
}

func unhex(t *testing.T, text string) []byte {
	data, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// sameItem is DeepEqual, but that floats are compared as bits: NaN is NaN, and -0 is not 0.
func sameItem(a, b interface{}) bool {
	switch x := a.(type) {
	case float32:
		y, ok := b.(float32)
		return ok && math.Float32bits(x) == math.Float32bits(y)
	case float64:
		y, ok := b.(float64)
		return ok && math.Float64bits(x) == math.Float64bits(y)
	case Tuple:
		y, ok := b.(Tuple)
		return ok && len(x) == len(y) && beginsWith(y, x)
	}
	return reflect.DeepEqual(a, b)
}

func beginsWith(tuple, beginning Tuple) bool {
	for i := range beginning {
		if i >= len(tuple) || !sameItem(tuple[i], beginning[i]) {
			return false
		}
	}
	return true
}

func mustPack(t *testing.T, tuple Tuple) []byte {
	t.Helper()
	key, err := tuple.Pack()
	if err != nil {
		t.Fatalf("%v: %v", tuple, err)
	}
	return key
}

func wantMessage(t *testing.T, name string, err error, code, message string) {
	t.Helper()
	failed := wantCode(t, err, codeNamed(code))
	if failed.Message != message || failed.Applied != AppliedNo {
		t.Errorf("%s: got %+v, want %q", name, failed, message)
	}
}

func TestFixtureTuples(t *testing.T) {
	f := readTupleFixtures(t)
	for _, row := range f.Valid {
		tuple, _ := spelledTuple(t, row.Value)
		if key := mustPack(t, tuple); hex.EncodeToString(key) != row.Hex {
			t.Errorf("%s: got %x", row.Name, key)
		}
		again, err := UnpackTuple(unhex(t, row.Hex))
		if err != nil || !sameItem(again, tuple) {
			t.Errorf("%s: got %#v, %v", row.Name, again, err)
		}
	}
	for _, row := range f.Nans {
		tuple, _ := spelledTuple(t, row.Value)
		if key := mustPack(t, tuple); hex.EncodeToString(key) != row.Hex {
			t.Errorf("%v: got %x, want %s", row.Value, key, row.Hex)
		}
	}
	last := []byte(nil)
	for i, row := range f.Order {
		tuple, _ := spelledTuple(t, row.Value)
		key := mustPack(t, tuple)
		if hex.EncodeToString(key) != row.Hex || (i > 0 && bytes.Compare(last, key) >= 0) {
			t.Errorf("%v: got %x after %x", row.Value, key, last)
		}
		last = key
	}
}

func TestFixtureTupleRanges(t *testing.T) {
	for _, row := range readTupleFixtures(t).Ranges {
		tuple, _ := spelledTuple(t, row.Value)
		keys, err := tuple.Range()
		if err != nil || hex.EncodeToString(keys.Start) != row.Start || hex.EncodeToString(keys.End) != row.End {
			t.Errorf("%v: got %x, %v", row.Value, keys, err)
		}
		for inside, list := range map[bool][]string{true: row.Inside, false: row.Outside} {
			for _, key := range list {
				other, err := UnpackTuple(unhex(t, key))
				begins := len(other) > len(tuple) && beginsWith(other, tuple)
				if err != nil || keys.Contains(unhex(t, key)) != inside || begins != inside {
					t.Errorf("%v: %s: got %v, %v", row.Value, key, other, err)
				}
			}
		}
	}
}

func TestFixtureSubspaces(t *testing.T) {
	for _, row := range readTupleFixtures(t).Subspaces {
		items, _ := spelledTuple(t, row.Tuple)
		value, _ := spelledTuple(t, row.Value)
		raw, _ := NewSubspace(nil, unhex(t, row.Prefix))
		space, err := raw.Subspace(items)
		if err != nil {
			t.Fatal(err)
		}
		key, err := space.Pack(value)
		if err != nil || hex.EncodeToString(key) != row.Key || !space.Contains(key) || !space.Contains(space.Prefix()) {
			t.Errorf("%v: got %x, %v", row, key, err)
		}
		if again, err := space.Unpack(key); err != nil || !sameItem(again, value) {
			t.Errorf("%v: got %v, %v", row, again, err)
		}
		keys, err := space.Range(nil)
		if err != nil || hex.EncodeToString(keys.Start) != row.Start || hex.EncodeToString(keys.End) != row.End {
			t.Errorf("%v: got %x, %v", row, keys, err)
		}
		for _, other := range row.Outside {
			if space.Contains(unhex(t, other)) {
				t.Errorf("%v contains %s", row, other)
			}
			_, err := space.Unpack(unhex(t, other))
			wantMessage(t, other, err, "INVALID_ARGUMENT", "tuple: the key is outside the subspace")
		}
	}
}

func TestFixtureTuplesRefused(t *testing.T) {
	f := readTupleFixtures(t)
	for _, row := range f.Invalid {
		_, err := UnpackTuple(unhex(t, row.Hex))
		wantMessage(t, row.Name, err, row.Code, row.Message)
	}
	refused := 0
	for _, row := range f.Unpackable {
		if tuple, ok := spelledTuple(t, row.Value); ok {
			_, err := tuple.Pack()
			wantMessage(t, row.Name, err, row.Code, row.Message)
			refused++
		}
	}
	if refused == 0 {
		t.Error("nothing was refused")
	}
}

func TestTupleItemsOfGo(t *testing.T) {
	many := Tuple{1, int8(-2), int16(3), int32(-4), int64(5), uint(6), uint8(7), uint16(8), uint32(9), uint64(10),
		uint64(math.MaxUint64), int64(math.MinInt64)}
	want := Tuple{int64(1), int64(-2), int64(3), int64(-4), int64(5), int64(6), int64(7), int64(8), int64(9),
		int64(10), uint64(math.MaxUint64), int64(math.MinInt64)}
	if again, err := UnpackTuple(mustPack(t, many)); err != nil || !sameItem(again, want) {
		t.Errorf("got %#v, %v", again, err)
	}
	wrongs := []interface{}{struct{}{}, []string{"a"}, map[string]int{}, uintptr(1), 1i, [16]byte{}, new(int)}
	for _, wrong := range wrongs {
		_, err := (Tuple{0, wrong}).Pack()
		failed := wantCode(t, err, ErrInvalidArgument)
		if !strings.HasPrefix(failed.Message, "tuple: item 1 has a ") {
			t.Errorf("%T: got %q", wrong, failed.Message)
		}
	}
	for _, text := range []string{"\xff", "a\xed\xa0\x80"} {
		_, err := (Tuple{0, text}).Pack()
		wantMessage(t, text, err, "INVALID_ARGUMENT", "tuple: text that is not UTF-8 in item 1")
	}
	id := UUID{0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18, 0x19, 0x1a, 0x1b, 0x1c, 0x1d, 0x1e, 0x1f}
	if id.String() != "10111213-1415-1617-1819-1a1b1c1d1e1f" {
		t.Error(id)
	}
}

func TestTupleSizes(t *testing.T) {
	if limits := Limits(); limits.TupleBytes != tupleBytesMax || limits.TupleDepth != tupleDepthMax {
		t.Errorf("got %+v", limits)
	}
	longest := mustPack(t, Tuple{make([]byte, 0), bytes.Repeat([]byte("x"), 65532)})
	if again, err := UnpackTuple(longest); len(longest) != 65536 || err != nil || len(again) != 2 {
		t.Errorf("%d: got %v", len(longest), err)
	}
	tooLong := func(_ interface{}, err error) {
		t.Helper()
		wantMessage(t, "size", err, "LIMIT_EXCEEDED", "tuple: more than 65536 bytes")
	}
	tooLong((Tuple{bytes.Repeat([]byte("x"), 65535)}).Pack())
	tooLong((Tuple{make([]byte, 32768)}).Pack())
	tooLong((Tuple{make([]byte, 65537)}).Pack())
	tooLong(NewSubspace(Tuple{1}, make([]byte, 65535)))
	tooLong(NewSubspace(nil, make([]byte, 65537)))
	tooLong(UnpackTuple(make([]byte, 65537)))
}

// What a subspace gives away and takes is copied: its prefix stays as it was.
func TestSubspaceCopies(t *testing.T) {
	prefix := append(make([]byte, 0, 64), "p"...)
	space, err := NewSubspace(Tuple{1}, prefix)
	if err != nil {
		t.Fatal(err)
	}
	prefix[0] = 'x'
	space.Prefix()[0] = 'y'
	first, _ := space.Pack(Tuple{2})
	second, _ := space.Pack(Tuple{3})
	keys, _ := space.Range(nil)
	keys.Start[0] = 'z'
	if string(first) != "p\x15\x01\x15\x02" || string(second) != "p\x15\x01\x15\x03" ||
		string(keys.End) != "p\x15\x01\xff" {
		t.Errorf("got %q, %q, %q", first, second, keys)
	}
	data := mustPack(t, Tuple{[]byte("abc")})
	tuple, _ := UnpackTuple(data)
	data[1] = 'z'
	if string(tuple[0].([]byte)) != "abc" {
		t.Errorf("got %q", tuple[0])
	}
}

func TestTuplesWithAStore(t *testing.T) {
	kv := embedded(t).KV()
	users, _ := NewSubspace(Tuple{"app", "users"}, nil)
	others, _ := NewSubspace(Tuple{"app", "userz"}, nil)
	for _, number := range []int{10, 9, 11} {
		key, _ := users.Pack(Tuple{number, "name"})
		put(t, kv, string(key), strconv.Itoa(number))
	}
	other, _ := others.Pack(Tuple{10})
	put(t, kv, string(other), "other")
	found := func(items Tuple) (numbers []int64) {
		keys, _ := users.Range(items)
		cursor := kv.Range(background(t), RangeOptions{Start: keys.Start, End: keys.End})
		for cursor.Next() {
			tuple, err := users.Unpack(cursor.Entry().Key)
			if err != nil {
				t.Fatal(err)
			}
			numbers = append(numbers, tuple[0].(int64))
		}
		if err := cursor.Err(); err != nil {
			t.Fatal(err)
		}
		return numbers
	}
	if all := found(nil); !reflect.DeepEqual(all, []int64{9, 10, 11}) {
		t.Errorf("got %v", all)
	}
	if one := found(Tuple{10}); !reflect.DeepEqual(one, []int64{10}) {
		t.Errorf("got %v", one)
	}
}
