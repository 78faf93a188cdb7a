package aspen

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"testing"
)

// fixture reads what every language must agree on.
func fixture(t *testing.T, name string, into interface{}) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "cross_lang_tests", "fixtures", name))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, into); err != nil {
		t.Fatal(err)
	}
}

func TestFixtureNodeIDs(t *testing.T) {
	var ids struct {
		Valid, Invalid []struct{ Hex, Text, Reason string }
	}
	fixture(t, "node_id.json", &ids)
	for _, c := range ids.Valid {
		id, err := ParseNodeID(c.Text)
		if err != nil || hex.EncodeToString(id[:]) != c.Hex || FormatNodeID(id) != c.Text {
			t.Errorf("%s: got %x, %v", c.Text, id, err)
		}
	}
	for _, c := range ids.Invalid {
		if _, err := ParseNodeID(c.Text); !errors.Is(err, ErrInvalidArgument) {
			t.Errorf("%q (%s): got %v", c.Text, c.Reason, err)
		}
	}
	if len(ids.Valid) == 0 || len(ids.Invalid) == 0 {
		t.Fatal("no fixtures")
	}
}

func TestFixtureErrors(t *testing.T) {
	var table struct {
		Errors []struct {
			Name, Applied, Text string
			Number              int32
			Retryable           bool
		}
		Unknown []int32
	}
	fixture(t, "errors.json", &table)
	for _, row := range table.Errors {
		code := Code(row.Number)
		info := code.info()
		applied := AppliedNo
		if info.maybeApplied {
			applied = AppliedMaybe
		}
		if code.String() != row.Name || code.Error() != "aspen: "+row.Text || info.retryable != row.Retryable ||
			applied.String() != row.Applied || codeNamed(row.Name) != code {
			t.Errorf("%s: got %+v", row.Name, info)
		}
	}
	if len(table.Errors) != len(errorTable) {
		t.Errorf("%d errors in the fixture, %d in the table", len(table.Errors), len(errorTable))
	}
	for _, number := range table.Unknown {
		if info := Code(number).info(); info.name != "UNKNOWN" || info.retryable || !info.maybeApplied {
			t.Errorf("%d: got %+v", number, info)
		}
	}
}

func TestFixtureTickets(t *testing.T) {
	var tickets struct {
		Valid []struct {
			Name, Text, Network string
			Peers               []struct{ Node, Address string }
		}
		Invalid []struct{ Name, Text, Code string }
	}
	fixture(t, "ticket.json", &tickets)
	id := func(text string) string {
		var id [32]byte
		if _, err := hex.Decode(id[:], []byte(text)); err != nil {
			t.Fatal(err)
		}
		return FormatNodeID(id)
	}
	for _, c := range tickets.Valid {
		info, err := InspectTicket(c.Text)
		if errors.Is(err, ErrGrantExpired) {
			continue // the fixtures are read at a time that has passed; it is otherwise good
		}
		if err != nil || info.NetworkID != id(c.Network) || len(info.Peers) != len(c.Peers) {
			t.Errorf("%s: got %+v, %v", c.Name, info, err)
			continue
		}
		for i, peer := range c.Peers {
			if (info.Peers[i] != Peer{NodeID: id(peer.Node), Address: peer.Address}) {
				t.Errorf("%s: got peer %+v", c.Name, info.Peers[i])
			}
		}
	}
	for _, c := range tickets.Invalid {
		if _, err := InspectTicket(c.Text); !errors.Is(err, codeNamed(c.Code)) {
			t.Errorf("%s: got %v, want %s", c.Name, err, c.Code)
		}
	}
	if len(tickets.Valid) == 0 || len(tickets.Invalid) == 0 {
		t.Fatal("no fixtures")
	}
}

func TestFixtureWire(t *testing.T) {
	var wire struct {
		Valid            []wireFixture `json:"valid"`
		Invalid          []wireFixture `json:"invalid"`
		NewerPeerValid   []wireFixture `json:"newer_peer_valid"`
		NewerPeerInvalid []wireFixture `json:"newer_peer_invalid"`
	}
	fixture(t, "wire.json", &wire)
	check := func(c wireFixture, newerPeer bool) {
		data, err := hex.DecodeString(c.Hex)
		if err != nil {
			t.Fatal(err)
		}
		value, err := decode(c.Type, data, newerPeer)
		if c.Reason == "" && (err != nil || !reflect.DeepEqual(value, c.Value)) {
			t.Errorf("%v %s: got %v, %v, want %v", c.Type, c.Hex, value, err, c.Value)
		}
		if c.Reason != "" && err != refused(c.Reason) {
			t.Errorf("%v %s: got %v, %v, want %s", c.Type, c.Hex, value, err, c.Reason)
		}
	}
	for _, list := range [][]wireFixture{wire.Valid, wire.Invalid} {
		for _, c := range list {
			check(c, false)
		}
	}
	for _, list := range [][]wireFixture{wire.NewerPeerValid, wire.NewerPeerInvalid} {
		for _, c := range list {
			check(c, true)
		}
	}
	if len(wire.Valid) == 0 || len(wire.Invalid) == 0 || len(wire.NewerPeerValid) == 0 || len(wire.NewerPeerInvalid) == 0 {
		t.Fatal("no fixtures")
	}
}
