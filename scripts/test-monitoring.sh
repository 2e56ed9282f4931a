#!/bin/sh
# Runs the tests of rules, alerts and panels with other versions of Prometheus and Alertmanager than Debian's:
# scripts/test-monitoring.sh FOLDER[:FOLDER] [pytest's own arguments].
#
# The folders have prometheus, promtool, alertmanager (Debian: prometheus-alertmanager) and amtool: unpacked
# releases, or packages (dpkg-deb --extract). Exit code 2: one is missing or does not run.
set -eu
cd "$(dirname "$0")/.."

refuse() {
    echo "$*" >&2
    exit 2
}

given=${1:-}
[ -n "$given" ] || refuse "usage: $0 FOLDER[:FOLDER] [pytest's arguments]"
shift
chosen=$(mktemp -d)
trap 'rm -rf "$chosen"' EXIT

# Print the path of the first program with one of these names in the folders.
place() {
    for name; do
        found=$(PATH=$given command -v "$name" || true)
        case $found in */*) readlink -f "$found" && return 0 ;; esac
    done
    return 1
}

# Tests call the programs by Debian's names.
choose() {
    path=$(place "$@") || refuse "There is no $1 in $given."
    version=$("$path" --version 2>&1) || refuse "$path does not run: $version"
    echo "$1: $(echo "$version" | head -n 1)"
    ln -s "$path" "$chosen/$1"
}

choose prometheus
choose promtool
choose prometheus-alertmanager alertmanager
choose amtool
[ $# -gt 0 ] || set -- tests/monitoring tests/service/test_metrics.py tests/stack/test_files.py
PATH=$chosen:$PATH .venv/bin/python -m pytest "$@"
