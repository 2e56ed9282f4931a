#!/bin/bash
# The service and its monitoring with Docker Compose: docker-compose.monitoring.yml, docs/monitoring.md.
#
#   scripts/deploy-monitoring.sh deploy            make what is missing, check, build, start, wait until healthy
#   scripts/deploy-monitoring.sh status            state and health of each container; exit code 1 if one is not well
#   scripts/deploy-monitoring.sh logs [SERVICE...] the last lines; --follow for those that come
#   scripts/deploy-monitoring.sh restart [SERVICE...]
#   scripts/deploy-monitoring.sh backup [FOLDER]   into backups/TIME; BACKUP_LOGS=1: with the logs
#   scripts/deploy-monitoring.sh restore FOLDER    replaces all data; asks first, unless --yes is there
#   scripts/deploy-monitoring.sh stop              data stays
#   scripts/deploy-monitoring.sh check             check all files without Docker (needs `make tools`)
#
# Settings and secrets are in .env; those that are missing are generated and added to it. Exit code 2: something
# that you have to change first; 1: it did not work.
set -euo pipefail
caller=$PWD
cd "$(dirname "$0")/.."

env_file=.env
secrets=monitoring/secrets
wait_seconds=${DEPLOY_WAIT:-300}
least_compose=2.20
archiver=redis:7.4.11-alpine # an image of the stack that has tar
stopped_volumes=(prometheus alertmanager grafana)
published="3000 3001 9090 9093 3100"

say() { echo "$*" >&2; }
refuse() {
    say "$*"
    exit 2
}

# --- settings and secrets ---

# The value of a variable: from the environment, else from .env, which is read and not run, as Compose reads it:
# the last line counts; spaces around a value, and a comment behind it, are no part of it.
value() {
    if [ -n "${!1:-}" ]; then
        printf '%s' "${!1}"
    elif [ -f $env_file ]; then
        sed -nE "s/\r\$//; s/^[[:space:]]*(export[[:space:]]+)?$1[[:space:]]*=[[:space:]]*//p" $env_file | tail -n 1 |
            sed -E -e "s/^\"([^\"]*)\".*/\1/;t" -e "s/^'([^']*)'.*/\1/;t" -e 's/[[:space:]]#.*$//; s/[[:space:]]+$//'
    fi
}

# Letters and digits: they need no escapes in URLs and YAML.
random() { LC_ALL=C tr -dc 'A-Za-z0-9' </dev/urandom | head -c 32 || true; }

# Refuse a secret that others know, or could guess.
require_own() {
    local secret LC_ALL=C
    secret=$(value "$1")
    case ${secret,,} in
        livetranslate* | admin* | password* | changeme* | secret* | orch | grafana | postgres | redis | default | example*)
            refuse "$1 in $env_file is a password that everyone knows. Remove the line, and one is generated." ;;
    esac
    [ ${#secret} -ge 12 ] || refuse "$1 in $env_file has ${#secret} characters. Use 12 or more, or remove the line, and one is generated."
    # In URLs, in YAML and in Compose's variables others have a meaning.
    case $1,$secret in
        REDIS_PASSWORD,*[!A-Za-z0-9._~-]* | POSTGRES_PASSWORD,*[!A-Za-z0-9._~-]*)
            refuse "$1 in $env_file is part of a URL: use letters, digits and ._~-, or remove the line, and one is generated." ;;
        *[!A-Za-z0-9_,.~+/=@%^:!?*-]*)
            refuse "$1 in $env_file has a character that is not allowed there: use letters, digits and ._~+/=@%^:!?*-, or remove the line, and one is generated." ;;
    esac
}

# Store a file that containers read as users of their own. Others on this machine do not come through the folder.
store() {
    local path=$secrets/$1
    mkdir -p "$(dirname "$path")"
    chmod 755 "$(dirname "$path")"
    printf '%s' "$2" >"$path.new"
    chmod 444 "$path.new"
    mv -f "$path.new" "$path"
}

# Add a line to .env, or leave it as it was: a disk that is full must not end a password in its middle.
add() {
    local there=""
    # The last line may have no end.
    [ ! -s $env_file ] || there=$(cat $env_file && echo .)
    there=${there%.}
    { printf '%s' "${there%$'\n'}" && { [ -z "$there" ] || echo; } && echo "$1"; } >$env_file.new || {
        rm -f $env_file.new
        refuse "$env_file could not be written."
    }
    mv -f $env_file.new "$(readlink -f $env_file)"
}

