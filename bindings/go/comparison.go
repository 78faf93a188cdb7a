package aspen

// #include "bridge.h"
import "C"

// A Comparison is what must hold for a transaction to take its first branch. It begins with a key, or a range of
// keys, of each of which it must hold:
//
//	aspen.Key(key).Version().Less(3)
//	aspen.Key(key).Value().NotEqual(old)
//	aspen.Keys(aspen.Prefix(prefix)).UnchangedSince(revision)
type Comparison struct {
	subject  Subject
	target   C.int32_t
	relation C.int32_t
	value    []byte
	number   uint64
}

// A Subject is the key, or the keys, that a comparison is about. A comparison of keys holds when there are none,
// but for Exists.
type Subject struct {
	keys    KeyRange
	several bool
}

// Key begins a comparison of one key.
func Key(key []byte) Subject { return Subject{keys: KeyRange{Start: key}} }

// Keys begins a comparison of every key in the range.
func Keys(keys KeyRange) Subject { return Subject{keys: keys, several: true} }

// Exists compares whether there is the key; of a range, whether there is a key in it.
func (s Subject) Exists() Comparison {
	return Comparison{subject: s, target: C.ASPEN_TARGET_EXISTS, relation: C.ASPEN_EQUAL, number: 1}
}

// Absent compares whether there is no such key; of a range, whether there is none in it.
func (s Subject) Absent() Comparison {
	return Comparison{subject: s, target: C.ASPEN_TARGET_EXISTS, relation: C.ASPEN_EQUAL}
}

// UnchangedSince compares whether nothing was put or deleted after this revision. Error of applying it:
// ErrCompacted when what happened since has been forgotten.
func (s Subject) UnchangedSince(revision uint64) Comparison {
	return Comparison{subject: s, target: C.ASPEN_TARGET_UNCHANGED_SINCE, relation: C.ASPEN_EQUAL, number: revision}
}

// Value compares the value, in the order of its bytes. An absent key has none: no comparison of it holds.
func (s Subject) Value() ValueSubject { return ValueSubject{s} }

// Version compares Entry.Version; an absent key has 0.
func (s Subject) Version() NumberSubject { return NumberSubject{s, C.ASPEN_TARGET_VERSION} }

// CreateRevision compares Entry.CreateRevision; an absent key has 0.
func (s Subject) CreateRevision() NumberSubject {
	return NumberSubject{s, C.ASPEN_TARGET_CREATE_REVISION}
}

// ModRevision compares Entry.ModRevision; an absent key has 0.
func (s Subject) ModRevision() NumberSubject { return NumberSubject{s, C.ASPEN_TARGET_MOD_REVISION} }

// Lease compares Entry.Lease; an absent key, and one without a lease, has 0.
func (s Subject) Lease() NumberSubject { return NumberSubject{s, C.ASPEN_TARGET_LEASE} }

// A ValueSubject is the value that a comparison is about.
type ValueSubject struct{ subject Subject }

// Equal compares whether the value is this one.
func (s ValueSubject) Equal(value []byte) Comparison { return s.is(C.ASPEN_EQUAL, value) }

// NotEqual compares whether the value is another one.
func (s ValueSubject) NotEqual(value []byte) Comparison { return s.is(C.ASPEN_NOT_EQUAL, value) }

// Less compares whether the value is below this one.
func (s ValueSubject) Less(value []byte) Comparison { return s.is(C.ASPEN_LESS, value) }

// Greater compares whether the value is above this one.
func (s ValueSubject) Greater(value []byte) Comparison { return s.is(C.ASPEN_GREATER, value) }

func (s ValueSubject) is(relation C.int32_t, value []byte) Comparison {
	return Comparison{subject: s.subject, target: C.ASPEN_TARGET_VALUE, relation: relation, value: value}
}

// A NumberSubject is the version, revision or lease that a comparison is about.
type NumberSubject struct {
	subject Subject
	target  C.int32_t
}

// Equal compares whether the number is this one.
func (s NumberSubject) Equal(number uint64) Comparison { return s.is(C.ASPEN_EQUAL, number) }

// NotEqual compares whether the number is another one.
func (s NumberSubject) NotEqual(number uint64) Comparison { return s.is(C.ASPEN_NOT_EQUAL, number) }

// Less compares whether the number is below this one.
func (s NumberSubject) Less(number uint64) Comparison { return s.is(C.ASPEN_LESS, number) }

// Greater compares whether the number is above this one.
func (s NumberSubject) Greater(number uint64) Comparison { return s.is(C.ASPEN_GREATER, number) }

func (s NumberSubject) is(relation C.int32_t, number uint64) Comparison {
	return Comparison{subject: s.subject, target: s.target, relation: relation, number: number}
}

// own copies the caller's slices.
func (c *Comparison) own() {
	c.subject.keys = KeyRange{clone(c.subject.keys.Start), clone(c.subject.keys.End)}
	c.value = clone(c.value)
}

func (c *Comparison) addTo(batch *C.aspen_batch_t) C.int32_t {
	keys := &c.subject.keys
	endSize := C.int64_t(-1)
	if c.subject.several {
		endSize = C.int64_t(len(keys.End))
	}
	return C.aspen_go_batch_compare(batch, c.target, c.relation, first(keys.Start), C.size_t(len(keys.Start)),
		first(keys.End), endSize, first(c.value), C.size_t(len(c.value)), C.uint64_t(c.number))
}
