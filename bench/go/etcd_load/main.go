// etcd_load puts on etcd the load that `aspen bench kv` (tools/kv_load.h) puts on aspen: the same closed loop of
// C clients with one request outstanding each, the same keys, sizes, warm-up and percentiles, and one JSON document
// with the same names on stdout; with -work watch that of `aspen bench watch`. It is a Go program on etcd's own client
// because that is the client etcd has.
//
// As in etcd's own benchmark tool, a client is a goroutine, and the clients share --conns connections.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
)

const (
	rangeKeys   = 1000
	fillTimeout = time.Minute
	retryPause  = time.Millisecond // after a failure, with -through-failures
)

type options struct {
	endpoints, work, prefix               string
	clients, conns, valueBytes, keys      int
	watchers                              int
	seconds, warmUp, readRatio, opTimeout float64
	stale, fill, throughFailures, unpaced bool
}

func parse() options {
	var o options
	flag.StringVar(&o.endpoints, "endpoints", "", "HOST:PORT,... of the members to send to")
	flag.StringVar(&o.work, "work", "kv", "kv, txn, range or watch")
	flag.StringVar(&o.prefix, "prefix", "load", "of the keys")
	flag.IntVar(&o.clients, "clients", 64, "requests outstanding at any time")
	flag.IntVar(&o.conns, "conns", 1, "connections that the clients share")
	flag.IntVar(&o.valueBytes, "value-bytes", 256, "size of a value")
	flag.IntVar(&o.watchers, "watchers", 1, "of -work watch: watches of the prefix")
	flag.IntVar(&o.keys, "keys", 10000, "distinct keys, chosen uniformly")
	flag.Float64Var(&o.seconds, "seconds", 10, "how long to measure")
	flag.Float64Var(&o.warmUp, "warm-up", 1, "the same load before, not counted")
	flag.Float64Var(&o.readRatio, "read-ratio", 0, "0: only puts; 1: only gets")
	flag.Float64Var(&o.opTimeout, "op-timeout", 10, "seconds, of each operation")
	flag.BoolVar(&o.stale, "stale", false, "reads are serializable, not linearizable")
	flag.BoolVar(&o.unpaced, "unpaced", false, "of -work watch: writers do not wait until their puts are told")
	flag.BoolVar(&o.fill, "fill", false, "put every key first")
	flag.BoolVar(&o.throughFailures, "through-failures", false, "go on when an operation fails")
	flag.Parse()
	return o
}

func (o *options) key(index int) string { return fmt.Sprintf("bench/%s/%08d", o.prefix, index) }

// What all clients share. Times are nanoseconds since `begin`.
type load struct {
	options
	begin              time.Time
	countFrom, countTo int64
	stop               atomic.Bool
	all, failed        atomic.Int64

	mutex        sync.Mutex
	latency      histogram
	firstFailure error
	succeededNs  int64 // the last that did, of those that count
	longestGapNs int64
}

func (l *load) now() int64 { return int64(time.Since(l.begin)) }

// Told of every success when gaps are asked for; without, clients share nothing while they run.
func (l *load) succeeded(now int64) {
	l.mutex.Lock()
	l.longestGapNs = max(l.longestGapNs, now-l.succeededNs)
	l.succeededNs = max(l.succeededNs, now)
	l.mutex.Unlock()
}

func (l *load) fails(err error) {
	l.failed.Add(1)
	l.mutex.Lock()
	if l.firstFailure == nil {
		l.firstFailure = err
	}
	l.mutex.Unlock()
	if l.throughFailures {
		time.Sleep(retryPause)
	} else {
		l.stop.Store(true)
	}
}

type worker struct {
	load   *load
	client *clientv3.Client
	random *rand.Rand
	value  []byte
}

func newWorker(l *load, client *clientv3.Client, number int) *worker {
	w := &worker{l, client, rand.New(rand.NewPCG(uint64(number), 1)), make([]byte, l.valueBytes)}
	for i := range w.value { // not compressible, as most values that programs keep are not
		w.value[i] = byte(w.random.Uint32())
	}
	return w
}

// Every write writes something new.
func (w *worker) newValue() string {
	for i := range min(8, len(w.value)) {
		w.value[i] = byte(w.random.Uint32())
	}
	return string(w.value)
}

func (w *worker) operate(ctx context.Context) error {
	o := &w.load.options
	index := w.random.IntN(o.keys)
	var read []clientv3.OpOption
	if o.stale {
		read = append(read, clientv3.WithSerializable())
	}
	switch {
	case o.work == "txn":
		first, second := o.key(index), o.key((index+1)%o.keys)
		value := string(w.value)
		reply, err := w.client.Txn(ctx).If(clientv3.Compare(clientv3.CreateRevision(first), ">", 0)).
			Then(clientv3.OpPut(first, value), clientv3.OpPut(second, value)).Commit()
		if err == nil && !reply.Succeeded {
			err = errors.New("a transaction found its key absent")
		}
		return err
	case o.work == "range":
		from := index % (o.keys - rangeKeys + 1)
		reply, err := w.client.Get(ctx, o.key(from), append(read, clientv3.WithRange(o.key(from+rangeKeys)))...)
		if err == nil && len(reply.Kvs) != rangeKeys {
			err = fmt.Errorf("a range had %d keys", len(reply.Kvs))
		}
		return err
	case w.random.Float64() < o.readRatio:
		_, err := w.client.Get(ctx, o.key(index), read...)
		return err
	default:
		_, err := w.client.Put(ctx, o.key(index), w.newValue())
		return err
	}
}

