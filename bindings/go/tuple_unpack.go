package aspen

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"unicode/utf8"
)

type unpacker struct {
	data  []byte
	at    int
	depth int
}

func unpackTuple(key []byte, start int) (Tuple, error) {
	if len(key) > tupleBytesMax {
		return nil, tupleTooLong()
	}
	u := unpacker{data: key, at: start}
	items := Tuple{}
	for u.at < len(u.data) {
		item, err := u.item()
		if err != nil {
			return nil, err
		}
		items = append(items, item)
	}
	return items, nil
}

func refusal(code Code, start int, format string, args ...interface{}) error {
	return localError(code, "tuple: "+fmt.Sprintf(format, args...)+fmt.Sprintf(" at byte %d", start))
}

func truncated(start int) error { return refusal(ErrInvalidArgument, start, "truncated") }

func (u *unpacker) item() (interface{}, error) {
	start := u.at
	code := u.data[start]
	u.at++
	switch code {
	case tupleNull:
		return nil, nil
	case tupleFalse, tupleTrue:
		return code == tupleTrue, nil
	case tupleBytes, tupleText:
		return u.bytesOrText(start, code)
	case tupleNested:
		return u.nested(start)
	case tupleFloat32, tupleFloat64:
		return u.float(start, code)
	case tupleUUID:
		var id UUID
		if copy(id[:], u.data[u.at:]) < len(id) {
			return nil, truncated(start)
		}
		u.at += len(id)
		return id, nil
	}
	if code >= tupleZero-8 && code <= tupleZero+8 {
		return u.integer(start, int(code)-tupleZero)
	}
	// What the public format has and we do not is told from what nobody has.
	switch code {
	case 0x0a, 0x0b, 0x1d, 0x1e, 0x22, 0x23, 0x24, 0x31, 0x32, 0x33:
		return nil, refusal(ErrUnsupported, start, "unsupported type code 0x%02x", code)
	}
	if code >= 0x40 && code <= 0x4f {
		return nil, refusal(ErrUnsupported, start, "unsupported type code 0x%02x", code)
	}
	return nil, refusal(ErrInvalidArgument, start, "unknown type code 0x%02x", code)
}

func (u *unpacker) bytesOrText(start int, code byte) (interface{}, error) {
	data := []byte{}
	for {
		zero := bytes.IndexByte(u.data[u.at:], tupleEnd)
		if zero < 0 {
			return nil, truncated(start)
		}
		data = append(data, u.data[u.at:u.at+zero]...)
		u.at += zero + 1
		if !u.skipEscape() {
			break
		}
		data = append(data, tupleEnd)
	}
	if code == tupleBytes {
		return data, nil
	}
	if !utf8.Valid(data) {
		return nil, refusal(ErrInvalidArgument, start, "text that is not UTF-8")
	}
	return string(data), nil
}

func (u *unpacker) nested(start int) (interface{}, error) {
	if u.depth == tupleDepthMax {
		return nil, refusal(ErrLimitExceeded, start, "more than %d tuples inside each other", tupleDepthMax)
	}
	u.depth++
	items := Tuple{}
	for {
		if u.at == len(u.data) {
			return nil, truncated(start)
		}
		if u.data[u.at] != tupleEnd {
			item, err := u.item()
			if err != nil {
				return nil, err
			}
			items = append(items, item)
			continue
		}
		u.at++
		if !u.skipEscape() {
			break
		}
		items = append(items, nil)
	}
	u.depth--
	return items, nil
}

func (u *unpacker) skipEscape() bool {
	escaped := u.at < len(u.data) && u.data[u.at] == tupleEscape
	if escaped {
		u.at++
	}
	return escaped
}

// bigEndian reads up to 8 bytes; false when there are fewer left.
func (u *unpacker) bigEndian(size int) (uint64, bool) {
	if len(u.data)-u.at < size {
		return 0, false
	}
	var body [8]byte
	copy(body[8-size:], u.data[u.at:u.at+size])
	u.at += size
	return binary.BigEndian.Uint64(body[:]), true
}

// integer reads one whose code is `offset` from that of zero.
func (u *unpacker) integer(start, offset int) (interface{}, error) {
	size := offset
	if offset < 0 {
		size = -offset
	}
	value, ok := u.bigEndian(size)
	if !ok {
		return nil, truncated(start)
	}
	if offset < 0 {
		value = ^value & (math.MaxUint64 >> (8 * uint(8-size)))
	}
	if size > 0 && value>>(8*uint(size-1)) == 0 {
		return nil, refusal(ErrInvalidArgument, start, "overlong integer")
	}
	switch {
	case offset < 0 && value > 1<<63:
		return nil, refusal(ErrUnsupported, start, "integer below -2^63")
	case offset < 0:
		return int64(-value), nil
	case value > math.MaxInt64:
		return value, nil
	}
	return int64(value), nil
}

func (u *unpacker) float(start int, code byte) (interface{}, error) {
	size := 4
	if code == tupleFloat64 {
		size = 8
	}
	value, ok := u.bigEndian(size)
	if !ok {
		return nil, truncated(start)
	}
	if size == 4 {
		bits := unordered32(uint32(value))
		if f := math.Float32frombits(bits); f == f || bits == nan32 {
			return f, nil
		}
	} else {
		bits := unordered64(value)
		if f := math.Float64frombits(bits); f == f || bits == nan64 {
			return f, nil
		}
	}
	return nil, refusal(ErrInvalidArgument, start, "NaN of another form")
}

func unordered32(bits uint32) uint32 {
	if bits>>31 != 0 {
		return bits &^ (1 << 31)
	}
	return ^bits
}

func unordered64(bits uint64) uint64 {
	if bits>>63 != 0 {
		return bits &^ (1 << 63)
	}
	return ^bits
}
