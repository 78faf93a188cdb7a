package aspen

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// A decoder of the wire format, from docs/wire.md sections 1 and 2, of types as the fixtures write them. It exists
// for the tests: the package itself decodes nothing.
type decoder struct {
	data      []byte
	newerPeer bool
}

// A refused is the word docs/wire.md has for what is wrong with an encoding.
type refused string

func (r refused) Error() string { return string(r) }

// decode gives the value as the fixtures write it, or a refused.
func decode(kind interface{}, data []byte, newerPeer bool) (value interface{}, err error) {
	defer func() {
		if reason, ok := recover().(refused); ok {
			value, err = nil, reason
		}
	}()
	d := &decoder{data, newerPeer}
	value = d.value(kind)
	d.finish()
	return value, nil
}

func (d *decoder) finish() {
	if len(d.data) != 0 {
		panic(refused("left_over"))
	}
}

func (d *decoder) fixed(size uint64) []byte {
	if size > uint64(len(d.data)) {
		panic(refused("truncated"))
	}
	taken := d.data[:size]
	d.data = d.data[size:]
	return taken
}

func (d *decoder) u64() uint64 {
	var value uint64
	for index := 0; index < 10; index++ {
		b := d.fixed(1)[0]
		if index == 9 && b > 1 {
			break
		}
		value |= uint64(b&0x7f) << (7 * index)
		if b < 0x80 {
			if b == 0 && index > 0 {
				panic(refused("overlong"))
			}
			return value
		}
	}
	panic(refused("range"))
}

func (d *decoder) limited(max float64) uint64 {
	value := d.u64()
	if value > uint64(max) {
		panic(refused("limit"))
	}
	return value
}

func (d *decoder) bool() bool {
	b := d.fixed(1)[0]
	if b > 1 {
		panic(refused("boolean"))
	}
	return b == 1
}

func (d *decoder) text(max float64) string {
	data := d.fixed(d.limited(max))
	if !utf8.Valid(data) || bytes.IndexByte(data, 0) >= 0 {
		panic(refused("text"))
	}
	return string(data)
}

func (d *decoder) count(max float64) uint64 {
	count := d.limited(max)
	if count > uint64(len(d.data)) {
		panic(refused("truncated"))
	}
	return count
}

func (d *decoder) pairs(kinds []interface{}, max float64) []interface{} {
	pairs := []interface{}{}
	last := ""
	for left := d.count(max); left > 0; left-- {
		key := d.value(kinds[0])
		// What is compared as text: bytes as hexadecimal, integers padded to one length.
		order := key.(string)
		if kinds[0] == "u64" {
			order = strings.Repeat("0", 20-len(order)) + order
		}
		if len(pairs) > 0 && order <= last {
			panic(refused("order"))
		}
		last = order
		pairs = append(pairs, []interface{}{key, d.value(kinds[1])})
	}
	return pairs
}

func (d *decoder) message(kind float64, fields []interface{}) []interface{} {
	if d.u64() != uint64(kind) {
		panic(refused("kind"))
	}
	inner := &decoder{d.fixed(d.u64()), d.newerPeer}
	values := []interface{}{}
	for _, field := range fields {
		values = append(values, inner.value(field))
	}
	if !d.newerPeer {
		inner.finish()
	}
	return values
}

func (d *decoder) value(kind interface{}) interface{} {
	switch kind {
	case "u8":
		return strconv.Itoa(int(d.fixed(1)[0]))
	case "u64":
		return strconv.FormatUint(d.u64(), 10)
	case "i64":
		raw := d.u64()
		return strconv.FormatInt(int64(raw>>1)^-int64(raw&1), 10)
	case "bool":
		return d.bool()
	}
	of := kind.(map[string]interface{})
	max, _ := of["max"].(float64)
	if limit, ok := of["u64"]; ok {
		return strconv.FormatUint(d.limited(limit.(map[string]interface{})["max"].(float64)), 10)
	}
	if size, ok := of["fixed"]; ok {
		return hex.EncodeToString(d.fixed(uint64(size.(float64))))
	}
	if limit, ok := of["bytes"]; ok {
		return hex.EncodeToString(d.fixed(d.limited(limit.(float64))))
	}
	if limit, ok := of["text"]; ok {
		return d.text(limit.(float64))
	}
	if inner, ok := of["optional"]; ok {
		if !d.bool() {
			return nil
		}
		return d.value(inner)
	}
	if inner, ok := of["list"]; ok {
		items := []interface{}{}
		for left := d.count(max); left > 0; left-- {
			items = append(items, d.value(inner))
		}
		return items
	}
	if kinds, ok := of["map"]; ok {
		return d.pairs(kinds.([]interface{}), max)
	}
	if number, ok := of["message"]; ok {
		return d.message(number.(float64), of["fields"].([]interface{}))
	}
	panic(fmt.Sprintf("the fixtures have a type the test does not know: %v", kind))
}

// A wireFixture is one line of wire.json.
type wireFixture struct {
	Type   interface{} `json:"type"`
	Value  interface{} `json:"value"`
	Hex    string      `json:"hex"`
	Reason string      `json:"reason"`
}
