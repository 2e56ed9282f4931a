#!/bin/sh
# Sees to it that the sandbox can translate: installs Apertium where it may, or says in one line what to install.
# Never fails: without Apertium everything else works.
set -eu

modes=${APERTIUM_DATADIR:-/usr/share/apertium}/modes
if command -v apertium >/dev/null 2>&1 && ls "$modes"/*.mode >/dev/null 2>&1; then
    exit 0
fi
"$(dirname "$0")/apt-install.sh" apertium apertium-eng-spa ||
    echo "Translation needs Apertium; the rest works without it: apt install apertium apertium-eng-spa"
