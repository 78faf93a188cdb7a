package aspen

import "bytes"

// A KeyRange is the keys from Start, inclusive, to End, exclusive; with an empty End, to the last key.
type KeyRange struct {
	Start, End []byte
}

// Prefix gives the range of the keys that begin with prefix.
func Prefix(prefix []byte) KeyRange {
	end := clone(prefix)
	for len(end) > 0 && end[len(end)-1] == 0xff {
		end = end[:len(end)-1] // no byte is above it
	}
	if len(end) > 0 {
		end[len(end)-1]++
	}
	return KeyRange{clone(prefix), end}
}

// Contains reports whether key is in the range.
func (r KeyRange) Contains(key []byte) bool {
	return bytes.Compare(key, r.Start) >= 0 && (len(r.End) == 0 || bytes.Compare(key, r.End) < 0)
}

// Key gives the key, when the range is that of one key; else nil.
func (r KeyRange) Key() []byte {
	last := len(r.End) - 1
	if last < 0 || r.End[last] != 0 || !bytes.Equal(r.End[:last], r.Start) {
		return nil
	}
	return r.Start
}
