#!/bin/sh
# Writes requirements/*.lock from pyproject.toml: every package with its version and the hashes of its files, for
# all systems and Pythons that the service runs on. What is locked stays as it is where it still fits.
#
# scripts/lock.sh --upgrade: take what is newest now. Where packages come from is not written down, and is told
# to uv, which does not read pip's settings, by UV_DEFAULT_INDEX.
set -eu
cd "$(dirname "$0")/.."

locked() {
    target=requirements/$1.lock
    shift
    echo "Writing $target"
    .venv/bin/uv pip compile --quiet --no-config --universal --python-version 3.11 --generate-hashes \
        --no-annotate --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" \
        pyproject.toml requirements/build.in --output-file "$target" "$@"
}

# All of it first: what is in several files has the same version in each.
locked bench --extra test --extra bench "$@"
locked bench-audio --extra test --extra bench-audio --constraints requirements/bench.lock "$@"
locked bench-analytics --extra test --extra bench-analytics --constraints requirements/bench.lock "$@"
locked test --extra test --constraints requirements/bench.lock
locked conformance --extra conformance --constraints requirements/bench.lock
locked demo --extra whisper --extra demo --constraints requirements/bench.lock
locked otel --extra otel --constraints requirements/bench.lock
locked service --constraints requirements/bench.lock
locked lock --extra lock --constraints requirements/bench.lock
