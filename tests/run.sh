#!/usr/bin/env bash
# Installs what the tests need, builds the workspace and runs all tests. Arguments go to `cargo test`:
#   tests/run.sh                        everything
#   tests/run.sh -p angelia-ledger      one crate
#   tests/run.sh -- --nocapture         with output
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)

# Where rustup puts it, for a shell that was opened before.
command -v cargo >/dev/null || PATH=$PATH:${CARGO_HOME:-${HOME:-}/.cargo}/bin
command -v cargo >/dev/null || {
    echo "run.sh: cargo was not found on the PATH. Install Rust 1.94 or newer (rustup.rs) and open a new shell" >&2
    exit 1
}

# Tests start real brokers. An assignment of its own, because `export X=$(...)` would hide a failure.
ANGELIA_NATS_SERVER=$("$root/deploy/nats.sh")
export ANGELIA_NATS_SERVER

# One of them holds the API against its document with a tool from PyPI.
ANGELIA_SCHEMATHESIS=$("$root/tests/schemathesis/install.sh")
export ANGELIA_SCHEMATHESIS

cd "$root"
# Apart from the tests and first: the whole-system tests start the program itself, whose place is fixed.
cargo build --workspace --locked --target-dir "$root/target"
# Cargo tests the whole workspace when it is told both to do that and to test one package.
scope=--workspace
for argument in "$@"; do
    case "$argument" in
    -p | -p?* | --package | --package=*) scope= ;;
    --) break ;;
    esac
done
exec cargo test ${scope:+"$scope"} --locked --target-dir "$root/target" "$@"
