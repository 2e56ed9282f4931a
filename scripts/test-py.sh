#!/bin/sh
# Runs the Python tests: scripts/test-py.sh WHICH [pytest's own arguments]. WHICH: all, browser, rest, or quick
# (those that start no other process and take little processor time). Or compile: only compile the tests, once,
# rather than by all processes at the same time.
# With COVERAGE=1 it measures which lines of orch/ they ran, child processes included, and prints it.
#
# First those that may run side by side. They wait for programs now and then, so there is half a process more for
# each core, which keeps these busy: with more, each test takes longer. Not for quick, which only computes, and
# where each more collects all tests once more.
# Then, one after the other, those that need the machine to themselves (`timed`).
set -eu
cd "$(dirname "$0")/.."

# Compiled modules are kept, whatever the environment says: the tests start Python hundreds of times.
unset PYTHONDONTWRITEBYTECODE

cores=$(nproc 2>/dev/null || echo 2)
processes=$((cores + (cores + 1) / 2))
alone=timed
case $1 in
    all) which= ;;
    browser) which="browser and " ;;
    rest) which="not browser and " ;;
    quick) which="not process and not slow and " processes=$cores alone= ;;
    compile)
        [ -d tests/__pycache__ ] || .venv/bin/python -m pytest --collect-only -q >/dev/null || true
        exit 0 ;; # what cannot be collected is reported by the run itself
esac
shift
[ $processes -le 16 ] || processes=16

coverage=
if [ -n "${COVERAGE:-}" ]; then
    coverage="-m coverage run"
    .venv/bin/python -m coverage erase
fi

status=0
found=
run() {
    # shellcheck disable=SC2086 # $coverage is a command or nothing
    .venv/bin/python $coverage -m pytest "$@" && found=yes || case $? in
        5) ;; # none of what was asked for
        *) found=yes status=1 ;;
    esac
}

run -m "${which}not timed" -n $processes --dist worksteal "$@"
if [ -n "$alone" ]; then
    # Only their files, unless others are named, so that not everything is collected again.
    # shellcheck disable=SC2046 # names of files, without spaces
    [ $# -gt 0 ] || set -- $(grep -rl --include='test_*.py' 'mark\.timed' tests)
    run -m "${which}$alone" "$@"
fi
if [ -z "$found" ]; then
    echo "No test is called that." >&2
    exit 5
fi
if [ -n "$coverage" ]; then
    .venv/bin/python -m coverage combine --quiet
    .venv/bin/python -m coverage report
fi
exit $status
