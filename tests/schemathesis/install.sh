#!/usr/bin/env bash
# Prints the path of a program that runs the pinned schemathesis. Messages go to stderr, so that the path can be captured.
#
# Taken: $ANGELIA_SCHEMATHESIS, when it is set; what an earlier run put under target/tools; else it is installed there now
# with the machine's python3 and pip, into a folder of its own. No virtual environment is made, since some systems ship
# Python without the parts that make one. Two runs at once are safe: each works in a folder of its own, and the finished one
# is put in place with one rename.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
tools=$(cd "$here/../.." && pwd -P)/target/tools
wanted=$here/requirements.txt
version=$(sed -n 's/^schemathesis==//p' "$wanted")

say() { printf 'schemathesis: %s\n' "$*" >&2; }
die() { say "$@"; exit 1; }

if [ -n "${ANGELIA_SCHEMATHESIS:-}" ]; then
    [ -f "$ANGELIA_SCHEMATHESIS" ] && [ -x "$ANGELIA_SCHEMATHESIS" ] ||
        die "ANGELIA_SCHEMATHESIS is $ANGELIA_SCHEMATHESIS, which is not a program. Correct it or unset it"
    printf '%s\n' "$ANGELIA_SCHEMATHESIS"
    exit
fi

command -v python3 >/dev/null || die "python3 was not found on the PATH: install Python 3.10 or newer with pip"
# Compiled parts belong to one Python and one set of versions.
python=$(python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')
sum=$(python3 -c 'import hashlib, sys; print(hashlib.sha256(open(sys.argv[1], "rb").read()).hexdigest()[:12])' "$wanted")
folder=$tools/schemathesis-$version-python$python-$sum
program=$folder/schemathesis

# Asked for its version, since a checkout may be shared with a machine on which it does not run.
works() { [ -x "$program" ] && [[ $("$program" --version 2>/dev/null) == *" $version" ]]; }

if ! works; then
    python3 -m pip --version >/dev/null 2>&1 || die "python3 -m pip does not work: install pip for $(command -v python3)"
    mkdir -p "$tools"
    # What a killed run left behind.
    find "$tools" -maxdepth 1 -name '.schemathesis.*' -mmin +60 -exec rm -rf {} + || true
    work=$(mktemp -d "$tools/.schemathesis.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
    say "installing $version for Python $python through pip"
    # Without `--no-deps`: an older Python needs some parts that newer ones have in themselves.
    PIP_REQUIRE_VIRTUALENV=0 PIP_USER=0 PIP_ROOT_USER_ACTION=ignore python3 -m pip install --quiet \
        --disable-pip-version-check --no-warn-script-location --only-binary=:all: --target "$work/packages" --requirement "$wanted" >&2 ||
        die "pip could not install it (Python $python; 3.10 or newer is needed). Make sure that pip reaches its package" \
            "index, or set ANGELIA_SCHEMATHESIS to the path of a schemathesis $version"
    # Alone with its own packages: whatever else the machine's Python has does not matter.
    cat >"$work/schemathesis" <<-'RUN'
	#!/bin/sh
	packages=$(dirname "$0")/packages
	exec python3 -I -c 'import sys; sys.path.insert(0, sys.argv.pop(1)); from schemathesis.cli import schemathesis; schemathesis()' "$packages" "$@"
	RUN
    chmod 755 "$work/schemathesis"
    works || { rm -rf "$folder"; mv "$work" "$folder"; }
    works || die "what was installed into $folder does not run"
    say "installed $folder"
fi
printf '%s\n' "$program"
