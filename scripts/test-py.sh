#!/bin/sh
# Runs the Python tests: scripts/test-py.sh WHICH [pytest's own arguments]. WHICH: all, browser, rest, or quick
# (those that start no other process and take little processor time).
# With COVERAGE=1 it measures which lines of orch/ they ran, child processes included, and prints it.
#
# First those that may run beside each other. They wait for programs more than they work, so there are more
# processes than most machines have cores. Then, one after the other, those that need the machine to themselves
# (`timed`).
set -eu
cd "$(dirname "$0")/.."

processes=4
alone=timed
case $1 in
    all) which= ;;
    browser) which="browser and " ;;
    rest) which="not browser and " ;;
    quick) which="not process and not slow and " processes=auto alone= ;;
esac
shift

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
[ -z "$alone" ] || run -m "${which}$alone" "$@"
if [ -z "$found" ]; then
    echo "No test is called that." >&2
    exit 5
fi
if [ -n "$coverage" ]; then
    .venv/bin/python -m coverage combine --quiet
    .venv/bin/python -m coverage report
fi
exit $status
