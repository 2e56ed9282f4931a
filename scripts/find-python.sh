#!/bin/sh
# Prints the path of a Python that can make a virtual environment with this project in it.
#
# Each candidate is run, not only looked up: a version manager's shim may stand first in PATH for a version
# that is not installed, and Debian's python3 comes without ensurepip until python3-venv is installed.
set -eu

say() { echo "$*" >&2; }

is_recent() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }
has_venv() { "$1" -c 'import ensurepip, venv' >/dev/null 2>&1; }

candidates() {
    [ -z "${PYTHON:-}" ] || command -v "$PYTHON" || say "PYTHON=$PYTHON is not a program."
    for name in python3 python3.14 python3.13 python3.12 python3.11 python; do
        old_ifs=$IFS
        IFS=:
        for folder in $PATH; do
            [ ! -x "$folder/$name" ] || echo "$folder/$name"
        done
        IFS=$old_ifs
    done
}

without_venv=
find_usable() {
    without_venv=
    for candidate in $(candidates); do
        is_recent "$candidate" || continue
        if has_venv "$candidate"; then
            echo "$candidate"
            return 0
        fi
        without_venv=${without_venv:-$candidate}
    done
    return 1
}

find_usable && exit 0
here=$(dirname "$0")
"$here/apt-install.sh" python3 python3-venv || true
if ! find_usable; then
    if [ -n "$without_venv" ]; then
        say "$without_venv cannot make virtual environments. Install its venv module: apt install python3-venv"
    else
        say "Python 3.11 or newer is needed, with its venv module: apt install python3 python3-venv"
    fi
    exit 1
fi
