#!/usr/bin/env bash
# Installs what the console's tests need: a browser with its driver from the system's packages, and axe-core, which audits
# accessibility, from npm. Prints where axe-core is. What is named in ANGELIA_CHROMIUM, ANGELIA_CHROMEDRIVER and ANGELIA_AXE is
# used instead.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
AXE_VERSION=4.14.1

install_packages() {
    local become=
    [ "$(id -u)" = 0 ] || become="sudo -n"
    if ! command -v apt-get >/dev/null || ! $become true 2>/dev/null; then
        echo "install.sh: the console's tests need $*. Install them, or run this as root or with sudo on Debian" >&2
        exit 1
    fi
    echo "install.sh: installs $*" >&2
    $become env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >&2 || {
        $become apt-get update -qq >&2
        $become env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >&2
    }
}

axe=${ANGELIA_AXE:-$root/target/axe/node_modules/axe-core/axe.min.js}
missing=()
[ -n "${ANGELIA_CHROMIUM:-}" ] || command -v chromium >/dev/null || missing+=(chromium)
[ -n "${ANGELIA_CHROMEDRIVER:-}" ] || command -v chromedriver >/dev/null || missing+=(chromium-driver)
[ -f "$axe" ] || command -v npm >/dev/null || missing+=(npm)
[ ${#missing[@]} = 0 ] || install_packages "${missing[@]}"
[ -f "$axe" ] || npm install --silent --no-audit --no-fund --no-save --ignore-scripts --prefix "$root/target/axe" "axe-core@$AXE_VERSION" >&2
printf '%s\n' "$axe"
