"""Bots: how many are in meetings, how they end, what they receive, who said what, and what they store."""

from typing import Final

from grafana_foundation_sdk.builders.dashboard import Dashboard

from orch.bots.ends import ENDS
from orch.bots.states import IN_CALL, State
from scripts.dashboards.frame import WORKER, Section, choice, dashboard
from scripts.dashboards.panels import (
    BAD,
    GOOD,
    POOR,
    YES_NO,
    bars,
    figure,
    graph,
    heat_map,
    rising,
    rows,
    steps,
    timeline,
)
from scripts.dashboards.queries import buckets, increase, most, quantile, rate, share

_IN_MEETINGS: Final = "|".join(sorted(IN_CALL))
_FAILURES: Final = "|".join(sorted(reason for reason, end in ENDS.items() if end.state is State.FAILED))


def _now() -> Section:
    return "Now", [
        figure(
            "In meetings",
            "Bots that the other participants see.",
            (f'sum(orch_bots{{@,state=~"{_IN_MEETINGS}"}})', ""),
            width=4,
        ),
        figure(
            "Waiting for a place",
            "Bots that wait as all places are taken, on all workers.",
            ("max(orch_bots_queued{@})", "waiting"),
            ("max(orch_bots_queue_limit{@})", "limit"),
            width=4,
        ),
        figure(
            "Failed",
            "Share of the bots that ended by a failure, within the range.",
            (
                share(
                    increase("orch_bot_ends_total", matchers=f'reason=~"{_FAILURES}"'),
                    increase("orch_bot_ends_total"),
                ),
                "",
            ),
            unit="percentunit",
            limits=rising(0.1, 0.3),
            width=4,
        ),
        figure(
            "Page changed",
            "Ends as the meeting's page was not recognised, within the range: its selectors need an update.",
            (increase("orch_bot_ends_total", matchers='reason="page_changed"'), ""),
            limits=steps((None, GOOD), (0.5, BAD)),
            width=4,
        ),
        figure(
            "Without sound",
            "Bots that have received no sound for 2 minutes while others are in the meeting.",
            ("sum(orch_bots_silent{@})", ""),
            limits=steps((None, GOOD), (1, POOR)),
            width=4,
        ),
        figure(
            "Participants",
            "People in the meetings that bots are in.",
            ("sum(orch_bot_participants{@})", ""),
            width=4,
        ),
    ]


def _lives() -> Section:
    return "Lives of bots", [
        graph(
            "Bots by state",
            "Of all workers; those that ended are left out.",
            (
                'sum by (state) (orch_bots{@,state!~"ended|failed|data_deleted"})',
                "{{state}}",
            ),
            stacked=True,
        ),
        graph(
            "Places",
            "Bots with a browser, and how many may have one.",
            ("sum(orch_bot_processes{@})", "browsers"),
            ("sum(orch_bots_limit{@})", "limit"),
        ),
        graph(
            "Longest in a state",
            "Of the bot that has been in it for longest. For minutes in one of these: it hangs.",
            (
                'max by (state) (orch_bot_state_seconds{@,state=~"starting|joining|recovering|leaving"})',
                "{{state}}",
            ),
            unit="s",
            limits=rising(60, 120),
        ),
        graph(
            "Started and ended",
            "Within the shown range.",
            (increase("orch_bots_started_total"), "started"),
            (increase("orch_bot_ends_total"), "ended"),
        ),
        rows(
            "Ends by reason and stage",
            "Within the range, the most frequent first.",
            (most(20, increase("orch_bot_ends_total", "reason, stage")), "Ends"),
            names={"reason": "Reason", "stage": "Stage"},
            width=8,
        ),
        graph(
            "Time to be in a meeting",
            "From the start of a bot, the wait in the lobby included.",
            (quantile(0.5, "orch_bot_join_seconds"), "p50"),
            (quantile(0.95, "orch_bot_join_seconds"), "p95"),
            unit="s",
        ),
        heat_map(
            "Times to be in a meeting",
            "How many bots took how long.",
            buckets("orch_bot_join_seconds"),
            width=8,
        ),
    ]


def _browsers() -> Section:
    return "Browsers", [
        graph(
            "Memory of browsers",
            "By worker, shared pages once.",
            ("orch_bot_browsers_memory_bytes{@}", "{{instance}}"),
            unit="bytes",
        ),
        bars(
            "Shared memory",
            "Used share of /dev/shm, which browsers need. When it is full their pages crash.",
            ("1 - orch_shm_free_bytes{@} / orch_shm_size_bytes{@}", "{{instance}}"),
            limits=rising(0.7, 0.9),
        ),
        graph(
            "Crashes and left-overs",
            "Browsers that were started again, and those that ended workers left behind, within the range.",
            (increase("orch_bot_browser_restarts_total"), "started again"),
            (increase("orch_bot_orphans_total"), "left over"),
            limits=rising(1, 3),
        ),
    ]


