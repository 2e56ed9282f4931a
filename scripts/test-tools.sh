#!/bin/bash
# Installs the programs that the tests run and that no Python package carries, where it may (Debian, as root or
# by sudo without a password). A missing one is an error: its tests would otherwise say nothing. Services of the
# packages are not started: scripts/apt-stopped.sh.
set -euo pipefail
cd "$(dirname "$0")/.."

oldest_node=18

has_mode() { [ -f "${APERTIUM_DATADIR:-/usr/share/apertium}/modes/$1.mode" ]; }

is_there() {
    case $1 in
        # Sound is played and tabs are shared in the whole browser alone.
        chromium-headless-shell) command -v chromium-headless-shell chromium chromium-browser google-chrome >/dev/null ;;
        apertium-eng-spa) has_mode eng-spa ;;
        apertium-es-pt) has_mode es-pt ;;
        apertium-fr-es) has_mode fr-es ;;
        nodejs) command -v node >/dev/null && node -e "process.exit(parseInt(process.versions.node) < $oldest_node ? 1 : 0)" ;;
        # Debian does not link the server's programs into the path.
        postgresql) [ -n "${ORCH_TEST_POSTGRES_URL:-}" ] || command -v initdb >/dev/null || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 ;;
        iproute2) command -v ip >/dev/null ;;
        # Their programs for checks are in the same packages.
        prometheus) command -v prometheus >/dev/null && command -v promtool >/dev/null ;;
        prometheus-alertmanager) command -v prometheus-alertmanager >/dev/null && command -v amtool >/dev/null ;;
        *) command -v "$1" >/dev/null ;;
    esac
}

missing() {
    for package in chromium chromium-headless-shell apertium apertium-eng-spa apertium-es-pt apertium-fr-es espeak-ng ffmpeg redis-server postgresql nginx caddy iproute2 curl jq nodejs npm \
        prometheus prometheus-alertmanager prometheus-node-exporter prometheus-redis-exporter \
        prometheus-postgres-exporter prometheus-blackbox-exporter; do
        is_there "$package" || echo "$package"
    done
}

mapfile -t wanted < <(missing)
if [ ${#wanted[@]} -gt 0 ]; then
    # The tests start what they need themselves, on ports of their own.
    scripts/apt-install.sh --stopped "${wanted[@]}" || true
    mapfile -t wanted < <(missing)
fi
if [ ${#wanted[@]} -gt 0 ]; then
    echo "The tests need what is not installed. On Debian: apt install ${wanted[*]}" >&2
    exit 1
fi

stamp=node_modules/.installed
lock=$(cksum <package-lock.json)
if [ "$(cat "$stamp" 2>/dev/null || true)" != "$lock" ]; then
    npm ci --silent
    echo "$lock" >"$stamp"
fi
