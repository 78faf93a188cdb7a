#!/usr/bin/env bash
# Installs the package from the repository root into an environment of its own and runs its tests against what was
# installed. Uses the engine of build/release when it is built (ASPEN_LIB_DIR names another), else builds one.
#
# usage: bindings/python/test.sh [pytest arguments]
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
root="$(cd "$here/../.." && pwd)"
venv="$root/build/python/venv"
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore

say() { echo "python: $*"; }

python="${PYTHON:-$root/build/venv/bin/python}"
[ -x "$(command -v "$python")" ] || python=python3

if [ -z "${ASPEN_LIB_DIR:-}" ] && [ -e "$root/build/release/lib/libaspen.so" ]; then
  export ASPEN_LIB_DIR="$root/build/release/lib"
fi
say "engine: ${ASPEN_LIB_DIR:-built from the repository}"

say "a clean environment in build/python/venv ($("$python" --version))"
rm -rf "$venv"
"$python" -m venv "$venv"
"$venv/bin/pip" install --quiet 'pytest>=7' 'mypy>=1.8'

say "pip install ."
log="$root/build/python/install.log"
(cd "$root" && "$venv/bin/pip" install -v .) >"$log" 2>&1 || { tail -n 60 "$log"; exit 1; }

# The working directory and the import path hold nothing of the source tree: what is tested is what was installed.
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
cp -r "$here/tests" "$work/tests"
if [ -z "${ASPEN_BIN:-}" ] && [ -x "$root/build/release/bin/aspen" ]; then
  export ASPEN_BIN="$root/build/release/bin/aspen"
fi
export ASPEN_FIXTURES="$root/cross_lang_tests/fixtures"
export ASPEN_TORTURE="$root/torture"
say "pytest (aspen command: ${ASPEN_BIN:-none; tests with processes are skipped})"
cd "$work"
PYTHONDONTWRITEBYTECODE=1 PYTHONPATH= "$venv/bin/python" -m pytest -q -ra -p no:cacheprovider --rootdir "$work" "$@" tests
