package main

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"sort"
	"strings"
	"sync"
	"time"

	"github.com/anishathalye/porcupine"
)

// partitionTimeout is how long one group of keys may take; a group that takes longer is unknown, not right.
const partitionTimeout = 60 * time.Second

// state is the values of a group's keys, "" for absent ones. A group has at most so many keys.
type state [4]string

// index of a key within its group: its last byte.
func index(key string) int { return int(key[len(key)-1]-'a') % len(state{}) }

// model is a group of keys, for the Porcupine checker. Input is the *operation; it tells its answer too.
var model = porcupine.Model{
	Init: func() any { return state{} },
	Step: func(s, input, _ any) (bool, any) {
		return step(s.(state), input.(*operation))
	},
	DescribeOperation: func(input, _ any) string {
		text, _ := json.Marshal(input)
		return string(text)
	},
	DescribeState: func(s any) string { return fmt.Sprintf("%q", s) },
}

// step tells whether the operation may have answered what it did in state s, and the state after it.
func step(s state, one *operation) (bool, state) {
	if one.Op == "get" {
		return value(one.Reply.Entry) == s[index(one.Key)], s
	}
	if one.Op == "range" {
		var seen state
		for i := range one.Reply.Entries {
			seen[index(one.Reply.Entries[i].Key)] = one.Reply.Entries[i].Value
		}
		return seen == s, s
	}
	failed := failedCheck(s, one.Checks)
	if one.Outcome == "ok" && !answersTo(s, one, failed) {
		return false, s
	}
	if failed < 0 {
		for _, made := range one.Changes {
			s[index(made[1])] = ""
			if made[0] == "put" {
				s[index(made[1])] = made[2]
			}
		}
	}
	return true, s
}

// answersTo tells whether the write's answer fits the state before it, in which the check `failed` (-1: none) fails.
func answersTo(s state, one *operation, failed int) bool {
	if one.Reply.Succeeded != (failed < 0) {
		return false
	}
	if failed >= 0 {
		told := one.Reply.FailedCheck
		return told != nil && *told == failed && value(one.Reply.Current) == s[index(one.Checks[failed][0])]
	}
	for i, made := range one.Reply.Changes {
		if made.Existed != (s[index(one.Changes[i][1])] != "") {
			return false
		}
	}
	return true
}

func failedCheck(s state, checks [][]string) int {
	for i, check := range checks {
		found := s[index(check[0])]
		holds := found == check[2] // also of a revision: no other write has its value
		switch check[1] {
		case "absent":
			holds = found == ""
		case "present":
			holds = found != ""
		}
		if !holds {
			return i
		}
	}
	return -1
}

func value(found *entry) string {
	if found == nil {
		return ""
	}
	return found.Value
}

// partitions are the histories of the groups. Stale reads may answer what was, and reads that failed say
// nothing. A write that was certainly not made
// is left out: whoever saw it has seen what nobody wrote.
func partitions(history []operation) map[string][]porcupine.Operation {
	clients := map[string]int{}
	out := map[string][]porcupine.Operation{}
	for i := range history {
		one := &history[i]
		if one.Stale || one.Outcome == "no" || (one.Outcome != "ok" && !one.isWrite()) {
			continue
		}
		if _, met := clients[one.Client]; !met {
			clients[one.Client] = len(clients)
		}
		end := one.Return
		if one.Outcome == "maybe" {
			end = math.MaxInt64 // at any later time, or never: at the very end nobody sees it
		}
		out[one.group()] = append(out[one.group()],
			porcupine.Operation{ClientId: clients[one.Client], Input: one, Call: one.Call, Output: nil, Return: end})
	}
	return out
}

// A verdict on all groups, as printed.
type verdict struct {
	Groups     int      `json:"groups"`
	Operations int      `json:"operations"`
	Illegal    []string `json:"illegal"` // groups that no order explains
	Unknown    []string `json:"unknown"` // groups that took too long
}

// checkAll checks the groups side by side; a group that is not linearizable is drawn into `pictures`.
func checkAll(history []operation, pictures string) verdict {
	all := partitions(history)
	result := verdict{Groups: len(all), Illegal: []string{}, Unknown: []string{}}
	var mu sync.Mutex
	var waiting sync.WaitGroup
	slots := make(chan struct{}, runtime.NumCPU())
	for name, operations := range all {
		result.Operations += len(operations)
		waiting.Add(1)
		slots <- struct{}{}
		go func(name string, operations []porcupine.Operation) {
			defer func() { <-slots; waiting.Done() }()
			found, info := porcupine.CheckOperationsVerbose(model, operations, partitionTimeout)
			mu.Lock()
			defer mu.Unlock()
			switch found {
			case porcupine.Illegal:
				result.Illegal = append(result.Illegal, name)
				if pictures != "" {
					draw(info, filepath.Join(pictures, strings.ReplaceAll(name, "/", "_")+".html"))
				}
			case porcupine.Unknown:
				result.Unknown = append(result.Unknown, name)
			}
		}(name, operations)
	}
	waiting.Wait()
	sort.Strings(result.Illegal)
	sort.Strings(result.Unknown)
	return result
}

func draw(info porcupine.LinearizationInfo, path string) {
	if err := porcupine.VisualizePath(model, info, path); err != nil {
		fmt.Fprintln(os.Stderr, "cannot draw:", err)
	}
}

// check prints the verdict on the files; an error when they cannot be read or the history is not linearizable.
func check(pictures string, paths []string) error {
	history, err := readHistory(paths)
	if err != nil {
		return err
	}
	result := checkAll(history, pictures)
	if err := json.NewEncoder(os.Stdout).Encode(result); err != nil {
		return err
	}
	if bad := len(result.Illegal) + len(result.Unknown); bad > 0 {
		return fmt.Errorf("%d groups are not linearizable, or not known to be", bad)
	}
	return nil
}
