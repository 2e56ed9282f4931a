#!/bin/sh
# Installs Apertium and the language pairs of the demo where that is possible without asking anyone, or says in one
# line what to install. Never fails: without Apertium everything else works.
set -eu

# Each pair with a mode that it brings. 24 MB to download on Debian 12, of which Apertium itself is 4 MB. They
# lead from English, directly and by way of Spanish or Portuguese, to ten languages.
pairs="apertium-eng-spa:eng-spa apertium-es-pt:es-pt apertium-pt-gl:pt-gl apertium-por-cat:por-cat
    apertium-cat-ita:cat-ita apertium-fr-es:fr-es apertium-oc-ca:oc-ca apertium-spa-arg:spa-arg
    apertium-spa-ast:spa-ast apertium-eo-en:eo-en"
modes=${APERTIUM_DATADIR:-/usr/share/apertium}/modes
here=$(dirname "$0")

missing() {
    command -v apertium >/dev/null 2>&1 || echo apertium
    for pair in $pairs; do
        [ -e "$modes/${pair#*:}.mode" ] || echo "${pair%%:*}"
    done
}

can_translate() { command -v apertium >/dev/null 2>&1 && ls "$modes"/*.mode >/dev/null 2>&1; }

# Other releases of Debian have other pairs.
available() {
    for package in $1; do
        if apt-cache show "$package" >/dev/null 2>&1; then echo "$package"; fi
    done
}

wanted=$(missing)
[ -n "$wanted" ] || exit 0

# What failed once is not tried at each start: without a network that takes a while. Apertium itself is.
failed=$here/../.venv/apertium-failed
if can_translate && [ "$(cat "$failed" 2>/dev/null || true)" = "$wanted" ]; then
    exit 0
fi

# shellcheck disable=SC2086 # a list of packages
if ! "$here/apt-install.sh" $wanted; then
    known=$(available "$wanted")
    [ -z "$known" ] || [ "$known" = "$wanted" ] || "$here/apt-install.sh" $known || true
fi

wanted=$(missing)
[ -n "$wanted" ] || exit 0
# shellcheck disable=SC2086,SC2116 # spaces for line breaks
list=$(echo $wanted)
if can_translate; then
    [ ! -d "$here/../.venv" ] || echo "$wanted" >"$failed"
    echo "More languages can be read with more pairs of Apertium: apt install $list"
else
    echo "Translation needs Apertium; the rest works without it: apt install $list"
fi
