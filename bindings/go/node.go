package aspen

// #include <stdlib.h>
// #include "bridge.h"
import "C"

import (
	"context"
	"encoding/json"
	"runtime"
	"strings"
	"sync"
	"time"
	"unsafe"
)

// A Node is an open node: a store, a member of a network, or a client of one. Close it when done with it; a node
// that is garbage collected is closed then.
type Node struct {
	id, address string

	mu      sync.RWMutex // held for reading while C is given the pointer
	pointer *C.aspen_node_t
	closing bool

	closed   chan struct{} // closed when close has been done
	closeErr error         // then
}

// NodeOptions are how a node goes about its work.
type NodeOptions struct {
	RestoreFrom         string        // of a node that is new, not by Join: a backup's directory to begin with
	HistoryRevisions    uint64        // the leader forgets earlier revisions when more than so many are kept (0: 10,000) ...
	History             time.Duration // ... and what it forgets is older than this; 0: 60 s; negative: it never does
	DeadVoter           time.Duration // one that is dead or lags for so long, at least 10 elections, has no vote; 0: never
	JournalSegmentBytes uint64        // of the log's files, each made whole beforehand; 0: 16 MiB; at most 1 GiB
	ClockDriftPPM       uint32        // what a monotonic clock gains or loses at most, for leases; 0: 1,000
	LeaseReads          bool          // promises the leader not to vote for another, which is what ByLease needs of most members
	MemberReads         bool          // reads at this node are served by it also when another one leads, and see as much
}

// MemberOptions are what Found and Join need.
type MemberOptions struct {
	NodeOptions
	Dir       string        // the data directory, created when absent; its parent must exist
	Listen    string        // "host:port"; port 0: any
	Advertise string        // "host:port" the others dial; empty: the address listened on
	Heartbeat time.Duration // of the consensus leader; 0: 50 ms. The same on all members.
	Election  time.Duration // silence before an election; 0: 300 ms; at least 4 heartbeats
}

// Open opens one store in dir, without a network. A directory that holds one is reopened. At most one NodeOptions.
func Open(ctx context.Context, dir string, options ...NodeOptions) (*Node, error) {
	given := MemberOptions{Dir: dir}
	for _, given.NodeOptions = range options {
	}
	return open(ctx, C.ASPEN_MODE_EMBEDDED, given, "")
}

// Found opens the first member of a new network; Node.Ticket invites others. A directory that already holds a
// member is reopened as that member.
func Found(ctx context.Context, options MemberOptions) (*Node, error) {
	return open(ctx, C.ASPEN_MODE_FOUND, options, "")
}

// Join opens a further member of the ticket's network, and returns when it is one and has caught up. A directory
// that already holds a member of that network is reopened as that member.
func Join(ctx context.Context, options MemberOptions, ticket string) (*Node, error) {
	return open(ctx, C.ASPEN_MODE_JOIN, options, ticket)
}

// Connect opens a client: it uses the ticket's network and stores nothing.
func Connect(ctx context.Context, ticket string) (*Node, error) {
	return open(ctx, C.ASPEN_MODE_CLIENT, MemberOptions{}, ticket)
}

func open(ctx context.Context, mode C.int32_t, options MemberOptions, ticket string) (*Node, error) {
	var texts [5]*C.char
	for i, text := range []string{options.Dir, options.Listen, options.Advertise, ticket, options.RestoreFrom} {
		if strings.IndexByte(text, 0) >= 0 {
			return nil, localError(ErrInvalidArgument, "text with a NUL in it")
		}
		if text != "" {
			texts[i] = C.CString(text)
			defer C.free(unsafe.Pointer(texts[i]))
		}
	}
	if options.Heartbeat < 0 || options.Election < 0 {
		return nil, localError(ErrInvalidArgument, "a heartbeat or election time is negative")
	}
	op, err := run(ctx, func(queue *C.aspen_cq_t, tag C.uint64_t) C.aspen_go_started_t {
		numbers := C.aspen_node_options_t{
			mode:                  mode,
			open_timeout_ns:       timeout(ctx),
			heartbeat_ns:          C.int64_t(options.Heartbeat),
			election_ns:           C.int64_t(options.Election),
			history_revisions:     C.uint64_t(options.HistoryRevisions),
			history_ns:            C.int64_t(options.History),
			dead_voter_ns:         C.int64_t(options.DeadVoter),
			journal_segment_bytes: C.uint64_t(options.JournalSegmentBytes),
			clock_drift_ppm_max:   C.uint32_t(options.ClockDriftPPM),
			lease_reads:           flag(options.LeaseReads),
			member_reads:          flag(options.MemberReads),
		}
		return C.aspen_go_open(&numbers, texts[0], texts[1], texts[2], texts[3], texts[4], queue, tag)
	})
	if err != nil {
		return nil, err
	}
	defer op.free()
	pointer := C.aspen_op_take_node(op.result.op)
	node := &Node{
		id:      C.GoString(C.aspen_node_id(pointer)),
		address: C.GoString(C.aspen_node_address(pointer)),
		pointer: pointer,
		closed:  make(chan struct{}),
	}
	// The last resort of a program that forgot Close. It must not wait in the collector's goroutine.
	runtime.SetFinalizer(node, (*Node).beginClose)
	return node, nil
}

