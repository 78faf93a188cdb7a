#!/bin/bash
# Tests the Go package: formatting, vet, its tests under the race detector, and a program of another module that
# uses it. The engine is build/release/lib/libaspen.so, built before (make build); ASPEN_LIB_DIR names another
# place. Tests of real processes use build/release/bin/aspen, or $ASPEN_BIN, when it is there.
# Arguments are passed to `go test`.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
cd "$here"

lib=${ASPEN_LIB_DIR:-$root/build/release/lib}
if [ ! -e "$lib/libaspen.so" ]; then
  echo "go: there is no $lib/libaspen.so; make build builds it" >&2
  exit 1
fi
if [ -n "${ASPEN_LIB_DIR:-}" ]; then
  export CGO_LDFLAGS="-L$lib -Wl,-rpath,$lib ${CGO_LDFLAGS:-}"
fi
if [ -x "$root/build/release/bin/aspen" ]; then
  export ASPEN_BIN=${ASPEN_BIN:-$root/build/release/bin/aspen}
fi
# A checkout may belong to another user, whose history Go then refuses to read.
export GOFLAGS="-buildvcs=false ${GOFLAGS:-}"

echo "go: gofmt and go vet ($(go version))"
unformatted=$(gofmt -l .)
if [ -n "$unformatted" ]; then
  echo "go: gofmt would change $unformatted" >&2
  exit 1
fi
go vet ./...

program=$(mktemp -d "${TMPDIR:-/tmp}/aspen-go-program-XXXXXX")
trap 'rm -rf "$program"' EXIT
echo "go: a program of another module, in $program"
cp testdata/program/main.go "$program"
(
  cd "$program"
  go mod init program 2>/dev/null
  go mod edit -require=aspen@v0.0.0 -replace=aspen="$here"
  go build -o program .
  ./program ./data | grep -x greeting
)

echo "go: the tests (engine $lib, command ${ASPEN_BIN:-none})"
go test -count=1 -v -run NothingIsLeft ./...  # memory is measured without the race detector's own
go test -count=1 -v -race "$@" ./...