def _names() -> Section:
    return "Who said what", [
        graph(
            "Words by outcome",
            "Words of meetings whose speaker was decided, a second.",
            (rate("orch_attribution_words_total", "outcome"), "{{outcome}}"),
            unit="wps",
            stacked=True,
            width=12,
        ),
        graph(
            "Share with an unknown speaker",
            "Above a half, captions of the meeting or its marks of speaking are probably off.",
            (
                share(
                    rate("orch_attribution_words_total", matchers='outcome="unknown"'),
                    rate("orch_attribution_words_total"),
                ),
                "unknown",
            ),
            unit="percentunit",
            most=1,
            limits=rising(0.25, 0.5),
            width=6,
        ),
        graph(
            "Speakers changed later",
            "Words whose speaker was changed after it was shown, a second.",
            (rate("orch_attribution_revised_total"), "changed"),
            unit="wps",
            width=6,
        ),
    ]


def _stored() -> Section:
    return "Stored, delivered and deleted", [
        timeline(
            "Store of bot sessions",
            "Whether it can be written. Meanwhile records wait in the spool.",
            ("min by (instance) (orch_bot_store_healthy{@})", "{{instance}}"),
            words=YES_NO,
            width=6,
        ),
        graph(
            "Spool",
            "Bytes of captured records that wait on disk, and the limit. Beyond it records are lost.",
            ("orch_spool_bytes{@}", "{{instance}}"),
            ("orch_spool_limit_bytes{@}", "{{instance}} limit"),
            unit="bytes",
            width=6,
        ),
        graph(
            "Oldest in the spool",
            "How long records have waited. 0: the spool is empty.",
            ("orch_spool_oldest_seconds{@}", "{{instance}}"),
            unit="s",
            limits=rising(60, 300),
            width=6,
        ),
        graph(
            "Records that were lost or set aside",
            "Within the shown range.",
            (increase("orch_spool_lost_total"), "lost"),
            (increase("orch_spool_rejected_total"), "set aside"),
            ("max(orch_spool_full{@})", "full now"),
            limits=rising(1, 1),
            width=6,
        ),
        graph(
            "Webhooks",
            "Attempts to deliver, within the shown range.",
            (increase("orch_webhook_attempts_total", "result"), "{{result}}"),
            stacked=True,
            width=6,
        ),
        graph(
            "Oldest webhook",
            "Age of the oldest webhook that is not delivered yet.",
            ("max(orch_webhook_oldest_seconds{@})", "oldest"),
            unit="s",
            limits=rising(300, 900),
            width=6,
        ),
        timeline(
            "Calendars",
            "Whether each calendar can be fetched and read.",
            ("max by (calendar) (orch_calendar_failing{@})", "{{calendar}}"),
            words={0.0: ("read", GOOD), 1.0: ("failing", BAD)},
            width=6,
        ),
        graph(
            "Operations on the store that wait",
            "Queued operations on the store of bot sessions, and those that failed within the shown range.",
            ("sum(orch_bot_store_waiting{@})", "wait"),
            (increase("orch_bot_store_failures_total"), "failed"),
            width=6,
        ),
        graph(
            "Size of the store",
            "Used bytes of the SQLite file of bot sessions; absent with PostgreSQL.",
            ("orch_bot_store_bytes{@}", "{{instance}}"),
            unit="bytes",
            width=6,
        ),
        graph(
            "Files that cannot be deleted",
            "Files of bots that should be deleted and cannot be.",
            ("orch_bot_files_stuck{@}", "{{instance}}"),
            limits=rising(1, 1),
            width=6,
        ),
        graph(
            "Endpoints of webhooks",
            "Registered ones, and those that are sent nothing because they failed for long.",
            ("max(orch_webhook_endpoints{@})", "registered"),
            ("max(orch_webhook_endpoints_disabled{@})", "off"),
            (increase("orch_webhook_events_dropped_total"), "events dropped"),
            width=6,
        ),
        graph(
            "Deleted",
            "Files, transcripts, webhooks and sessions that were deleted as too old, within the shown range.",
            (increase("orch_bot_pruned_total", "kind"), "{{kind}}"),
            stacked=True,
            width=6,
        ),
    ]


def build() -> Dashboard:
    """Return the dashboard."""
    return dashboard(
        "bots",
        "Bots in meetings: how many, how they end, what they receive, who said what, and what they store.",
        [_now(), _lives(), _browsers(), _names(), _stored()],
        variables=[choice(*WORKER)],
    )
