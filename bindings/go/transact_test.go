package aspen

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// contents are the keys and values that a cursor gives.
func contents(t testing.TB, cursor *Cursor) map[string]string {
	t.Helper()
	found := map[string]string{}
	for cursor.Next() {
		found[string(cursor.Entry().Key)] = string(cursor.Entry().Value)
	}
	if err := cursor.Err(); err != nil {
		t.Fatal(err)
	}
	return found
}

func wantContents(t testing.TB, cursor *Cursor, want map[string]string) {
	t.Helper()
	if found := contents(t, cursor); !reflect.DeepEqual(found, want) {
		t.Fatalf("got %v, want %v", found, want)
	}
}

func firstError(all ...error) error {
	for _, err := range all {
		if err != nil {
			return err
		}
	}
	return nil
}

func wantOver(t testing.TB, err error, noun string) {
	t.Helper()
	if wantCode(t, err, ErrInvalidArgument).Message != "the "+noun+" is over; make another" {
		t.Fatal(err)
	}
}

func TestTransactReadsThenWrites(t *testing.T) {
	ctx, kv := background(t), embedded(t).KV()
	put(t, kv, "n", "1")
	put(t, kv, "gone", "x")
	var late *Txn
	err := kv.Transact(ctx, func(tx *Txn) error {
		late = tx
		entry, err := tx.Get(ctx, []byte("n"))
		if err != nil || entry.ModRevision == 0 {
			return fmt.Errorf("got %+v, %v", entry, err)
		}
		if err := firstError(tx.Put([]byte("n"), append(entry.Value, '2')), tx.Delete([]byte("gone"))); err != nil {
			return err
		}
		mine, err := tx.Get(ctx, []byte("n"))
		if err != nil || string(mine.Value) != "12" || mine.ModRevision != 0 {
			t.Errorf("got %+v, %v", mine, err)
		}
		if gone, err := tx.Get(ctx, []byte("gone")); err != nil || gone != nil {
			t.Errorf("got %+v, %v", gone, err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	wantContents(t, kv.Range(ctx, RangeOptions{}), map[string]string{"n": "12"})
	_, err = late.Get(ctx, []byte("n"))
	wantOver(t, err, "transaction")
	wantOver(t, late.Put([]byte("n"), nil), "transaction")
	wantOver(t, late.DeleteRange(KeyRange{}), "transaction")
	cursor := late.Range(ctx, RangeOptions{})
	if cursor.Next() {
		t.Fatal("it read")
	}
	wantOver(t, cursor.Err(), "transaction")
}

func TestTransactRangesShowItsOwnChanges(t *testing.T) {
	ctx, kv := background(t), embedded(t).KV()
	for _, key := range []string{"a/0", "a/1", "a/2"} {
		put(t, kv, key, "old")
	}
	want := map[string]string{"a/2": "old", "a/3": "new"}
	err := kv.Transact(ctx, func(tx *Txn) error {
		tx.Put([]byte("a/3"), []byte("new"))
		tx.Delete([]byte("a/0"))
		tx.DeleteRange(KeyRange{[]byte("a/1"), []byte("a/2")})
		wantContents(t, tx.Range(ctx, RangeOptions{Limit: 1, Reverse: true}), map[string]string{"a/3": "new"})
		wantContents(t, tx.Range(ctx, RangeOptions{PageEntries: 1, KeysOnly: true}), map[string]string{"a/2": "", "a/3": ""})
		wantContents(t, tx.Range(ctx, RangeOptions{Prefix: []byte("a/")}), want)
		cursor := tx.Range(ctx, RangeOptions{Stale: true})
		cursor.Next()
		wantCode(t, cursor.Err(), ErrInvalidArgument)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	wantContents(t, kv.Range(ctx, RangeOptions{}), want)
}

func TestTransactIsCalledAgain(t *testing.T) {
	ctx := background(t)
	one := func(key string) func(*Txn) error {
		return func(tx *Txn) error { _, err := tx.Get(ctx, []byte(key)); return err }
	}
	all := func(tx *Txn) error {
		contents(t, tx.Range(ctx, RangeOptions{Prefix: []byte("k/")}))
		return nil
	}
	for _, c := range []struct {
		what, changed string
		read          func(*Txn) error
		calls         int
	}{
		{"a key", "k/2", one("k/2"), 2},
		{"an absent key", "k/1", one("k/1"), 2},
		{"a range", "k/2", all, 2},
		{"a gap", "k/1", all, 2},
		{"what it did not read", "k/1", one("k/2"), 1},
	} {
		t.Run(c.what, func(t *testing.T) {
			kv, calls := embedded(t).KV(), 0
			put(t, kv, "k/2", "1")
			err := kv.Transact(ctx, func(tx *Txn) error {
				calls++
				if err := c.read(tx); err != nil {
					return err
				}
				if calls == 1 {
					put(t, kv, c.changed, "theirs")
				}
				return tx.Put([]byte("done"), []byte(strconv.Itoa(calls)))
			})
			if err != nil || calls != c.calls {
				t.Fatalf("%d calls, %v", calls, err)
			}
			wantValue(t, kv, "done", strconv.Itoa(calls))
		})
	}
}

func TestTransactReadsOneRevision(t *testing.T) {
	ctx, kv := background(t), embedded(t).KV()
	put(t, kv, "a", "1")
	put(t, kv, "b", "1")
	err := kv.Transact(ctx, func(tx *Txn) error {
		wantContents(t, tx.Range(ctx, RangeOptions{Prefix: []byte("a")}), map[string]string{"a": "1"})
		put(t, kv, "b", "2")
		wantContents(t, tx.Range(ctx, RangeOptions{Prefix: []byte("b")}), map[string]string{"b": "1"})
		return nil
	})
	if err != nil { // one that only read has nothing to fail of
		t.Fatal(err)
	}
}

func TestTransactGivesUp(t *testing.T) {
	ctx, kv := background(t), embedded(t).KV()
	starts := []time.Time{}
	never := func(tx *Txn) error {
		starts = append(starts, time.Now())
		if _, err := tx.Get(ctx, []byte("n")); err != nil {
			return err
		}
		put(t, kv, "n", "theirs")
		return tx.Put([]byte("mine"), nil)
	}
	err := kv.Transact(ctx, never, WithAttempts(14))
	var conflict *ConflictError
	if !errors.As(err, &conflict) || !errors.Is(err, ErrConflict) || !conflict.Retryable || len(starts) != 14 {
		t.Fatalf("%d calls, %v", len(starts), err)
	}
	if conflict.Error() != "aspen: CONFLICT: others changed what the transaction read, in each of 14 attempts" {
		t.Fatal(conflict)
	}
	shortest, longest := time.Hour, time.Duration(0)
	for i := 1; i < len(starts); i++ {
		pause := starts[i].Sub(starts[i-1])
		if i < 5 && pause < shortest {
			shortest = pause
		}
		if i >= 8 && pause > longest {
			longest = pause
		}
	}
	if longest < 4*shortest {
		t.Errorf("pauses grew from %v to %v", shortest, longest)
	}
	wantAbsent(t, kv, "mine")
	wantCode(t, kv.Transact(ctx, never, WithAttempts(0)), ErrInvalidArgument)
}

func TestTransactThatFailsChangesNothing(t *testing.T) {
	ctx, kv := background(t), embedded(t).KV()
	mine := errors.New("mine")
	err := kv.Transact(ctx, func(tx *Txn) error { return firstError(tx.Put([]byte("k"), nil), mine) })
	if !errors.Is(err, mine) {
		t.Fatal(err)
	}
	func() {
		defer func() { recover() }()
		kv.Transact(ctx, func(tx *Txn) error { tx.Put([]byte("k"), nil); panic("mine") })
	}()
	cancelled, cancel := context.WithCancel(ctx)
	err = kv.Transact(cancelled, func(tx *Txn) error { cancel(); return tx.Put([]byte("k"), nil) })
	if wantCode(t, err, ErrCancelled).Applied != AppliedNo || !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	err = kv.Transact(cancelled, func(tx *Txn) error { t.Error("called"); return nil })
	wantCode(t, err, ErrCancelled)
	wantContents(t, kv.Range(ctx, RangeOptions{}), map[string]string{})
}

func TestTransactRefuses(t *testing.T) {
	ctx, kv := background(t), embedded(t).KV()
	err := kv.Transact(ctx, func(tx *Txn) error {
		if err := wantCode(t, tx.Put(nil, nil), ErrInvalidArgument); !strings.Contains(err.Message, "empty") {
			t.Error(err)
		}
		wantCode(t, tx.Put([]byte("k"), make([]byte, Limits().ValueBytes+1)), ErrLimitExceeded)
		wantCode(t, tx.DeleteRange(KeyRange{[]byte("b"), []byte("a")}), ErrInvalidArgument)
		_, err := tx.Get(ctx, nil)
		wantCode(t, err, ErrInvalidArgument)
		return tx.Put([]byte("k"), []byte("v"))
	})
	if err != nil {
		t.Fatal(err)
	}
	wantContents(t, kv.Range(ctx, RangeOptions{}), map[string]string{"k": "v"})
	err = kv.Transact(ctx, func(tx *Txn) error {
		for i := uint64(0); i <= Limits().TransactionOps; i++ {
			if err := tx.Put([]byte(fmt.Sprint(i)), nil); err != nil {
				return err
			}
		}
		return nil
	})
	wantCode(t, err, ErrLimitExceeded)
	err = kv.Transact(ctx, func(tx *Txn) error { return tx.Put([]byte("k"), nil, WithLease(12345)) })
	wantCode(t, err, ErrNotFound)
}

func TestTransactOnANodeThatIsClosed(t *testing.T) {
	ctx, node := background(t), embedded(t)
	branch, err := node.KV().Branch(ctx, []byte("p/"))
	if err != nil {
		t.Fatal(err)
	}
	err = node.KV().Transact(ctx, func(tx *Txn) error { tx.Put([]byte("k"), nil); return node.Close(ctx) })
	wantCode(t, err, ErrShutdown)
	err = node.KV().Transact(ctx, func(tx *Txn) error { t.Error("called"); return nil })
	wantCode(t, err, ErrShutdown)
	_, err = branch.Commit(ctx)
	wantCode(t, err, ErrShutdown)
}

// wantBalances checks that money was neither made nor lost, and that each transfer that was acknowledged left its line.
func wantBalances(t *testing.T, kv *KV, accounts int, acknowledged []string) {
	t.Helper()
	sum, balances := 0, contents(t, kv.Range(background(t), RangeOptions{Prefix: []byte("account/")}))
	for _, balance := range balances {
		number, _ := strconv.Atoi(balance)
		sum += number
	}
	if len(balances) != accounts || sum != 100*accounts {
		t.Errorf("got %v", balances)
	}
	lines := contents(t, kv.Range(background(t), RangeOptions{Prefix: []byte("line/")}))
	for _, line := range acknowledged {
		if _, ok := lines[line]; !ok {
			t.Errorf("%s was acknowledged and is not there", line)
		}
	}
}

// transfers makes transfers until, after `leaderGoes`, enough more have been acknowledged.
func transfers(t *testing.T, client *Node, leaderGoes func(leader string)) {
	const accounts, workers = 8, 6
	kv := client.KV()
	for i := 0; i < accounts; i++ {
		put(t, kv, fmt.Sprint("account/", i), "100")
	}
	var mu sync.Mutex
	var acknowledged []string
	count := func() int {
		mu.Lock()
		defer mu.Unlock()
		return len(acknowledged)
	}
	transfer := func(tx *Txn, from, to, line string) error {
		balances := map[string]int{}
		cursor := tx.Range(background(t), RangeOptions{Prefix: []byte("account/")})
		for cursor.Next() {
			balances[string(cursor.Entry().Key)], _ = strconv.Atoi(string(cursor.Entry().Value))
		}
		if cursor.Err() != nil {
			return cursor.Err()
		}
		return firstError(tx.Put([]byte(from), []byte(strconv.Itoa(balances[from]-1))),
			tx.Put([]byte(to), []byte(strconv.Itoa(balances[to]+1))), tx.Put([]byte(line), nil))
	}
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for worker := 0; worker < workers; worker++ {
		wg.Add(1)
		go func(worker int) {
			defer wg.Done()
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				from := fmt.Sprint("account/", (worker+i)%accounts)
				to := fmt.Sprint("account/", (worker+i+1+i%3)%accounts)
				line := fmt.Sprint("line/", worker, "/", i)
				err := kv.Transact(context.Background(), func(tx *Txn) error { return transfer(tx, from, to, line) })
				if err == nil {
					mu.Lock()
					acknowledged = append(acknowledged, line)
					mu.Unlock()
				}
				var failed *Error
				if err != nil && !errors.Is(err, ErrConflict) &&
					!(errors.As(err, &failed) && (failed.Retryable || failed.Applied == AppliedMaybe)) {
					t.Error(err)
					return
				}
			}
		}(worker)
	}
	until(t, "transfers", func() bool { return count() > 20 })
	leaderGoes(leader(t, client))
	before := count()
	until(t, "transfers after it", func() bool { return count() > before+20 })
	close(stop)
	wg.Wait()
	wantBalances(t, kv, accounts, acknowledged)
}

func TestTransfersWhileTheLeaderGoesAway(t *testing.T) {
	_, nodes, ticket := network(t, 3)
	transfers(t, connect(t, ticket), func(leader string) {
		for _, node := range nodes {
			if node.ID() == leader {
				if err := node.Close(background(t)); err != nil {
					t.Error(err)
				}
			}
		}
	})
}

func TestTransfersWhileTheLeaderIsKilled(t *testing.T) {
	if os.Getenv("ASPEN_BIN") == "" {
		t.Skip("ASPEN_BIN does not name the aspen command")
	}
	dir := t.TempDir()
	members := []*process{startProcess(t, filepath.Join(dir, "0"), "--listen", anyPort, "--bootstrap")}
	for i := 1; i < 3; i++ {
		members = append(members,
			startProcess(t, filepath.Join(dir, fmt.Sprint(i)), "--listen", anyPort, "--join", members[0].Ticket))
	}
	transfers(t, connect(t, members[0].Ticket), func(leader string) {
		for i, member := range members {
			if member.ID == leader {
				member.kill()
				other := members[(i+1)%len(members)]
				startProcess(t, member.dir, "--listen", member.Listen, "--join", other.Ticket)
			}
		}
	})
}