// ID is the node's public key as text, 52 characters.
func (n *Node) ID() string { return n.id }

// Address is the "host:port" others dial; empty without a network.
func (n *Node) Address() string { return n.address }

// KV is the node's key-value store.
func (n *Node) KV() *KV { return &KV{node: n} }

// A Member of a network, as Status knows it.
type Member struct {
	NodeID    string `json:"node_id"`
	Address   string `json:"address"`
	Role      string `json:"role"` // voter or learner, as the network's membership has it
	Leader    bool   `json:"leader"`
	Reachable bool   `json:"reachable"`
}

// Status is how a node sees itself and its network; of a client: how the leader does.
type Status struct {
	NodeID    string   `json:"node_id"`
	NetworkID string   `json:"network_id"`
	Mode      string   `json:"mode"` // embedded, found, join or client
	Role      string   `json:"role"` // leader, follower, learner, candidate, client, or failed: its disk has or it was removed
	Address   string   `json:"address"`
	Leader    string   `json:"leader"` // its node id; empty when none is known
	Term      uint64   `json:"term"`
	Commit    uint64   `json:"commit"`  // the newest revision known to be durable on a majority
	Applied   uint64   `json:"applied"` // the newest revision this node's reads can see
	Members   []Member `json:"members"`
}

// Status asks the node how it is.
func (n *Node) Status(ctx context.Context) (*Status, error) {
	op, err := n.run(ctx, func(queue *C.aspen_cq_t, tag C.uint64_t) C.aspen_go_started_t {
		return C.aspen_go_status(n.pointer, timeout(ctx), queue, tag)
	})
	if err != nil {
		return nil, err
	}
	defer op.free()
	status := new(Status)
	if err := json.Unmarshal([]byte(C.GoString(op.result.text)), status); err != nil {
		return nil, localError(ErrInternal, "the status is not what this package expects: "+err.Error())
	}
	return status, nil
}

// Ticket makes a text with which others can Join or Connect, for as long as valid (0: without limit). Whoever
// holds it can do so too: treat it like a password. Errors: ErrUnsupported on an embedded node,
// ErrPermissionDenied on one that may not invite.
func (n *Node) Ticket(ctx context.Context, valid time.Duration) (string, error) {
	if valid < 0 {
		return "", localError(ErrInvalidArgument, "a ticket cannot be valid for a negative time")
	}
	op, err := n.run(ctx, func(queue *C.aspen_cq_t, tag C.uint64_t) C.aspen_go_started_t {
		return C.aspen_go_ticket(n.pointer, C.int64_t(valid), queue, tag)
	})
	if err != nil {
		return "", err
	}
	defer op.free()
	return C.GoString(op.result.text), nil
}

// Close ends all operations of the node with ErrShutdown, hands leadership on and closes the data. It may be
// called again. When ctx is done before the node is closed, Close returns and the closing goes on.
func (n *Node) Close(ctx context.Context) error {
	n.beginClose()
	select {
	case <-n.closed:
		return n.closeErr
	case <-ctx.Done():
		return contextError(ctx)
	}
}

func (n *Node) beginClose() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closing {
		return
	}
	n.closing = true
	runtime.SetFinalizer(n, nil)
	pointer := n.pointer
	go func() {
		op, err := run(context.Background(), func(queue *C.aspen_cq_t, tag C.uint64_t) C.aspen_go_started_t {
			return C.aspen_go_close(pointer, queue, tag)
		})
		if err == nil {
			op.free()
		}
		// No call is inside C with the pointer: they begin under the lock, and not while closing.
		C.aspen_node_free(pointer)
		n.closeErr = err
		close(n.closed)
	}()
}

// run is run, on this node.
func (n *Node) run(ctx context.Context, begin start) (*operation, error) {
	var closed bool
	op, err := run(ctx, func(queue *C.aspen_cq_t, tag C.uint64_t) C.aspen_go_started_t {
		n.mu.RLock()
		defer n.mu.RUnlock()
		if n.closing {
			closed = true
			return C.aspen_go_started_t{status: C.ASPEN_SHUTDOWN}
		}
		return begin(queue, tag)
	})
	if closed {
		return nil, localError(ErrShutdown, "the node is closed")
	}
	runtime.KeepAlive(n)
	return op, err
}
