package aspen

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"
)

// A writer puts one key after the other and remembers the revisions of those that were acknowledged.
type writer struct {
	mu           sync.Mutex
	acknowledged map[string]uint64
	stop         chan struct{}
	stopped      chan struct{}
}

func startWriter(t *testing.T, kv *KV, name string) *writer {
	w := &writer{acknowledged: map[string]uint64{}, stop: make(chan struct{}), stopped: make(chan struct{})}
	go func() {
		defer close(w.stopped)
		for i := 0; ; i++ {
			select {
			case <-w.stop:
				return
			default:
			}
			key := fmt.Sprint(name, "/", i)
			revision, err := kv.Put(context.Background(), []byte(key), []byte(strconv.Itoa(i)))
			if err != nil {
				if _, ok := err.(*Error); !ok {
					t.Error(err)
				}
				continue
			}
			w.mu.Lock()
			w.acknowledged[key] = revision
			w.mu.Unlock()
		}
	}()
	return w
}

func (w *writer) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.acknowledged)
}

func (w *writer) end() {
	close(w.stop)
	<-w.stopped
}

func startWriters(t *testing.T, kv *KV) []*writer {
	writers := make([]*writer, 8)
	for i := range writers {
		writers[i] = startWriter(t, kv, fmt.Sprint("w", i))
	}
	return writers
}

// wantMore waits until every writer has had `more` further writes acknowledged.
func wantMore(t *testing.T, writers []*writer, more int) {
	t.Helper()
	before := make([]int, len(writers))
	for i, w := range writers {
		before[i] = w.count()
	}
	until(t, "writes", func() bool {
		for i, w := range writers {
			if w.count() < before[i]+more {
				return false
			}
		}
		return true
	})
}

// wantWritten checks that what was acknowledged is there, applied once.
func wantWritten(t *testing.T, kv *KV, writers []*writer) {
	t.Helper()
	for _, w := range writers {
		for key, revision := range w.acknowledged {
			entry, err := kv.Get(background(t), []byte(key))
			if err != nil {
				t.Fatal(err)
			}
			if entry == nil || entry.ModRevision != revision || entry.Version != 1 {
				t.Fatalf("%s: got %+v, want revision %d", key, entry, revision)
			}
		}
	}
}

func leader(t *testing.T, node *Node) string {
	t.Helper()
	status, err := node.Status(background(t))
	if err != nil {
		t.Fatal(err)
	}
	return status.Leader
}

func TestThreeMembersInThisProcess(t *testing.T) {
	ctx := background(t)
	dir, nodes, ticket := network(t, 3)
	client := connect(t, ticket)
	for i, node := range nodes {
		put(t, node.KV(), fmt.Sprint("k", i), "v")
		for _, other := range nodes {
			wantValue(t, other.KV(), fmt.Sprint("k", i), "v")
		}
	}
	writers := startWriters(t, client.KV())
	wantMore(t, writers, 5)
	gone := leader(t, client)
	for i, node := range nodes {
		if node.ID() != gone {
			continue
		}
		if err := node.Close(ctx); err != nil {
			t.Fatal(err)
		}
		wantMore(t, writers, 5)
		// It comes back, as itself, and catches up.
		back, err := Join(ctx, MemberOptions{Dir: filepath.Join(dir, fmt.Sprint(i)), Listen: anyPort}, ticket)
		nodes[i] = closing(t, back, err)
		if back.ID() != gone {
			t.Fatal("another node came back")
		}
	}
	for _, w := range writers {
		w.end()
	}
	wantWritten(t, client.KV(), writers)
	for _, node := range nodes {
		wantWritten(t, node.KV(), writers[:1])
	}
}

func TestOneCounter(t *testing.T) {
	ctx := background(t)
	_, nodes, _ := network(t, 3)
	put(t, nodes[0].KV(), "counter", "0")
	const rounds = 20
	var wg sync.WaitGroup
	for _, node := range nodes {
		wg.Add(1)
		go func(kv *KV) {
			defer wg.Done()
			for done := 0; done < rounds; {
				entry, err := kv.Get(ctx, []byte("counter"))
				if err != nil {
					t.Error(err)
					return
				}
				count, _ := strconv.Atoi(string(entry.Value))
				next := []byte(strconv.Itoa(count + 1))
				result, err := kv.CAS(ctx, []byte("counter"), next, RevisionIs(entry.ModRevision))
				if err != nil {
					t.Error(err)
					return
				}
				if result.Succeeded {
					done++
				}
			}
		}(node.KV())
	}
	wg.Wait()
	wantValue(t, nodes[1].KV(), "counter", strconv.Itoa(rounds*len(nodes)))
}

