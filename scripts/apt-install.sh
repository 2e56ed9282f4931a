#!/bin/sh
# Installs Debian packages where that is possible without asking anyone: as root, or by sudo without a password.
# scripts/apt-install.sh [--stopped] PACKAGE...; --stopped: none of their services is started (apt-stopped.sh).
# Exit code 0: installed. 1: not possible here, or it failed; the caller says what to do by hand.
set -eu

command -v apt-get >/dev/null 2>&1 || exit 1
if [ "$(id -u)" -eq 0 ]; then
    as_root=
elif command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
    as_root="sudo -n"
else
    exit 1
fi

apt="env DEBIAN_FRONTEND=noninteractive apt-get"
if [ "${1:-}" = --stopped ]; then
    shift
    # One at a time: it is the first that removes what keeps services from starting.
    apt="flock -w 600 ${APT_LOCK:-/var/cache/apt} $(dirname "$0")/apt-stopped.sh"
fi

install() {
    # shellcheck disable=SC2086 # both are commands with their options, or nothing
    $as_root $apt install -y -q --no-install-recommends -o DPkg::Lock::Timeout=120 "$@" >&2
}

echo "Installing with apt: $*" >&2
# Lists that are missing or old are brought up to date only where the first attempt fails.
install "$@" && exit 0
# shellcheck disable=SC2086 # the same
$as_root apt-get update -q >&2
install "$@"
