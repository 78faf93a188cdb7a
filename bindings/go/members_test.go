package aspen

import (
	"context"
	"strings"
	"testing"
	"time"
)

// noticed is how long after its end a leader knows that a member is gone.
const noticed = 3 * time.Second

func wantLeader(t *testing.T, node *Node, want string) {
	t.Helper()
	if got := leader(t, node); got != want {
		t.Fatalf("%s leads, want %s", got, want)
	}
}

func TestMembersOfThree(t *testing.T) {
	ctx := background(t)
	_, nodes, ticket := network(t, 3)
	client := connect(t, ticket)
	until(t, "a leader", func() bool { return leader(t, client) != "" })
	others := func(than string) (others []*Node) {
		for _, node := range nodes {
			if node.ID() != than {
				others = append(others, node)
			}
		}
		return others
	}
	chosen := others(leader(t, client))[0].ID()
	for i := 0; i < 2; i++ { // the second time it leads already
		if leads, err := client.TransferLeadership(ctx, chosen); err != nil || leads != chosen {
			t.Fatalf("got %q, %v, want %q", leads, err, chosen)
		}
		wantLeader(t, client, chosen)
	}
	anyone, err := client.TransferLeadership(ctx, "")
	if err != nil || anyone == "" || anyone == chosen {
		t.Fatalf("got %q, %v, want another than %q", anyone, err, chosen)
	}
	wantLeader(t, client, anyone)
	_, err = client.TransferLeadership(ctx, client.ID())
	wantCode(t, err, ErrNotFound)

	followers := others(anyone)
	if len(followers) != 2 {
		t.Fatalf("%s leads, which is none of the three", anyone)
	}
	gone, alive := followers[0], followers[1]
	if err := gone.Close(ctx); err != nil {
		t.Fatal(err)
	}
	time.Sleep(noticed)
	short, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	_, err = client.RemoveMember(short, alive.ID())
	if failed := wantCode(t, err, ErrDeadlineExceeded); !strings.Contains(failed.Message, "no majority") {
		t.Errorf("got %+v", failed)
	}
	short, cancel = context.WithTimeout(ctx, time.Second)
	defer cancel()
	_, err = client.TransferLeadership(short, gone.ID())
	wantCode(t, err, ErrDeadlineExceeded)
	for _, want := range []bool{true, false} {
		if was, err := client.RemoveMember(ctx, gone.ID()); err != nil || was != want {
			t.Fatalf("got %v, %v, want %v", was, err, want)
		}
	}
	status, err := client.Status(ctx)
	if err != nil || len(status.Members) != 2 {
		t.Fatalf("got %+v, %v, want two members", status, err)
	}
	for _, member := range status.Members {
		if member.NodeID == gone.ID() {
			t.Fatalf("%s is still a member", gone.ID())
		}
	}
	_, err = client.TransferLeadership(ctx, gone.ID())
	wantCode(t, err, ErrNotFound)
	put(t, client.KV(), "k", "v")
}

func TestTheOnlyMember(t *testing.T) {
	ctx, node := background(t), embedded(t)
	_, err := node.RemoveMember(ctx, node.ID())
	if failed := wantCode(t, err, ErrInvalidArgument); !strings.Contains(failed.Message, "only voter") {
		t.Errorf("got %+v", failed)
	}
	if leads, err := node.TransferLeadership(ctx, node.ID()); err != nil || leads != node.ID() {
		t.Fatal(leads, err)
	}
	_, err = node.RemoveMember(ctx, "")
	wantCode(t, err, ErrInvalidArgument)
	for _, wrong := range []string{"x", node.ID()[1:], node.ID() + "a", node.ID() + "\x00"} {
		_, err = node.RemoveMember(ctx, wrong)
		wantCode(t, err, ErrInvalidArgument)
		_, err = node.TransferLeadership(ctx, wrong)
		wantCode(t, err, ErrInvalidArgument)
	}
	_, err = node.TransferLeadership(ctx, "")
	wantCode(t, err, ErrNotFound)
	put(t, node.KV(), "k", "v")
}
