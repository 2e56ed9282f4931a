#!/bin/sh
# Runs the tests of the browser code in Node.
set -eu
cd "$(dirname "$0")/.."

# Debian 12's Node (18) has the browser's CustomEvent behind an option; later ones have it, and not the option.
if node -e 'process.exit(typeof CustomEvent === "undefined" ? 0 : 1)'; then
    NODE_OPTIONS="${NODE_OPTIONS:-} --experimental-global-customevent"
    export NODE_OPTIONS
fi
exec node --test tests/js/*.test.js
