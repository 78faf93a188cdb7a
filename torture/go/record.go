package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"sync"
)

// An operation as history.py tells it: one line of JSON.
type operation struct {
	Client  string     `json:"client"`
	Op      string     `json:"op"`
	Key     string     `json:"key,omitempty"`
	Stale   bool       `json:"stale,omitempty"`
	Prefix  string     `json:"prefix,omitempty"`
	Checks  [][]string `json:"checks,omitempty"`
	Changes [][]string `json:"changes,omitempty"`
	Call    int64      `json:"call"`
	Return  int64      `json:"return"`
	Outcome string     `json:"outcome"`
	Error   string     `json:"error,omitempty"`
	Message string     `json:"message,omitempty"`
	Reply   *reply     `json:"reply,omitempty"`
}

// A reply to any kind of operation. What the call does not tell is nil.
type reply struct {
	Revision    *uint64  `json:"revision"`
	Entry       *entry   `json:"entry"`
	Entries     []entry  `json:"entries"`
	Succeeded   bool     `json:"succeeded"`
	FailedCheck *int     `json:"failed_check"`
	Current     *entry   `json:"current"`
	Changes     []change `json:"changes"`
}

// An entry is [key, value, create revision, mod revision, version] in the file, a change [existed, previous revision].
type entry struct {
	Key, Value           string
	Create, Mod, Version uint64
}

type change struct {
	Existed  bool
	Previous uint64
}

func (e entry) MarshalJSON() ([]byte, error) {
	return json.Marshal([]any{e.Key, e.Value, e.Create, e.Mod, e.Version})
}

func (e *entry) UnmarshalJSON(text []byte) error {
	return json.Unmarshal(text, &[]any{&e.Key, &e.Value, &e.Create, &e.Mod, &e.Version})
}

func (c change) MarshalJSON() ([]byte, error) { return json.Marshal([]any{c.Existed, c.Previous}) }

func (c *change) UnmarshalJSON(text []byte) error {
	return json.Unmarshal(text, &[]any{&c.Existed, &c.Previous})
}

func (o *operation) isWrite() bool { return len(o.Changes) > 0 }

// group is what comes before the first slash of its keys: operations on different groups have nothing in common.
func (o *operation) group() string {
	key := o.Key + o.Prefix
	if o.isWrite() {
		key = o.Changes[0][1]
	}
	return strings.SplitN(key, "/", 2)[0]
}

func readHistory(paths []string) ([]operation, error) {
	var all []operation
	for _, path := range paths {
		file, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		decoder := json.NewDecoder(bufio.NewReader(file))
		for decoder.More() {
			var one operation
			if err := decoder.Decode(&one); err != nil {
				file.Close()
				return nil, fmt.Errorf("%s: %w", path, err)
			}
			all = append(all, one)
		}
		file.Close()
	}
	return all, nil
}

// A recorder writes lines of many clients into one file. Any goroutine may use it.
type recorder struct {
	mu   sync.Mutex
	file *os.File
	out  *bufio.Writer
}

func newRecorder(path string) (*recorder, error) {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return nil, err
	}
	return &recorder{file: file, out: bufio.NewWriter(file)}, nil
}

func (r *recorder) write(line *operation) error {
	text, err := json.Marshal(line)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	_, err = r.out.Write(append(text, '\n'))
	return err
}

func (r *recorder) close() error {
	if err := r.out.Flush(); err != nil {
		return err
	}
	return r.file.Close()
}
