package aspen

import (
	"bytes"
	"testing"
)

func TestPrefixes(t *testing.T) {
	for _, c := range []struct{ prefix, end string }{
		{"a", "b"}, {"a\x00", "a\x01"}, {"a\xff", "b"}, {"a\xff\xff", "b"}, {"\xff", ""}, {"", ""},
	} {
		keys := Prefix([]byte(c.prefix))
		if string(keys.Start) != c.prefix || string(keys.End) != c.end {
			t.Errorf("%q: got %q", c.prefix, keys)
		}
		for _, key := range []string{c.prefix, c.prefix + "\x00", c.prefix + "\xff\xff"} {
			if !keys.Contains([]byte(key)) {
				t.Errorf("%q does not contain %q", keys, key)
			}
		}
		if c.end != "" && keys.Contains([]byte(c.end)) || c.prefix != "" && keys.Contains(nil) {
			t.Errorf("%q contains what does not begin with it", keys)
		}
	}
	prefix := []byte{'a'}
	keys := Prefix(prefix)
	prefix[0] = 'x'
	if !bytes.Equal(keys.Start, []byte("a")) {
		t.Fatal("it is the caller's slice")
	}
}
