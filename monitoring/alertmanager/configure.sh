#!/bin/sh
# Writes alertmanager.yml, its secrets and its templates into FOLDER, from the file beside this one and the environment.
#
#   configure.sh FOLDER
#
# At least one way of notification is needed; several can be set.
#
#   ALERT_MAIL_TO, ALERT_SMARTHOST   mail: its address, and the server as HOST:PORT
#   ALERT_MAIL_FROM                  its sender (alerts@ the domain of ALERT_MAIL_TO)
#   ALERT_ESCALATION_MAIL_TO         who is notified when nobody has acknowledged (ALERT_MAIL_TO)
#   ALERT_SMTP_TLS                   false: without STARTTLS (true)
#   ALERT_SMTP_USER, ALERT_SMTP_PASSWORD
#   ALERT_SLACK_URL                  Slack: the incoming webhook
#   ALERT_SLACK_CHANNEL, ALERT_SLACK_ESCALATION_CHANNEL  (#alerts, #escalations)
#   ALERT_PAGERDUTY_KEY              PagerDuty: the routing key
#   ALERT_PAGERDUTY_ESCALATION_KEY   (ALERT_PAGERDUTY_KEY)
#   ALERT_WATCHDOG_URL               a dead man's switch outside: it is requested each minute while all is well
#   ALERT_SERVICE_URL                where the service is (http://orchestration:3000)
#   ALERT_WEBHOOK_TOKEN              as orchestration.alerts.webhook_token of the service
#
# A secret that is not in the environment is left as it is in FOLDER/secrets. Run again, it writes the same.
set -eu

here=$(cd "$(dirname "$0")" && pwd)

refuse() {
    echo "$*" >&2
    exit 2
}

