package aspen

// #include <stdlib.h>
// #include "bridge.h"
import "C"

import (
	"encoding/json"
	"strings"
	"time"
	"unsafe"
)

// ParseNodeID gives the 32 bytes of a node id's text form. Error: ErrInvalidArgument when it is none in
// canonical form.
func ParseNodeID(text string) ([32]byte, error) {
	var id [32]byte
	valid := false
	if strings.IndexByte(text, 0) < 0 {
		copied := C.CString(text)
		defer C.free(unsafe.Pointer(copied))
		valid = C.aspen_node_id_parse(copied, (*C.uint8_t)(&id[0])) == C.ASPEN_OK
	}
	if !valid {
		return [32]byte{}, localError(ErrInvalidArgument, "not a node id, which is 52 characters of a-z and 2-7")
	}
	return id, nil
}

// FormatNodeID gives the text form of a node id, 52 characters.
func FormatNodeID(id [32]byte) string {
	var text [53]C.char
	C.aspen_node_id_format((*C.uint8_t)(&id[0]), &text[0])
	return C.GoString(&text[0])
}

// A Peer is a node that a ticket names.
type Peer struct {
	NodeID  string `json:"node_id"`
	Address string `json:"address"`
}

// TicketInfo is what a ticket says.
type TicketInfo struct {
	NetworkID      string   `json:"network_id"`
	Peers          []Peer   `json:"peers"`
	Roles          []string `json:"roles"`             // what its holder may become: client, member
	NotAfterUnixNs uint64   `json:"not_after_unix_ns"` // when it expires; 0: never
}

// InspectTicket checks a ticket without using it. Errors: ErrTicketInvalid, ErrGrantExpired.
func InspectTicket(ticket string) (*TicketInfo, error) {
	if strings.IndexByte(ticket, 0) >= 0 {
		return nil, localError(ErrTicketInvalid, "a ticket has no NUL in it")
	}
	copied := C.CString(ticket)
	defer C.free(unsafe.Pointer(copied))
	var op *C.aspen_op_t
	if status := C.aspen_ticket_inspect(copied, &op); status != C.ASPEN_OK {
		code := Code(status)
		return nil, localError(code, code.info().text)
	}
	defer C.aspen_op_free(op)
	if code := Code(C.aspen_op_status(op)); code != 0 {
		return nil, localError(code, C.GoString(C.aspen_op_message(op)))
	}
	info := new(TicketInfo)
	if err := json.Unmarshal([]byte(C.GoString(C.aspen_op_text(op))), info); err != nil {
		return nil, localError(ErrInternal, "the ticket's content is not what this package expects: "+err.Error())
	}
	return info, nil
}

// LimitTable are the engine's bounds.
type LimitTable struct {
	KeyBytes         uint64
	ValueBytes       uint64
	TransactionOps   uint64 // comparisons and operations of a batch, nested ones included
	TransactionBytes uint64
	TransactionDepth uint64 // transactions inside each other, the outermost not counted
	BranchDepth      uint64 // branches inside each other
	RangeEntries     uint64 // of one reply
	RangeBytes       uint64
	FrameBytes       uint64
	OpsInFlight      uint64 // of one node; more are refused with ErrOverloaded
	TupleBytes       uint64 // packed, with a subspace's prefix
	TupleDepth       uint64 // tuples inside each other, the outermost not counted

	Watches            uint64 // that one node keeps open
	WatchBufferBytes   uint64
	WatchRevisionBytes uint64 // what one revision may change of what a watch is of
	Quotas             uint64
	Leases             uint64
	LeaseKeys          uint64 // attached to one lease
	LeaseTTLMin        time.Duration
	LeaseTTLMax        time.Duration
	Indexes            uint64
	IndexesOfKey       uint64 // that one key may be under
	IndexValues        uint64 // of one key
	IndexValueBytes    uint64
	IndexDocumentBytes uint64 // of a JSON value
}

// Limits gives the engine's bounds.
func Limits() LimitTable {
	get := func(limit C.int32_t) uint64 { return uint64(C.aspen_limit_get(limit)) }
	return LimitTable{
		KeyBytes:         get(C.ASPEN_LIMIT_KEY_BYTES),
		ValueBytes:       get(C.ASPEN_LIMIT_VALUE_BYTES),
		TransactionOps:   get(C.ASPEN_LIMIT_TRANSACTION_OPS),
		TransactionBytes: get(C.ASPEN_LIMIT_TRANSACTION_BYTES),
		TransactionDepth: get(C.ASPEN_LIMIT_TRANSACTION_DEPTH),
		BranchDepth:      get(C.ASPEN_LIMIT_BRANCH_DEPTH),
		RangeEntries:     get(C.ASPEN_LIMIT_RANGE_ENTRIES),
		RangeBytes:       get(C.ASPEN_LIMIT_RANGE_BYTES),
		FrameBytes:       get(C.ASPEN_LIMIT_FRAME_BYTES),
		OpsInFlight:      get(C.ASPEN_LIMIT_OPS_IN_FLIGHT),
		TupleBytes:       get(C.ASPEN_LIMIT_TUPLE_BYTES),
		TupleDepth:       get(C.ASPEN_LIMIT_TUPLE_DEPTH),

		Watches:            get(C.ASPEN_LIMIT_WATCHES),
		WatchBufferBytes:   get(C.ASPEN_LIMIT_WATCH_BUFFER_BYTES),
		WatchRevisionBytes: get(C.ASPEN_LIMIT_WATCH_REVISION_BYTES),
		Quotas:             get(C.ASPEN_LIMIT_QUOTAS),
		Leases:             get(C.ASPEN_LIMIT_LEASES),
		LeaseKeys:          get(C.ASPEN_LIMIT_LEASE_KEYS),
		LeaseTTLMin:        time.Duration(get(C.ASPEN_LIMIT_LEASE_TTL_MIN_NS)),
		LeaseTTLMax:        time.Duration(get(C.ASPEN_LIMIT_LEASE_TTL_MAX_NS)),
		Indexes:            get(C.ASPEN_LIMIT_INDEXES),
		IndexesOfKey:       get(C.ASPEN_LIMIT_INDEXES_OF_KEY),
		IndexValues:        get(C.ASPEN_LIMIT_INDEX_VALUES),
		IndexValueBytes:    get(C.ASPEN_LIMIT_INDEX_VALUE_BYTES),
		IndexDocumentBytes: get(C.ASPEN_LIMIT_INDEX_DOCUMENT_BYTES),
	}
}

// Version is the engine's, "major.minor.patch".
func Version() string { return C.GoString(C.aspen_version()) }
