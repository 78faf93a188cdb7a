package aspen

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sort"
	"strings"
	"testing"
	"time"
)

func TestEmbeddedNode(t *testing.T) {
	ctx, node := background(t), embedded(t)
	id, err := ParseNodeID(node.ID())
	if err != nil || FormatNodeID(id) != node.ID() || node.Address() != "" {
		t.Fatal(node.ID(), node.Address(), err)
	}
	status, err := node.Status(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if status.NodeID != node.ID() || status.Mode != "embedded" || status.Role != "leader" || status.Leader != node.ID() {
		t.Fatalf("got %+v", status)
	}
	_, err = node.Ticket(ctx, 0)
	if wantCode(t, err, ErrUnsupported).Applied != AppliedNo {
		t.Fatal(err)
	}
	if parts := strings.Split(Version(), "."); len(parts) != 3 {
		t.Fatal(Version())
	}
}

func TestANodeIsReopened(t *testing.T) {
	ctx, dir := background(t), filepath.Join(t.TempDir(), "data")
	first, err := Open(ctx, dir)
	if err != nil {
		t.Fatal(err)
	}
	revision := put(t, first.KV(), "k", "v")
	if err := first.Close(ctx); err != nil {
		t.Fatal(err)
	}
	second, err := Open(ctx, dir)
	closing(t, second, err)
	if second.ID() != first.ID() || wantValue(t, second.KV(), "k", "v").ModRevision != revision {
		t.Fatal("another node")
	}
}

func TestADirectoryInUse(t *testing.T) {
	ctx, dir := background(t), filepath.Join(t.TempDir(), "data")
	// Run again as another process, below.
	if used := os.Getenv("ASPEN_TEST_DIR_IN_USE"); used != "" {
		_, err := Open(ctx, used)
		wantCode(t, err, ErrInUse)
		return
	}
	node, err := Open(ctx, dir)
	closing(t, node, err)
	put(t, node.KV(), "k", "v")
	_, err = Open(ctx, dir)
	if !wantCode(t, err, ErrInUse).Retryable {
		t.Fatal(err)
	}
	other := exec.Command(os.Args[0], "-test.run", "^TestADirectoryInUse$")
	other.Env = append(os.Environ(), "ASPEN_TEST_DIR_IN_USE="+dir)
	if output, err := other.CombinedOutput(); err != nil {
		t.Fatalf("another process: %v\n%s", err, output)
	}
	wantValue(t, node.KV(), "k", "v")
	if err := node.Close(ctx); err != nil {
		t.Fatal(err)
	}
	again, err := Open(ctx, dir)
	closing(t, again, err)
}

func TestADirectoryThatCannotBeOne(t *testing.T) {
	ctx, dir := background(t), t.TempDir()
	_, err := Open(ctx, filepath.Join(dir, "no", "parent"))
	wantCode(t, err, ErrIO, ErrNotFound)
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = Open(ctx, file)
	wantCode(t, err, ErrIO, ErrInvalidArgument, ErrAlreadyExists)
	for _, wrong := range []string{"", "a\x00b"} {
		_, err = Open(ctx, wrong)
		wantCode(t, err, ErrInvalidArgument)
	}
}

func TestADirectoryOfOneMemberOfSeveralIsNotAnEmbeddedStore(t *testing.T) {
	ctx := background(t)
	dir, nodes, _ := network(t, 2)
	for i := len(nodes) - 1; i >= 0; i-- {
		if err := nodes[i].Close(ctx); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"0", "1"} {
		_, err := Open(ctx, filepath.Join(dir, name))
		wantCode(t, err, ErrWrongNode)
	}
}

func TestFoundJoinConnect(t *testing.T) {
	ctx := background(t)
	_, nodes, ticket := network(t, 2)
	client := connect(t, ticket)
	if client.Address() != "" || nodes[1].Address() == "" || client.ID() == nodes[0].ID() {
		t.Fatal(client.Address(), nodes[1].Address())
	}
	revision := put(t, client.KV(), "k", "from the client")
	for _, node := range nodes {
		if wantValue(t, node.KV(), "k", "from the client").ModRevision != revision {
			t.Fatal("another revision")
		}
	}
	status, err := client.Status(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if status.Mode != "client" || status.Role != "client" || len(status.Members) != 2 {
		t.Fatalf("got %+v", status)
	}
	got, want := []string{}, []string{nodes[0].ID(), nodes[1].ID()}
	leaders := 0
	for _, member := range status.Members {
		got = append(got, member.NodeID)
		if member.Leader {
			leaders++
		}
	}
	sort.Strings(got)
	sort.Strings(want)
	if got[0] != want[0] || got[1] != want[1] || leaders != 1 {
		t.Fatalf("got %+v", status.Members)
	}

	info, err := InspectTicket(ticket)
	if err != nil || info.NetworkID != status.NetworkID || info.NotAfterUnixNs != 0 || len(info.Peers) == 0 {
		t.Fatalf("got %+v, %v", info, err)
	}
	hour, err := nodes[0].Ticket(ctx, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if info, err = InspectTicket(hour); err != nil {
		t.Fatal(err)
	}
	left := time.Until(time.Unix(0, int64(info.NotAfterUnixNs)))
	if left < 59*time.Minute || left > time.Hour {
		t.Fatalf("%v left of an hour", left)
	}
}

func TestTicketsThatAreNotValid(t *testing.T) {
	ctx := background(t)
	_, nodes, _ := network(t, 1)
	expired, err := nodes[0].Ticket(ctx, time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(20 * time.Millisecond)
	_, err = Connect(ctx, expired)
	wantCode(t, err, ErrGrantExpired)
	_, err = Connect(ctx, "no ticket")
	wantCode(t, err, ErrTicketInvalid)
	dir := filepath.Join(t.TempDir(), "j")
	_, err = Join(ctx, MemberOptions{Dir: dir, Listen: anyPort}, "aspen1aaaa")
	wantCode(t, err, ErrTicketInvalid)
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Fatal("a refused join left a directory")
	}
	_, err = nodes[0].Ticket(ctx, -time.Second)
	wantCode(t, err, ErrInvalidArgument)
}

func TestAnAddressThatCannotBeListenedOn(t *testing.T) {
	ctx, dir := background(t), t.TempDir()
	socket, err := net.ListenPacket("udp4", anyPort)
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	taken := socket.LocalAddr().String()
	_, err = Found(ctx, MemberOptions{Dir: filepath.Join(dir, "a"), Listen: taken})
	if failed := wantCode(t, err, ErrInUse); !strings.Contains(failed.Message, taken) {
		t.Fatal(err)
	}
	for _, wrong := range []string{"", "127.0.0.1", "127.0.0.1:x", "127.0.0.1:70000", ":"} {
		_, err = Found(ctx, MemberOptions{Dir: filepath.Join(dir, "b"), Listen: wrong})
		wantCode(t, err, ErrInvalidArgument)
	}
}

func TestOpeningEndsWithItsContext(t *testing.T) {
	ctx := background(t)
	_, nodes, ticket := network(t, 1)
	if err := nodes[0].Close(ctx); err != nil { // nobody answers any more
		t.Fatal(err)
	}
	short, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
	defer cancel()
	_, err := Connect(short, ticket)
	wantCode(t, err, ErrDeadlineExceeded, ErrUnavailable)
	cancelled, cancel := context.WithCancel(ctx)
	time.AfterFunc(50*time.Millisecond, cancel)
	_, err = Connect(cancelled, ticket)
	wantCode(t, err, ErrCancelled)
}

func TestCloseMayBeLeft(t *testing.T) {
	node := embedded(t)
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	if err := node.Close(cancelled); err != nil {
		wantCode(t, err, ErrCancelled)
	}
	if err := node.Close(background(t)); err != nil {
		t.Fatal(err)
	}
}

func TestADroppedNodeIsClosed(t *testing.T) {
	ctx, dir := background(t), filepath.Join(t.TempDir(), "data")
	func() {
		node, err := Open(ctx, dir)
		if err != nil {
			t.Fatal(err)
		}
		put(t, node.KV(), "k", "v")
	}()
	until(t, "the collector to close the node", func() bool {
		runtime.GC()
		node, err := Open(ctx, dir)
		if err != nil {
			wantCode(t, err, ErrInUse)
			return false
		}
		closing(t, node, nil)
		return true
	})
}

func TestNothingIsLeftOfClosedNodes(t *testing.T) {
	ctx, dir := background(t), filepath.Join(t.TempDir(), "data")
	count := func(what string) int {
		entries, err := os.ReadDir("/proc/self/" + what)
		if err != nil {
			t.Skip(err)
		}
		return len(entries)
	}
	round := func() {
		node, err := Open(ctx, dir)
		if err != nil {
			t.Fatal(err)
		}
		put(t, node.KV(), "k", "v")
		if err := node.Close(ctx); err != nil {
			t.Fatal(err)
		}
	}
	round()
	round()
	descriptors, threads := count("fd"), count("task")
	for i := 0; i < 10; i++ {
		round()
	}
	// The runtime adds a thread now and then.
	if d, n := count("fd"), count("task"); d > descriptors+2 || n > threads+5 {
		t.Fatalf("descriptors %d to %d, threads %d to %d", descriptors, d, threads, n)
	}
}
