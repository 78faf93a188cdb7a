package aspen

import (
	"bytes"
	"encoding/hex"
	"fmt"
)

// A Tuple is a key of typed values, in the order of the values: packed, Tuple{"user", 9} is below
// Tuple{"user", 10}, and everything that begins with Tuple{"user", 9} is one range of keys. The bytes are the same
// in every language.
//
// An item is nil, a []byte, a string of UTF-8, a Tuple, an integer of any type but uintptr, a float32, a float64, a
// bool or a UUID. It comes back with its type, an integer as an int64, or as a uint64 when no int64 holds it.
//
// The order is nil < []byte < string < Tuple < integers < float32 < float64 < false < true < UUID; -0 is below 0, and
// NaN, which equals itself here, above +Inf.
type Tuple []interface{}

// UUID is an item: 16 bytes, in the order of their text.
type UUID [16]byte

// String is of the form 8-4-4-4-12, in lower case.
func (u UUID) String() string {
	digits := hex.EncodeToString(u[:])
	return digits[:8] + "-" + digits[8:12] + "-" + digits[12:16] + "-" + digits[16:20] + "-" + digits[20:]
}

// Pack gives the key. Errors name the item: ErrInvalidArgument for a type that is none of an item and for a string
// that is not UTF-8, ErrLimitExceeded over Limits().TupleBytes or TupleDepth.
func (t Tuple) Pack() ([]byte, error) { return packTuple(nil, t) }

// Range gives the keys of all tuples that begin with these items and have more.
func (t Tuple) Range() (KeyRange, error) { return rangeOf(packTuple(nil, t)) }

// UnpackTuple gives the items of a packed tuple. Errors name the byte at which the faulty item begins:
// ErrInvalidArgument, ErrUnsupported, ErrLimitExceeded.
func UnpackTuple(key []byte) (Tuple, error) { return unpackTuple(key, 0) }

// A Subspace is a part of the key space: what its keys begin with, and tuples behind it. The zero Subspace is all
// of it.
type Subspace struct {
	prefix []byte
}

// NewSubspace gives the subspace of the keys that begin with prefix, any bytes, and then these items.
func NewSubspace(items Tuple, prefix []byte) (Subspace, error) {
	packed, err := packTuple(prefix, items)
	return Subspace{packed}, err
}

// Prefix is what every key of the subspace begins with.
func (s Subspace) Prefix() []byte { return clone(s.prefix) }

// Subspace gives the part of this one whose tuples begin with these items.
func (s Subspace) Subspace(items Tuple) (Subspace, error) { return NewSubspace(items, s.prefix) }

// Pack gives the key of a tuple here.
func (s Subspace) Pack(items Tuple) ([]byte, error) { return packTuple(s.prefix, items) }

// Range gives the keys of all tuples here that begin with these items and have more.
func (s Subspace) Range(items Tuple) (KeyRange, error) { return rangeOf(packTuple(s.prefix, items)) }

// Unpack gives the tuple of a key. Errors: also ErrInvalidArgument when the key is not of this subspace.
func (s Subspace) Unpack(key []byte) (Tuple, error) {
	if !s.Contains(key) {
		return nil, localError(ErrInvalidArgument, "tuple: the key is outside the subspace")
	}
	return unpackTuple(key, len(s.prefix))
}

// Contains reports whether key can be the key of a tuple here.
func (s Subspace) Contains(key []byte) bool {
	// After a string's end ff makes it a longer string: the key of a sibling. No type has that code.
	size := len(s.prefix)
	return bytes.HasPrefix(key, s.prefix) && (len(key) == size || key[size] != tupleEscape)
}

func rangeOf(packed []byte, err error) (KeyRange, error) {
	if err != nil {
		return KeyRange{}, err
	}
	return KeyRange{append(clone(packed), tupleEnd), append(packed, tupleEscape)}, nil
}

// The format is docs/wire.md section 13. An integer of n bytes has the code tupleZero+n, a negative one tupleZero-n.
const (
	tupleBytesMax = 65536
	tupleDepthMax = 32

	tupleNull    = 0x00
	tupleBytes   = 0x01
	tupleText    = 0x02
	tupleNested  = 0x05
	tupleZero    = 0x14
	tupleFloat32 = 0x20
	tupleFloat64 = 0x21
	tupleFalse   = 0x26
	tupleTrue    = 0x27
	tupleUUID    = 0x30

	tupleEnd    = 0x00
	tupleEscape = 0xff

	// Processors give NaN either sign; as a key it is always this.
	nan32 = 0x7fc00000
	nan64 = 0x7ff8000000000000
)

func tupleTooLong() error {
	return localError(ErrLimitExceeded, fmt.Sprintf("tuple: more than %d bytes", tupleBytesMax))
}
