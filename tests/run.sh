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

# Whether this run has the tests of the console: all packages, or theirs among others.
browser='' named=''
for argument in "$@"; do
    case "$argument" in
    --) break ;;
    angelia-tests | -pangelia-tests | --package=angelia-tests) browser=yes named=yes ;;
    angelia-* | -p?* | --package=*) named=yes ;;
    esac
done
[ -n "$named" ] || browser=yes

# A browser with its driver, from the system's packages; npm for the accessibility audit.
install_packages() {
    local become=
    [ "$(id -u)" = 0 ] || become="sudo -n"
    if ! command -v apt-get >/dev/null || ! $become true 2>/dev/null; then
        echo "run.sh: the tests of the console need $*. Install them, or run this as root or with sudo on Debian" >&2
        exit 1
    fi
    echo "run.sh: installs $*" >&2
    $become env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >&2 || {
        $become apt-get update -qq >&2
        $become env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >&2
    }
}

if [ -n "$browser" ]; then
    missing=()
    [ -n "${ANGELIA_CHROMIUM:-}" ] || command -v chromium >/dev/null || missing+=(chromium)
    [ -n "${ANGELIA_CHROMEDRIVER:-}" ] || command -v chromedriver >/dev/null || missing+=(chromium-driver)
    axe=${ANGELIA_AXE:-$root/target/axe/node_modules/axe-core/axe.min.js}
    [ -f "$axe" ] || command -v npm >/dev/null || missing+=(npm)
    [ ${#missing[@]} = 0 ] || install_packages "${missing[@]}"
    [ -f "$axe" ] || npm install --silent --no-audit --no-fund --no-save --ignore-scripts --prefix "$root/target/axe" axe-core@4.14.1 >&2
fi

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
