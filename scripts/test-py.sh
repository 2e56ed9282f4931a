#!/bin/sh
# Runs the Python tests: scripts/test-py.sh WHICH [pytest's own arguments]. WHICH: all, browser, or rest.
#
# First those that may run beside each other. They wait for programs more than they work, so there are more
# processes than most machines have cores. Then, one after the other, those whose promise is a time (`timed`).
set -eu
cd "$(dirname "$0")/.."

case $1 in
    all) which= cov=--cov ;;
    browser) which="browser and " cov= ;;
    rest) which="not browser and " cov=--cov ;;
esac
shift

status=0
nothing=0
run() {
    .venv/bin/python -m pytest "$@" || case $? in
        5) nothing=$((nothing + 1)) ;; # none of what was asked for
        *) status=1 ;;
    esac
}

# shellcheck disable=SC2086 # $cov is an option or nothing
run -m "${which}not timed" -n 4 --dist worksteal $cov ${cov:+--cov-report=} "$@"
# shellcheck disable=SC2086 # the same
run -m "${which}timed" $cov ${cov:+--cov-append --cov-report=term} "$@"
if [ $nothing -eq 2 ]; then
    echo "No test is called that." >&2
    exit 5
fi
exit $status
