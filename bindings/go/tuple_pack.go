package aspen

import (
	"encoding/binary"
	"fmt"
	"math"
	"unicode/utf8"
)

type packer struct {
	out   []byte
	index int // of the outermost item
	depth int
}

func packTuple(prefix []byte, items Tuple) ([]byte, error) {
	if len(prefix) > tupleBytesMax {
		return nil, tupleTooLong()
	}
	p := packer{out: clone(prefix)}
	for index, item := range items {
		p.index = index
		if err := p.item(item); err != nil {
			return nil, err
		}
		if len(p.out) > tupleBytesMax {
			return nil, tupleTooLong()
		}
	}
	return p.out, nil
}

func (p *packer) item(item interface{}) error {
	switch v := item.(type) {
	case nil:
		p.out = append(p.out, tupleNull)
		if p.depth > 0 {
			p.out = append(p.out, tupleEscape)
		}
	case []byte:
		return p.bytes(tupleBytes, v)
	case string:
		if !utf8.ValidString(v) {
			return localError(ErrInvalidArgument, fmt.Sprintf("tuple: text that is not UTF-8 in item %d", p.index))
		}
		return p.bytes(tupleText, []byte(v))
	case Tuple:
		return p.nested(v)
	case float32:
		bits := math.Float32bits(v)
		if v != v {
			bits = nan32
		}
		p.fixed(tupleFloat32, uint64(ordered32(bits)), 4)
	case float64:
		bits := math.Float64bits(v)
		if v != v {
			bits = nan64
		}
		p.fixed(tupleFloat64, ordered64(bits), 8)
	case bool:
		if v {
			p.out = append(p.out, tupleTrue)
		} else {
			p.out = append(p.out, tupleFalse)
		}
	case UUID:
		p.out = append(append(p.out, tupleUUID), v[:]...)
	default:
		return p.integer(item)
	}
	return nil
}

func (p *packer) integer(item interface{}) error {
	switch v := item.(type) {
	case int:
		p.signed(int64(v))
	case int8:
		p.signed(int64(v))
	case int16:
		p.signed(int64(v))
	case int32:
		p.signed(int64(v))
	case int64:
		p.signed(v)
	case uint:
		p.magnitude(uint64(v), false)
	case uint8:
		p.magnitude(uint64(v), false)
	case uint16:
		p.magnitude(uint64(v), false)
	case uint32:
		p.magnitude(uint64(v), false)
	case uint64:
		p.magnitude(v, false)
	default:
		return localError(ErrInvalidArgument,
			fmt.Sprintf("tuple: item %d has a %T, which is no type of an item", p.index, item))
	}
	return nil
}

func (p *packer) signed(v int64) {
	if v < 0 {
		p.magnitude(-uint64(v), true)
	} else {
		p.magnitude(uint64(v), false)
	}
}

func (p *packer) magnitude(v uint64, negative bool) {
	size := 0
	for size < 8 && v>>(8*uint(size)) != 0 {
		size++
	}
	if negative {
		p.fixed(byte(tupleZero-size), ^v, size)
	} else {
		p.fixed(byte(tupleZero+size), v, size)
	}
}

// fixed writes the code and the last `size` bytes of v.
func (p *packer) fixed(code byte, v uint64, size int) {
	var body [8]byte
	binary.BigEndian.PutUint64(body[:], v)
	p.out = append(append(p.out, code), body[8-size:]...)
}

func (p *packer) bytes(code byte, data []byte) error {
	if len(data) > tupleBytesMax {
		return tupleTooLong()
	}
	p.out = append(p.out, code)
	for _, b := range data {
		p.out = append(p.out, b)
		if b == tupleEnd {
			p.out = append(p.out, tupleEscape)
		}
	}
	p.out = append(p.out, tupleEnd)
	return nil
}

func (p *packer) nested(items Tuple) error {
	if p.depth == tupleDepthMax {
		return localError(ErrLimitExceeded,
			fmt.Sprintf("tuple: more than %d tuples inside each other in item %d", tupleDepthMax, p.index))
	}
	p.depth++
	p.out = append(p.out, tupleNested)
	for _, item := range items {
		if err := p.item(item); err != nil {
			return err
		}
	}
	p.out = append(p.out, tupleEnd)
	p.depth--
	return nil
}

// ordered32 gives bits that are ordered, as an unsigned integer, as the floats are.
func ordered32(bits uint32) uint32 {
	if bits>>31 != 0 {
		return ^bits
	}
	return bits | 1<<31
}

func ordered64(bits uint64) uint64 {
	if bits>>63 != 0 {
		return ^bits
	}
	return bits | 1<<63
}