make_secrets() {
    local name made=""
    umask 077
    touch $env_file
    chmod 600 $env_file
    for name in ORCH_CONTROL_TOKEN REDIS_PASSWORD POSTGRES_PASSWORD GRAFANA_ADMIN_PASSWORD ALERT_WEBHOOK_TOKEN; do
        if [ -z "$(value $name)" ]; then
            add "$name=$(random)"
            made="$made $name"
        fi
        require_own $name
    done
    [ -z "$made" ] || say "Generated in $env_file:$made"
    # The service asks it for alerts and makes silences; without the stack there is none.
    [ -n "$(value ORCH_ALERTMANAGER)" ] || add "ORCH_ALERTMANAGER=http://alertmanager:9093"
    [ -n "$(value ORCH_COLLECTOR)" ] || add "ORCH_COLLECTOR=http://tempo:4318"
    mkdir -p $secrets
    store prometheus/control-token "$(value ORCH_CONTROL_TOKEN)"
    store grafana/admin-password "$(value GRAFANA_ADMIN_PASSWORD)"
    configure_alertmanager
    chmod 700 $secrets
}

# Alertmanager's own script writes its file and secrets from the variables ALERT_….
configure_alertmanager() {
    local name
    for name in $(sed -nE 's/^[[:space:]]*(export[[:space:]]+)?(ALERT_[A-Z_]+)[[:space:]]*=.*/\2/p' $env_file | sort -u); do
        export "$name=$(value "$name")"
    done
    monitoring/alertmanager/configure.sh $secrets/alertmanager >&2 ||
        refuse "Put these variables into $env_file: monitoring/alertmanager/configure.sh describes them."
    chmod -R u+w,a+rX $secrets/alertmanager
}

# --- Docker ---

compose() {
    local files=(-f docker-compose.monitoring.yml)
    [ "$(value BOTS)" != 1 ] || files+=(-f docker-compose.bots.yml)
    docker compose --project-name livetranslate --project-directory . "${files[@]}" "$@"
}