func (w *worker) run() {
	l := w.load
	var latency histogram
	for !l.stop.Load() {
		start := l.now()
		if start >= l.countTo {
			break
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Duration(l.opTimeout*1e9))
		err := w.operate(ctx)
		cancel()
		now := l.now()
		if err != nil {
			l.fails(err)
			continue
		}
		l.all.Add(1)
		if now < l.countFrom || now >= l.countTo {
			continue
		}
		latency.add(now - start)
		if l.throughFailures {
			l.succeeded(now)
		}
	}
	l.mutex.Lock()
	l.latency.merge(&latency)
	l.mutex.Unlock()
}

// Every key once, as many to a transaction as etcd allows by default.
func (o *options) fillKeys(client *clientv3.Client) error {
	w := newWorker(&load{options: *o}, client, 0)
	const perTransaction, transactionBytes = 128, 1 << 20
	step := max(1, min(perTransaction, transactionBytes/max(o.valueBytes, 1)))
	for from := 0; from < o.keys; from += step {
		var puts []clientv3.Op
		for i := from; i < min(from+step, o.keys); i++ {
			puts = append(puts, clientv3.OpPut(o.key(i), string(w.value)))
		}
		ctx, cancel := context.WithTimeout(context.Background(), fillTimeout)
		_, err := client.Txn(ctx).Then(puts...).Commit()
		cancel()
		if err != nil {
			return err
		}
	}
	return nil
}

func connect(o *options) ([]*clientv3.Client, error) {
	var clients []*clientv3.Client
	for range max(1, min(o.conns, o.clients)) {
		client, err := clientv3.New(clientv3.Config{
			Endpoints:   strings.Split(o.endpoints, ","),
			DialTimeout: 10 * time.Second,
			Logger:      zap.NewNop(),
		})
		if err != nil {
			return nil, err
		}
		clients = append(clients, client)
	}
	return clients, nil
}

func (l *load) start() {
	l.begin = time.Now()
	l.countFrom = int64(l.warmUp * 1e9)
	l.countTo = l.countFrom + int64(l.seconds*1e9)
	l.succeededNs = l.countFrom
}

func (l *load) run(clients []*clientv3.Client) {
	l.start()
	var group sync.WaitGroup
	for number := range l.clients {
		worker := newWorker(l, clients[number%len(clients)], number)
		group.Go(worker.run)
	}
	group.Wait()
	l.longestGapNs = max(l.longestGapNs, l.countTo-l.succeededNs)
}

func (l *load) report() map[string]any {
	tenth := func(value float64) float64 { return math.Round(value*10) / 10 }
	document := map[string]any{
		"bench": "etcd", "work": l.work, "clients": l.clients, "conns": l.conns, "value_bytes": l.valueBytes,
		"read_ratio": l.readRatio, "stale": l.stale, "encrypted": false, "ops": l.latency.count,
		"ops_all": l.all.Load(), "failed": l.failed.Load(), "seconds": l.seconds,
		"ops_per_s": tenth(float64(l.latency.count) / l.seconds), "p50_us": tenth(l.latency.percentileUs(0.5)),
		"p99_us": tenth(l.latency.percentileUs(0.99)), "p999_us": tenth(l.latency.percentileUs(0.999)),
	}
	if l.work == "watch" {
		document["watchers"], document["unpaced"] = l.watchers, l.unpaced
	}
	if l.throughFailures {
		document["longest_gap_us"] = tenth(float64(l.longestGapNs) / 1000)
	}
	return document
}

func run() error {
	l := &load{options: parse()}
	if l.endpoints == "" || l.clients < 1 || l.keys < 1 || (l.work == "range" && l.keys < rangeKeys) {
		return errors.New("give -endpoints, at least one client, and as many keys as a range has")
	}
	clients, err := connect(&l.options)
	if err != nil {
		return err
	}
	if l.fill {
		if err := l.fillKeys(clients[0]); err != nil {
			return err
		}
	}
	if l.work == "watch" {
		err = l.runFanOut(clients)
	} else {
		l.run(clients)
	}
	if err != nil {
		return err
	}
	if l.firstFailure != nil && !l.throughFailures {
		return fmt.Errorf("%d operations failed, so this is no result; the first: %w", l.failed.Load(), l.firstFailure)
	}
	return json.NewEncoder(os.Stdout).Encode(l.report())
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintf(os.Stderr, "etcd_load: %v\n", err)
		os.Exit(1)
	}
}
