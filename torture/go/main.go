// The Go side of a torture run: a load on a cluster, and Porcupine over what all clients recorded.
//
// usage: torture load TICKET RECORD NAME START SEED WORKERS    until SIGTERM
//
//	torture check PICTURES FILE...                     the files of one cluster; PICTURES: a directory, or ""
package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
)

func run(arguments []string) error {
	switch {
	case len(arguments) == 7 && arguments[0] == "load":
		var numbers [3]int64
		for i, text := range arguments[4:7] {
			number, err := strconv.ParseInt(text, 10, 64)
			if err != nil {
				return err
			}
			numbers[i] = number
		}
		return load(arguments[1], arguments[2], arguments[3], numbers[0], numbers[1], int(numbers[2]))
	case len(arguments) >= 3 && arguments[0] == "check":
		return check(arguments[1], arguments[2:])
	}
	return errors.New("usage: torture load TICKET RECORD NAME START SEED WORKERS | torture check PICTURES FILE...")
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "torture:", err)
		os.Exit(1)
	}
}