// Members and a client move money between two accounts. A transaction that met another's change reads again in its
// Else, and every one leaves a line in a journal from its nested transaction.
func TestTransfersThroughSeveralNodes(t *testing.T) {
	ctx := background(t)
	_, nodes, ticket := network(t, 3)
	nodes = append(nodes, connect(t, ticket))
	const start, rounds = 1000, 15
	from, to := []byte("from"), []byte("to")
	put(t, nodes[0].KV(), "from", strconv.Itoa(start))
	put(t, nodes[0].KV(), "to", "0")
	read := func(b *Batch) { b.Get(from).Get(to) }

	transfer := func(kv *KV, name string) error {
		batch := kv.Batch()
		read(batch)
		seen, err := batch.Apply(ctx)
		for done := 0; done < rounds && err == nil; {
			source, target := seen.Results[0].(GetResult).Entry, seen.Results[1].(GetResult).Entry
			a, _ := strconv.Atoi(string(source.Value))
			b, _ := strconv.Atoi(string(target.Value))
			if a+b != start {
				return fmt.Errorf("%d and %d were there at once", a, b)
			}
			moved := kv.Batch().
				Compare(Key(from).ModRevision().Equal(source.ModRevision), Key(to).Value().Equal(target.Value)).
				Put(from, []byte(strconv.Itoa(a-1))).
				Put(to, []byte(strconv.Itoa(b+1))).
				Transaction(func(n *Batch) {
					line := []byte(fmt.Sprint("journal/", b+1))
					n.Compare(Key(line).Absent()).Put(line, []byte(name)).Else(func(e *Batch) { e.Get(line) })
				}).
				Get(from).Get(to).
				Else(read)
			if seen, err = moved.Apply(ctx); err != nil || !seen.Succeeded {
				continue
			}
			if noted := seen.Results[2].(TransactionResult); !noted.Succeeded {
				return fmt.Errorf("%d was moved twice: %s", b+1, show(noted.Results))
			}
			done++
			seen.Results = seen.Results[3:]
		}
		return err
	}
	ends := make(chan error, len(nodes))
	for i, node := range nodes {
		go func(kv *KV, name string) { ends <- transfer(kv, name) }(node.KV(), fmt.Sprint("node ", i))
	}
	for range nodes {
		if err := <-ends; err != nil {
			t.Error(err)
		}
	}
	moved := rounds * len(nodes)
	for _, node := range nodes {
		wantValue(t, node.KV(), "from", strconv.Itoa(start-moved))
		wantValue(t, node.KV(), "to", strconv.Itoa(moved))
		if lines := keys(t, node.KV(), RangeOptions{Prefix: []byte("journal/")}); len(lines) != moved {
			t.Fatalf("%d lines of %d moves", len(lines), moved)
		}
	}
}

func TestEveryMemberHasTheSamePast(t *testing.T) {
	_, nodes, ticket := network(t, 3)
	nodes = append(nodes, connect(t, ticket))
	then := put(t, nodes[0].KV(), "k", "then")
	now := put(t, nodes[0].KV(), "k", "now")
	for _, node := range nodes {
		for revision, want := range map[uint64]string{then: "then", now: "now", 0: "now"} {
			entry, err := node.KV().Get(background(t), []byte("k"), AtRevision(revision))
			if err != nil || entry == nil || string(entry.Value) != want {
				t.Errorf("at %d: got %+v, %v, want %s", revision, entry, err, want)
			}
		}
	}
}

func TestThreeProcessesAndAKilledLeader(t *testing.T) {
	if os.Getenv("ASPEN_BIN") == "" {
		t.Skip("ASPEN_BIN does not name the aspen command")
	}
	dir := t.TempDir()
	members := []*process{startProcess(t, filepath.Join(dir, "0"), "--listen", anyPort, "--bootstrap")}
	for i := 1; i < 3; i++ {
		members = append(members,
			startProcess(t, filepath.Join(dir, fmt.Sprint(i)), "--listen", anyPort, "--join", members[0].Ticket))
	}
	client := connect(t, members[0].Ticket)
	writers := startWriters(t, client.KV())
	wantMore(t, writers, 10)
	for round := 0; round < 2; round++ {
		gone := leader(t, client)
		for i, member := range members {
			if member.ID != gone {
				continue
			}
			member.kill()
			wantMore(t, writers, 10)
			other := members[(i+1)%len(members)]
			members[i] = startProcess(t, member.dir, "--listen", member.Listen, "--join", other.Ticket)
			if members[i].ID != gone {
				t.Fatal("another node came back")
			}
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	for _, w := range writers {
		w.end()
	}
	wantWritten(t, client.KV(), writers)
	status, err := client.Status(background(t))
	if err != nil || len(status.Members) != 3 {
		t.Fatalf("got %+v, %v", status, err)
	}
}