require_docker() {
    command -v docker >/dev/null || refuse "Docker is not installed: docs.docker.com/engine/install"
    docker info >/dev/null 2>&1 ||
        refuse "Docker does not respond. Is it running, and may $(id -un) use it? (docker info says more)"
    local version
    version=$(docker compose version --short 2>/dev/null || true)
    version=${version#v}
    [ -n "$version" ] || refuse "Docker has no Compose plugin: apt install docker-compose-plugin"
    [ "$(printf '%s\n' $least_compose "$version" | sort -V | head -n 1)" = $least_compose ] ||
        refuse "Docker Compose $version is too old: $least_compose or newer is needed."
}

require_env() { [ -f $env_file ] || refuse "There is no $env_file: run $0 deploy first."; }

# Ports that something else has. Ours are no news.
require_ports() {
    local port
    [ -z "$(compose ps --quiet 2>/dev/null)" ] || return 0
    [ -z "$(value ORCH_PORTS)" ] || published="${published/3000/}"
    for port in $published; do
        if (exec 3<>"/dev/tcp/localhost/$port") 2>/dev/null; then
            refuse "Port $port of this machine is in use by another program."
        fi
    done
}

require_space() {
    local root free
    root=$(docker info --format '{{.DockerRootDir}}')
    [ -d "$root" ] || return 0 # in a virtual machine, or on another one
    free=$(df -Pk "$root" | awk 'NR == 2 {print int($4 / 1048576)}')
    [ "$free" -ge "${DEPLOY_FREE_GB:-10}" ] || refuse "$root has $free GB free; ${DEPLOY_FREE_GB:-10} are needed (DEPLOY_FREE_GB)."
}

# What the programs themselves say about their files, in the versions that will run.
check_in_images() {
    local failed=""
    tried() {
        local what=$1
        shift
        compose run --rm --no-deps -T "$@" >&2 </dev/null || failed="$failed $what"
    }
    tried prometheus --entrypoint promtool prometheus check config /etc/prometheus/prometheus.yml
    tried alertmanager --entrypoint amtool alertmanager check-config /etc/alertmanager/alertmanager.yml
    tried blackbox-exporter blackbox-exporter --config.file=/etc/blackbox/blackbox.yml --config.check
    tried loki loki -config.file=/etc/loki/loki.yml -verify-config
    tried tempo tempo -config.file=/etc/tempo/tempo.yml -config.verify
    tried alloy alloy validate /etc/alloy/config.alloy
    tried orchestration orchestration check
    [ -z "$failed" ] || refuse "Nothing was started; these refuse their files:$failed"
}

# Lines of service, state and health (empty: it has no check).
states() { compose ps --all --format '{{.Service}} {{.State}} {{.Health}}' | sort -u; }

unwell() { states | awk '!($2 == "running" && ($3 == "" || $3 == "healthy")) {print $1 " (" $2 ($3 == "" ? "" : ", " $3) ")"}'; }

wait_until_healthy() {
    local deadline=$((SECONDS + wait_seconds)) left=""
    while :; do
        left=$(unwell)
        [ -n "$left" ] || [ -z "$(states)" ] || return 0
        [ $SECONDS -lt $deadline ] || break
        sleep "${DEPLOY_POLL:-2}"
    done
    [ -n "$left" ] || left="all of it (no container)"
    say "Not healthy after $wait_seconds s: ${left//$'\n'/, }"
    while read -r service _; do compose logs --no-color --tail 15 "$service" >&2 || true; done <<<"$left"
    return 1
}

# --- commands ---

deploy() {
    require_docker
    make_secrets
    require_ports
    require_space
    compose config --quiet
    compose build --quiet
    check_in_images
    compose up --detach --remove-orphans
    wait_until_healthy
    cat <<TEXT
All of it is healthy.
  the service    http://localhost:$(value ORCH_PORTS | grep . || echo 3000)   token: ORCH_CONTROL_TOKEN in $env_file
  Grafana        http://localhost:3001   admin, GRAFANA_ADMIN_PASSWORD in $env_file
  Prometheus     http://localhost:9090
  Alertmanager   http://localhost:9093
  Loki           http://localhost:3100   (no page: Grafana, Explore)
Back ends: AUDIO_SERVICE_URL and TRANSLATION_SERVICE_URL in $env_file. Backups: $0 backup
TEXT
}

status() {
    require_docker
    require_env
    local found left
    found=$(states)
    [ -n "$found" ] || {
        echo "Nothing runs."
        return 1
    }
    echo "$found" | awk '{printf "%-20s %-10s %s\n", $1, $2, $3}'
    left=$(unwell)
    [ -z "$left" ] || {
        echo "Not well: ${left//$'\n'/, }"
        return 1
    }
}

restart() {
    require_docker
    require_env
    make_secrets
    check_in_images
    compose up --detach --remove-orphans
    compose restart "$@"
    wait_until_healthy
    echo "Restarted: ${*:-all of it}."
}

# A folder as who called means it, without a slash at its end.
as_called() {
    local path=$1
    while [ "${path%/}" != "$path" ] && [ "$path" != / ]; do path=${path%/}; done
    case $path in
        /*) printf '%s' "$path" ;;
        *) printf '%s' "$caller/$path" ;;
    esac
}

# The volume's content as a tar file; the other way round with `unpack`.
archive_volume() {
    docker run --rm --network none --read-only --volume "livetranslate_$1:/volume:ro" --entrypoint tar $archiver -C /volume -czf - .
}
unpack_volume() {
    docker run --rm --interactive --network none --read-only --volume "livetranslate_$1:/volume" --entrypoint sh $archiver \
        -c 'find /volume -mindepth 1 -delete && tar -C /volume -xzf -'
}

backup() {
    require_docker
    require_env
    umask 077
    local folder name
    folder=$(as_called "${1:-$PWD/backups/$(date -u +%Y%m%dT%H%M%SZ)}")
    [ ! -e "$folder" ] || refuse "$folder exists already."
    part=$folder.incomplete
    rm -rf "$part"
    mkdir -p "$part"
    trap failed_backup EXIT
    say "PostgreSQL and Redis, while they run"
    compose exec -T postgres pg_dump --username=orch --format=custom orch >"$part/postgres.dump"
    # Its append-only files may be copied while they grow, as long as they are not rewritten.
    compose exec -T redis redis-cli config set auto-aof-rewrite-percentage 0 >/dev/null
    local copied=0
    wait_for_rewrite && compose exec -T redis tar -C /data -czf - . >"$part/redis.tar.gz" || copied=$?
    compose exec -T redis redis-cli config set auto-aof-rewrite-percentage 100 >/dev/null
    [ $copied -eq 0 ] || return $copied
    say "The service's own files"
    compose exec -T orchestration python - /state/var <scripts/state_archive.py >"$part/orchestration-state.tar.gz"
    [ "${BACKUP_LOGS:-}" != 1 ] || stopped_volumes+=(loki)
    for name in "${stopped_volumes[@]}"; do
        say "$name, which is stopped for it"
        compose stop "$name" >/dev/null 2>&1
        archive_volume "$name" >"$part/$name.tar.gz"
        compose start "$name" >/dev/null 2>&1
    done
    tar -czf "$part/settings.tar.gz" $env_file config
    (cd "$part" && sha256sum -- * >SHA256SUMS)
    mv "$part" "$folder"
    trap - EXIT
    # The service exports the time of this file, and an alert fires when it is old.
    compose exec -T orchestration touch /state/var/last-backup
    echo "Complete: $folder ($(du -sh "$folder" | cut -f 1)). It has the passwords of $env_file: store it accordingly."
}

# Whatever happened: what was stopped runs again, and no half of a backup is left.
failed_backup() {
    rm -rf "$part"
    compose up --detach --no-recreate >/dev/null 2>&1 || say "The stack could not be started again: $0 deploy"
    say "No backup was made."
}

# Wait until Redis rewrites its append-only file no more: 5 minutes at most.
wait_for_rewrite() {
    local _
    for _ in $(seq 150); do
        compose exec -T redis redis-cli info persistence | tr -d '\r' | grep -qx 'aof_rewrite_in_progress:0' && return 0
        sleep "${DEPLOY_POLL:-2}"
    done
    say "Redis still rewrites its append-only file."
    return 1
}

restore() {
    local folder="" sure="" each name
    for each in "$@"; do
        case $each in --yes) sure=yes ;; *) folder=$each ;; esac
    done
    [ -n "$folder" ] || refuse "Which backup? $0 restore FOLDER"
    folder=$(as_called "$folder")
    [ -f "$folder/SHA256SUMS" ] || refuse "$folder is not a complete backup: it has no SHA256SUMS."
    (cd "$folder" && sha256sum --check --quiet --strict SHA256SUMS) || refuse "$folder is damaged."
    require_docker
    require_env
    if [ -z "$sure" ]; then
        say "This replaces the sessions, bots' data, silences, users and metrics of the running stack by those of $folder."
        read -r -p "Type restore to go on: " each || each=""
        [ "$each" = restore ] || refuse "Nothing was changed."
    fi
    make_secrets
    compose up --no-start --remove-orphans
    trap failed_restore EXIT
    compose stop
    for name in redis orchestration-state prometheus alertmanager grafana loki; do
        [ -f "$folder/$name.tar.gz" ] || continue
        say "$name"
        unpack_volume "$name" <"$folder/$name.tar.gz"
    done
    say "postgres"
    compose up --detach --wait postgres
    compose exec -T postgres pg_restore --username=orch --dbname=orch --clean --if-exists --single-transaction --no-owner \
        <"$folder/postgres.dump"
    compose up --detach --remove-orphans
    trap - EXIT
    wait_until_healthy
    echo "Restored from $folder. Its .env is in settings.tar.gz, and was not used."
}

# What was replaced is not there any more: the service must not run on a half of it.
failed_restore() {
    say "The backup was not restored as a whole, and the service is stopped. Mend the cause, then run the same command again."
}

# One at a time: a backup stops what a deployment waits for.
case ${1:-} in
    deploy | restart | backup | restore | stop)
        if command -v flock >/dev/null; then
            exec 9<scripts/deploy-monitoring.sh
            flock -n 9 || refuse "Another $0 is at work."
        fi
        ;;
esac

case ${1:-} in
    deploy) deploy ;;
    status) status ;;
    logs)
        require_docker
        require_env
        shift
        compose logs --tail 200 "$@"
        ;;
    restart)
        shift
        restart "$@"
        ;;
    backup) backup "${2:-}" ;;
    restore)
        shift
        restore "$@"
        ;;
    stop)
        require_docker
        require_env
        compose stop
        ;;
    check)
        [ -x .venv/bin/python ] || refuse "There is no .venv with the tools of the tests: make tools"
        shift
        exec .venv/bin/python scripts/check_monitoring.py "$@"
        ;;
    *)
        sed -n '3,14s/^# \{0,1\}//p' scripts/deploy-monitoring.sh >&2
        exit 2
        ;;
esac
