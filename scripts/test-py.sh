#!/bin/sh
# Runs the Python tests: scripts/test-py.sh WHICH [pytest's own arguments]. WHICH: all, browser, or rest.
# With COVERAGE=1 it measures which lines of orch/ they ran, child processes included, and prints it.
#
# First those that may run beside each other. They wait for programs more than they work, so there are more
# processes than most machines have cores. Then, one after the other, those that need the machine to themselves
# (`timed`).
set -eu
cd "$(dirname "$0")/.."

case $1 in
    all) which= ;;
    browser) which="browser and " ;;
    rest) which="not browser and " ;;
esac
shift

coverage=
if [ -n "${COVERAGE:-}" ]; then
    coverage="-m coverage run"
    .venv/bin/python -m coverage erase
fi

status=0
nothing=0
run() {
    # shellcheck disable=SC2086 # $coverage is a command or nothing
    .venv/bin/python $coverage -m pytest "$@" || case $? in
        5) nothing=$((nothing + 1)) ;; # none of what was asked for
        *) status=1 ;;
    esac
}

run -m "${which}not timed" -n 4 --dist worksteal "$@"
run -m "${which}timed" "$@"
if [ $nothing -eq 2 ]; then
    echo "No test is called that." >&2
    exit 5
fi
if [ -n "$coverage" ]; then
    .venv/bin/python -m coverage combine --quiet
    .venv/bin/python -m coverage report
fi
exit $status