[ $# -eq 1 ] && [ -n "$1" ] || refuse "usage: configure.sh FOLDER"
folder=$1

# What goes into the file cannot end a quoted text or a line.
plain() {
    case $2 in
        *[!A-Za-z0-9@._:/+#?\&=%~,\ \<\>-]*) refuse "$1 has a character that is not allowed there: use letters, digits and @._:/+#?&=%~,<>-" ;;
    esac
}

mail_to=${ALERT_MAIL_TO:-}
smarthost=${ALERT_SMARTHOST:-}
mail_from=${ALERT_MAIL_FROM:-alerts@${mail_to##*@}}
escalation_to=${ALERT_ESCALATION_MAIL_TO:-$mail_to}
smtp_tls=${ALERT_SMTP_TLS:-true}
smtp_user=${ALERT_SMTP_USER:-}
channel=${ALERT_SLACK_CHANNEL:-#alerts}
escalation_channel=${ALERT_SLACK_ESCALATION_CHANNEL:-#escalations}
watchdog_url=${ALERT_WATCHDOG_URL:-}
service_url=${ALERT_SERVICE_URL:-http://orchestration:3000}

plain ALERT_MAIL_TO "$mail_to"
plain ALERT_SMARTHOST "$smarthost"
plain ALERT_MAIL_FROM "$mail_from"
plain ALERT_ESCALATION_MAIL_TO "$escalation_to"
plain ALERT_SMTP_USER "$smtp_user"
plain ALERT_SLACK_CHANNEL "$channel"
plain ALERT_SLACK_ESCALATION_CHANNEL "$escalation_channel"
plain ALERT_WATCHDOG_URL "$watchdog_url"
plain ALERT_SERVICE_URL "$service_url"
case $smtp_tls in true | false) ;; *) refuse "ALERT_SMTP_TLS is true or false, not $smtp_tls" ;; esac
case $service_url in http://?* | https://?*) ;; *) refuse "ALERT_SERVICE_URL is not an http or https URL: $service_url" ;; esac
case $watchdog_url in "" | https://?* | http://?*) ;; *) refuse "ALERT_WATCHDOG_URL is not an http or https URL" ;; esac
if [ -n "$mail_to" ] && [ -z "$smarthost" ]; then refuse "ALERT_MAIL_TO needs ALERT_SMARTHOST, the mail server as HOST:PORT"; fi

umask 077
mkdir -p "$folder/secrets" "$folder/templates"

# Store a secret of the environment; return whether there is one now.
secret() {
    if [ -n "$2" ]; then printf '%s' "$2" >"$folder/secrets/$1.new" && mv "$folder/secrets/$1.new" "$folder/secrets/$1"; fi
    [ -s "$folder/secrets/$1" ]
}

on=" "
[ -n "$mail_to" ] && on="${on}mail "
secret slack-url "${ALERT_SLACK_URL:-}" && on="${on}slack "
if secret pagerduty-key "${ALERT_PAGERDUTY_KEY:-}"; then
    on="${on}pagerduty "
    secret pagerduty-escalation-key "${ALERT_PAGERDUTY_ESCALATION_KEY:-}" ||
        cp "$folder/secrets/pagerduty-key" "$folder/secrets/pagerduty-escalation-key"
fi
[ "$on" != " " ] || refuse "Nobody would be notified: set ALERT_MAIL_TO and ALERT_SMARTHOST, ALERT_SLACK_URL, or ALERT_PAGERDUTY_KEY."
if [ -n "$smtp_user" ]; then
    case $on in *" mail "*) ;; *) refuse "ALERT_SMTP_USER needs ALERT_MAIL_TO" ;; esac
    secret smtp-password "${ALERT_SMTP_PASSWORD:-}" || refuse "ALERT_SMTP_USER needs ALERT_SMTP_PASSWORD"
    on="${on}mail-login "
fi
[ -n "$watchdog_url" ] && on="${on}watchdog "
secret webhook-token "${ALERT_WEBHOOK_TOKEN:-}" ||
    refuse "ALERT_WEBHOOK_TOKEN is missing: the same as orchestration.alerts.webhook_token of the service."

cp "$here"/templates/*.tmpl "$folder/templates/"

ON=$on MAIL_TO=$mail_to SMARTHOST=$smarthost MAIL_FROM=$mail_from ESCALATION_TO=$escalation_to SMTP_TLS=$smtp_tls \
SMTP_USER=$smtp_user CHANNEL=$channel ESCALATION_CHANNEL=$escalation_channel WATCHDOG_URL=$watchdog_url \
SERVICE_URL=$service_url awk '
    # Replace a literal text: sub() would give "&" and backslashes a meaning.
    function put(line, old, new,   at) {
        at = index(line, old)
        return at ? substr(line, 1, at - 1) new substr(line, at + length(old)) : line
    }
    /^ *# begin [a-z-]+$/ { block = $3; next }
    /^ *# end [a-z-]+$/ { block = ""; next }
    block != "" && index(ENVIRON["ON"], " " block " ") == 0 { next }
    block != "" { match($0, /^ */); indent = RLENGTH; if (substr($0, indent + 1, 1) == "#") $0 = substr($0, 1, indent) substr($0, indent + 2) }
    {
        line = put($0, "localhost:25", ENVIRON["SMARTHOST"])
        line = put(line, "alerts@localhost", ENVIRON["MAIL_FROM"])
        line = put(line, "operators@localhost", ENVIRON["MAIL_TO"])
        line = put(line, "escalation@localhost", ENVIRON["ESCALATION_TO"])
        line = put(line, "smtp_require_tls: true", "smtp_require_tls: " ENVIRON["SMTP_TLS"])
        line = put(line, "smtp_auth_username: \"alerts\"", "smtp_auth_username: \"" ENVIRON["SMTP_USER"] "\"")
        line = put(line, "\"#alerts\"", "\"" ENVIRON["CHANNEL"] "\"")
        line = put(line, "\"#escalations\"", "\"" ENVIRON["ESCALATION_CHANNEL"] "\"")
        line = put(line, "https://hc-ping.example/UUID", ENVIRON["WATCHDOG_URL"])
        line = put(line, "http://orchestration:3000", ENVIRON["SERVICE_URL"])
        print line
    }
' "$here/alertmanager.yml" >"$folder/alertmanager.yml.new"
mv "$folder/alertmanager.yml.new" "$folder/alertmanager.yml"
echo "$folder/alertmanager.yml notifies by:$(echo "$on" | sed 's/ watchdog / /; s/ mail-login / /; s/ $//')$([ -z "$watchdog_url" ] || echo '; a watchdog outside is requested each minute')"
