package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// The fan-out of watches that `aspen bench watch` (tools/watch_load.h) measures: every put is told by all of
// -watchers watches of one prefix. A client puts again when its put is acknowledged and every watch has told it,
// so that no watch falls behind; with -unpaced it only waits for the acknowledgement. An operation is one put told
// by one watch.
//
// All watches are of one etcd client, which has one stream for them.
type fanOut struct {
	*load
	channels []clientv3.WatchChan
	pending  []atomic.Int64 // of each writer: watches that have not told its put
	told     []chan struct{}
}

const stampBytes = 16 // at the front of a value: when its put began, and whose it is

func newFanOut(ctx context.Context, l *load, client *clientv3.Client) *fanOut {
	f := &fanOut{load: l, pending: make([]atomic.Int64, l.clients)}
	for range l.watchers {
		// Comes back when the server has the watch.
		f.channels = append(f.channels, client.Watch(ctx, "bench/"+l.prefix+"/", clientv3.WithPrefix()))
	}
	for range l.clients {
		f.told = append(f.told, make(chan struct{}, 1))
	}
	return f
}

func (f *fanOut) put(client *clientv3.Client, writer int, value []byte) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(f.opTimeout*1e9))
	defer cancel()
	binary.LittleEndian.PutUint64(value, uint64(f.now()))
	binary.LittleEndian.PutUint64(value[8:], uint64(writer))
	f.pending[writer].Store(int64(f.watchers))
	if _, err := client.Put(ctx, f.key(writer), string(value)); err != nil || f.unpaced {
		return err
	}
	select {
	case <-f.told[writer]:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("a put is not told by every watch after %g s", f.opTimeout)
	}
}

func (f *fanOut) write(client *clientv3.Client, writer int) {
	value := newWorker(f.load, client, writer).value
	for !f.stop.Load() && f.now() < f.countTo {
		if err := f.put(client, writer, value); err != nil {
			f.fails(err)
		}
	}
}

func (f *fanOut) watch(ctx context.Context, channel clientv3.WatchChan) {
	for response := range channel {
		if ctx.Err() != nil { // the load is done
			return
		}
		if err := response.Err(); err != nil {
			f.fails(err)
			return
		}
		now := f.now()
		for _, event := range response.Events {
			f.event(now, event.Kv.Value)
		}
	}
}

func (f *fanOut) event(now int64, value []byte) {
	f.all.Add(1)
	if now >= f.countFrom && now < f.countTo {
		f.mutex.Lock()
		f.latency.add(now - int64(binary.LittleEndian.Uint64(value)))
		f.mutex.Unlock()
	}
	if f.unpaced {
		return
	}
	writer := binary.LittleEndian.Uint64(value[8:])
	if f.pending[writer].Add(-1) == 0 {
		f.told[writer] <- struct{}{}
	}
}

func (l *load) runFanOut(clients []*clientv3.Client) error {
	if l.watchers < 1 || l.valueBytes < stampBytes {
		return errors.New("a watch has values of at least 16 bytes, and there is at least one")
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	f := newFanOut(ctx, l, clients[0])
	l.start()
	var watches, writers sync.WaitGroup
	for _, channel := range f.channels {
		watches.Go(func() { f.watch(ctx, channel) })
	}
	for writer := range l.clients {
		writers.Go(func() { f.write(clients[0], writer) })
	}
	writers.Wait()
	cancel()
	watches.Wait()
	return nil
}
