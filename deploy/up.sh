#!/usr/bin/env bash
# Builds Angelia and starts everything on one machine: the services, an embedded broker and the sandbox.
set -euo pipefail

usage() {
    cat <<'TEXT'
Usage: deploy/up.sh [--data DIR] [--listen ADDR] [flags of `angelia standalone`]

  --data DIR      where everything is kept        (default: ./angelia-data)
  --listen ADDR   where HTTP is served            (default: 127.0.0.1:8080)

Every other flag is handed on. With --nats URL an existing broker is used and none is installed; with
--nats-server PATH that program is the broker. Ctrl-C stops everything.
TEXT
}

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
data=./angelia-data
listen=127.0.0.1:8080
needs_broker=yes
# Holds at least one word from the start: bash 3.2 with `set -u` takes an empty array for an unset one.
command=("$root/target/release/angelia" standalone)

die() { printf 'up.sh: %s\n' "$*" >&2; exit 1; }

while [ $# -gt 0 ]; do
    case "$1" in
    --data | --listen)
        [ $# -ge 2 ] || { usage >&2; die "$1 needs a value"; }
        if [ "$1" = --data ]; then data=$2; else listen=$2; fi
        shift ;;
    --data=*) data=${1#*=} ;;
    --listen=*) listen=${1#*=} ;;
    --nats | --nats=* | --nats-server | --nats-server=*)
        needs_broker=no
        command+=("$1") ;;
    -h | --help) usage; exit ;;
    *) command+=("$1") ;;
    esac
    shift
done

# Asked inside the checkout, because rustup may choose the toolchain by directory.
check_rust() {
    local found major minor
    # Where rustup puts it, for a shell that was opened before.
    command -v cargo >/dev/null || PATH=$PATH:${CARGO_HOME:-${HOME:-}/.cargo}/bin
    command -v cargo >/dev/null && command -v rustc >/dev/null ||
        die "cargo and rustc were not found on the PATH. Install Rust 1.94 or newer (rustup.rs) and open a new shell"
    found=$(cd "$root" && rustc --version | sed -n 's/^rustc \([0-9]*\)\.\([0-9]*\).*/\1 \2/p')
    read -r major minor <<<"$found"
    [ -n "${minor:-}" ] || die "rustc does not run: $(cd "$root" && rustc --version 2>&1 || true)"
    [ "$major" -gt 1 ] || [ "$minor" -ge 94 ] ||
        die "rustc is $major.$minor; Angelia needs 1.94 or newer. Run: rustup update stable"
}

check_rust
if [ "$needs_broker" = yes ]; then
    nats_server=$("$root/deploy/nats.sh")
    command+=(--nats-server "$nats_server")
fi
# The target directory is named, since a setting of the user's may point elsewhere. In the checkout, where cargo finds
# the project's settings; the program itself starts in the caller's directory, so that a relative --data means that.
(cd "$root" && cargo build --release --locked -p angelia --target-dir "$root/target")

command+=(--data "$data" --listen "$listen")
exec "${command[@]}"
