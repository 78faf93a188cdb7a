package aspen

// #include "bridge.h"
import "C"

import (
	"os"
	"sync"
	"syscall"
)

// resultsPerDrain is how many finished operations one crossing brings at most.
const resultsPerDrain = 256

// A queue brings completions from the engine to the goroutines that wait for them.
//
// There is one in a process, drained by one goroutine. That goroutine sleeps in the runtime's poller on the
// queue's descriptor, as it would on a socket, so that waiting occupies no thread (a thread in aspen_cq_wait
// would have to be woken and to find a processor for every batch) and a finished operation costs a share of one
// crossing. Operations are known to C by a tag, never by a Go pointer.
type queue struct {
	cq      *C.aspen_cq_t
	mu      sync.Mutex
	waiting map[C.uint64_t]*operation
	lastTag C.uint64_t
}

var shared struct {
	mu    sync.Mutex
	queue *queue
}

// theQueue makes the queue when it is first needed. It lives as long as the process.
func theQueue() (*queue, error) {
	shared.mu.Lock()
	defer shared.mu.Unlock()
	if shared.queue != nil {
		return shared.queue, nil
	}
	q := &queue{waiting: make(map[C.uint64_t]*operation)}
	if C.aspen_cq_new(&q.cq) != C.ASPEN_OK {
		return nil, localError(ErrIO, "no completion queue: the process is out of descriptors")
	}
	conn, err := pollable(int(C.aspen_cq_fd(q.cq)))
	if err != nil {
		C.aspen_cq_free(q.cq)
		return nil, localError(ErrIO, "no completion queue: "+err.Error())
	}
	go q.drain(conn)
	shared.queue = q
	return q, nil
}

// pollable gives a duplicate of fd to the runtime's poller; the original belongs to the engine.
func pollable(fd int) (syscall.RawConn, error) {
	syscall.ForkLock.RLock()
	duplicate, err := syscall.Dup(fd)
	if err == nil {
		syscall.CloseOnExec(duplicate)
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return nil, os.NewSyscallError("dup", err)
	}
	// Otherwise the poller does not take it.
	if err := syscall.SetNonblock(duplicate, true); err != nil {
		syscall.Close(duplicate)
		return nil, os.NewSyscallError("fcntl", err)
	}
	return os.NewFile(uintptr(duplicate), "aspen_cq").SyscallConn()
}

// drain takes completions for ever. The poller tells edges, not levels, so it waits only when a drain has found
// the queue empty: a completion after that makes a new edge.
func (q *queue) drain(conn syscall.RawConn) {
	results := make([]C.aspen_go_result_t, resultsPerDrain)
	err := conn.Read(func(uintptr) bool {
		for {
			count := C.aspen_go_drain(q.cq, &results[0], C.size_t(len(results)))
			if count == 0 {
				return false
			}
			q.deliver(results[:count])
		}
	})
	panic("aspen: the completion queue cannot be waited for: " + err.Error())
}

func (q *queue) deliver(results []C.aspen_go_result_t) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for i := range results {
		op, ok := q.waiting[results[i].tag]
		if !ok {
			continue
		}
		delete(q.waiting, results[i].tag)
		op.result = results[i]
		op.done <- struct{}{}
	}
}

// expect makes the operation of a new tag.
func (q *queue) expect() (*operation, C.uint64_t) {
	op := &operation{done: make(chan struct{}, 1)}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.lastTag++
	q.waiting[q.lastTag] = op
	return op, q.lastTag
}

// forget is for a tag with which no operation was started.
func (q *queue) forget(tag C.uint64_t) {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.waiting, tag)
}
