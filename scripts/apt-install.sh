#!/bin/sh
# Installs Debian packages where that is possible without asking anyone: as root, or by sudo without a password.
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

install() {
    # shellcheck disable=SC2086 # $as_root is a command with its option, or nothing
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends \
        -o DPkg::Lock::Timeout=120 "$@" >&2
}

echo "Installing with apt: $*" >&2
# Lists that are missing or old are brought up to date only where the first attempt fails.
install "$@" && exit 0
# shellcheck disable=SC2086 # the same
$as_root apt-get update -q >&2
install "$@"
