#!/bin/bash
# Tests the Node.js package as users get it: packed, installed into an empty project, and used from there.
# The engine is build/release/lib/libaspen.so, built before (make build); ASPEN_LIB_DIR names another place.
# Tests of real processes use build/release/bin/aspen, or $ASPEN_BIN, when it is there.
# Arguments are passed to `node --test`.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)

export ASPEN_LIB_DIR=${ASPEN_LIB_DIR:-$root/build/release/lib}
if [ ! -e "$ASPEN_LIB_DIR/libaspen.so" ]; then
  echo "node: there is no $ASPEN_LIB_DIR/libaspen.so; make build builds it" >&2
  exit 1
fi
if [ -x "$root/build/release/bin/aspen" ]; then
  export ASPEN_BIN=${ASPEN_BIN:-$root/build/release/bin/aspen}
fi
export ASPEN_FIXTURES=$root/cross_lang_tests/fixtures

project=$(mktemp -d "${TMPDIR:-/tmp}/aspen-node-project-XXXXXX")
trap 'rm -rf "$project"' EXIT

echo "node: packing the package and installing it into $project"
(cd "$root" && npm pack --silent --pack-destination "$project" >/dev/null)
cd "$project"
cp -r "$here/test" .
dev() { (cd "$root" && node -p "require('./package.json').devDependencies['$1']"); }
tarball=$(ls aspen-*.tgz)
cat > package.json <<JSON
{
  "private": true,
  "dependencies": { "aspen": "file:$tarball" },
  "devDependencies": { "typescript": "$(dev typescript)", "@types/node": "$(dev @types/node)" },
  "allowScripts": { "file:$project/$tarball": true }
}
JSON
npm install --no-audit --no-fund --no-update-notifier --foreground-scripts --loglevel=error

echo "node: checking the type declarations"
node_modules/.bin/tsc -p test/types

echo "node: running the tests (node $(node --version), engine $ASPEN_LIB_DIR, command ${ASPEN_BIN:-none})"
node --test --test-reporter=spec --test-concurrency=1 "$@" test/*.test.mjs
