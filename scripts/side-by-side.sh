#!/bin/sh
# Runs commands at the same time: scripts/side-by-side.sh "COMMAND" ["COMMAND" ...]. The output of each is printed
# in one piece, in the order given. Fails if one of them fails.
set -eu

outputs=$(mktemp -d)
started=
# shellcheck disable=SC2086,SC2317 # a list of numbers; called by the trap
end() {
    kill $started 2>/dev/null || true
    rm -rf "$outputs"
}
trap end EXIT
trap 'exit 130' INT TERM

number=0
for command in "$@"; do
    number=$((number + 1))
    sh -c "$command" >"$outputs/$number" 2>&1 &
    started="$started $!"
done

status=0
number=0
for process in $started; do
    number=$((number + 1))
    wait "$process" || status=1
    cat "$outputs/$number"
done
started=
exit $status
