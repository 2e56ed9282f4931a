#!/bin/sh
# Runs apt-get, as root, so that no service of an installed package runs: neither now, nor when the machine starts
# the next time. Programs of tests come with services (prometheus, redis-server, caddy) that would take ports.
#
# Now: packages start their services only where policy-rc.d lets them. A policy of the machine that refuses stays;
# where there is none, one is there during the installation. A policy that permits is somebody's choice: then
# nothing is installed. Later: of the links that start units with the machine, those that are new are removed.
set -eu

policy=${POLICY_RC_D:-/usr/sbin/policy-rc.d}
units=${SYSTEMD_UNITS:-/etc/systemd/system}
refused=101

enabled() { find "$units" -path '*.wants/*' -type l 2>/dev/null | sort; }

before=$(mktemp)
ours=
# Also after a failure: units of packages that are installed by half would start as well.
end() {
    enabled | comm -13 "$before" - | while IFS= read -r link; do
        rm -f "$link"
        echo "Not started with the machine: ${link##*/}" >&2
    done
    rm -f "$before"
    [ -z "$ours" ] || rm -f "$policy"
}
enabled >"$before"
trap end EXIT
trap 'exit 1' INT TERM

if [ -e "$policy" ]; then
    answer=0
    "$policy" prometheus start >/dev/null 2>&1 || answer=$?
    if [ "$answer" -ne $refused ]; then
        echo "$policy permits that packages start services, so nothing is installed." >&2
        exit 1
    fi
else
    ours=yes
    printf '#!/bin/sh\n# Of scripts/apt-stopped.sh, which removes it.\nexit %s\n' $refused >"$policy"
    chmod 755 "$policy"
fi

DEBIAN_FRONTEND=noninteractive apt-get "$@"
