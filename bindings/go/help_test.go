package aspen

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// background is a context with a deadline beyond which a test has failed.
func background(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// closing closes the node when the test is over, if the test did not.
func closing(t testing.TB, node *Node, err error) *Node {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := node.Close(background(t)); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return node
}

func embedded(t testing.TB) *Node {
	t.Helper()
	node, err := Open(background(t), filepath.Join(t.TempDir(), "data"))
	return closing(t, node, err)
}

const anyPort = "127.0.0.1:0"

// network is a founder, members that join it, and a ticket.
func network(t testing.TB, size int) (dir string, nodes []*Node, ticket string) {
	t.Helper()
	ctx := background(t)
	dir = t.TempDir()
	founder, err := Found(ctx, MemberOptions{Dir: filepath.Join(dir, "0"), Listen: anyPort})
	nodes = append(nodes, closing(t, founder, err))
	if ticket, err = founder.Ticket(ctx, 0); err != nil {
		t.Fatal(err)
	}
	for i := 1; i < size; i++ {
		member, err := Join(ctx, MemberOptions{Dir: filepath.Join(dir, fmt.Sprint(i)), Listen: anyPort}, ticket)
		nodes = append(nodes, closing(t, member, err))
	}
	return dir, nodes, ticket
}

func connect(t testing.TB, ticket string) *Node {
	t.Helper()
	node, err := Connect(background(t), ticket)
	return closing(t, node, err)
}

// until waits for condition.
func until(t testing.TB, what string, condition func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !condition(); time.Sleep(25 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited too long for %s", what)
		}
	}
}

// wantCode checks that err is an *Error of one of the codes.
func wantCode(t testing.TB, err error, codes ...Code) *Error {
	t.Helper()
	var failed *Error
	if !errors.As(err, &failed) {
		t.Fatalf("got %v, want an *Error", err)
	}
	if errors.Is(err, Code(0)) || errors.Is(err, Code(-1)) {
		t.Fatalf("%v is every code", err)
	}
	for _, code := range codes {
		if errors.Is(err, code) && failed.Code == code && failed.Name == code.String() {
			return failed
		}
	}
	names := []string{}
	for _, code := range codes {
		names = append(names, code.String())
	}
	t.Fatalf("got %v, want one of %v", err, names)
	return nil
}

func wantValue(t testing.TB, kv *KV, key, value string) *Entry {
	t.Helper()
	entry, err := kv.Get(background(t), []byte(key))
	if err != nil {
		t.Fatalf("get %q: %v", key, err)
	}
	if entry == nil {
		t.Fatalf("%q is absent, want %q", key, value)
	}
	if string(entry.Key) != key || string(entry.Value) != value {
		t.Fatalf("got %q: %q, want %q: %q", entry.Key, entry.Value, key, value)
	}
	return entry
}

func wantAbsent(t testing.TB, kv *KV, key string) {
	t.Helper()
	if entry, err := kv.Get(background(t), []byte(key)); err != nil || entry != nil {
		t.Fatalf("got %v, %v, want nothing", entry, err)
	}
}

func put(t testing.TB, kv *KV, key, value string) uint64 {
	t.Helper()
	revision, err := kv.Put(background(t), []byte(key), []byte(value))
	if err != nil {
		t.Fatalf("put %q: %v", key, err)
	}
	return revision
}

// A process is a running `aspen node`.
type process struct {
	command *exec.Cmd
	dir     string
	Event   string `json:"event"`
	ID      string `json:"node_id"`
	Listen  string `json:"listen"`
	Ticket  string `json:"ticket"`
}

// startProcess starts `aspen node` and waits until it serves. It is killed when the test is over.
func startProcess(t testing.TB, dir string, args ...string) *process {
	t.Helper()
	var output bytes.Buffer
	p := &process{dir: dir, command: exec.Command(os.Getenv("ASPEN_BIN"), append([]string{"node", "--dir", dir}, args...)...)}
	p.command.Stderr = &output
	stdout, err := p.command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.kill)
	line, err := bufio.NewReader(stdout).ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, p)
	}
	if err != nil || p.Event != "ready" {
		t.Fatalf("aspen node: %v: %q %s", err, line, output.String())
	}
	return p
}

func (p *process) kill() {
	p.command.Process.Kill()
	p.command.Wait()
}
