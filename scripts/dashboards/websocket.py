"""WebSocket and sessions: clients' connections, what they send and get, sessions, and limits."""

from grafana_foundation_sdk.builders.dashboard import Dashboard

from scripts.dashboards.frame import WORKER, Section, choice, dashboard
from scripts.dashboards.panels import BAD, GOOD, POOR, bars, falling, figure, graph, heat_map, rising, steps
from scripts.dashboards.queries import buckets, increase, most, quantile, rate, share


def _connections() -> Section:
    return "Connections", [
        figure(
            "Connections",
            "Open WebSocket connections on all workers.",
            ("sum(orch_websocket_connections{@})", ""),
            width=4,
        ),
        figure(
            "Of the limit",
            "Share of the connections that the fullest worker accepts. Above it, clients get 503.",
            ("max(orch_websocket_connections{@} / orch_websocket_connections_limit{@})", ""),
            unit="percentunit",
            limits=rising(0.7, 0.85),
            width=4,
        ),
        figure(
            "Sessions",
            "Live sessions. All workers count the same ones.",
            ("max(orch_sessions{@})", ""),
            width=4,
        ),
        figure(
            "Recovered",
            "Share of the clients that reconnected and got all that they had missed, within the range.",
            (
                share(
                    increase("orch_websocket_recoveries_total", matchers='outcome="recovered"'),
                    increase("orch_websocket_recoveries_total"),
                ),
                "",
            ),
            unit="percentunit",
            limits=falling(0.9, 0.995),
            width=4,
        ),
        figure(
            "Refused at the limit",
            "Clients that were refused as the connections were used up, within the range.",
            (increase("orch_websocket_problems_total", matchers='code="too_many_connections"'), ""),
            limits=steps((None, GOOD), (0.5, BAD)),
            width=4,
        ),
        figure(
            "Disconnected as slow",
            "Clients that read too slowly, within the range. They reconnect and recover.",
            (increase("orch_websocket_evictions_total", matchers='reason="slow_client"'), ""),
            limits=steps((None, GOOD), (0.5, POOR)),
            width=4,
        ),
        graph(
            "Connections by activity",
            "What they do. *behind*: more is queued for them than is in transit.",
            ("sum by (activity) (orch_websocket_connections_by_activity{@})", "{{activity}}"),
            stacked=True,
        ),
        graph(
            "Connections by worker",
            "A worker without any is not reached by the load balancer or the kernel.",
            ("orch_websocket_connections{@}", "{{instance}}"),
            ("orch_websocket_connections_limit{@}", "{{instance}} limit"),
        ),
        graph(
            "Connections of any protocol that came and went",
            "Accepted a second, and those that were cut as they did not end in time.",
            (rate("orch_front_connections_accepted_total"), "accepted"),
            (rate("orch_front_closed_by_force_total"), "cut"),
            unit="cps",
        ),
        graph(
            "Accepted and closed",
            "Connections a second. A peak of both is a storm of reconnections.",
            (rate("orch_websocket_connections_opened_total"), "accepted"),
            (rate("orch_websocket_closes_total"), "closed"),
            unit="cps",
        ),
        graph(
            "Closed, by reason",
            "The eight most frequent reasons of the table of close codes.",
            (most(8, rate("orch_websocket_closes_total", "reason")), "{{reason}}"),
            unit="cps",
            stacked=True,
        ),
        graph(
            "Disconnected to protect others",
            "Slow clients, silent ones, and those that sent too much.",
            (rate("orch_websocket_evictions_total", "reason"), "{{reason}}"),
            (rate("orch_outgoing_evicted_total"), "too much queued in all"),
            unit="cps",
            stacked=True,
        ),
        graph(
            "Reconnections",
            "Clients that asked for what they missed, by outcome.",
            (rate("orch_websocket_recoveries_total", "outcome"), "{{outcome}}"),
            (most(4, rate("orch_websocket_recoveries_refused_total", "reason")), "refused: {{reason}}"),
            unit="cps",
        ),
    ]


def _messages() -> Section:
    return "Messages", [
        graph(
            "Messages",
            "Messages of clients, and to clients.",
            (rate("orch_websocket_messages_received_total"), "received"),
            (rate("orch_websocket_messages_sent_total"), "sent"),
            unit="mps",
        ),
        graph(
            "Bytes",
            "Bytes of their messages, sound included.",
            (rate("orch_websocket_received_bytes_total"), "received"),
            (rate("orch_websocket_sent_bytes_total"), "sent"),
            unit="Bps",
        ),
        graph(
            "Queued for clients",
            "Bytes in the queues of clients: of WebSockets, and of all clients.",
            ("sum(orch_websocket_queued_bytes{@})", "WebSockets"),
            ("sum(orch_outgoing_bytes{@})", "all"),
            unit="bytes",
        ),
        graph(
            "Rejected messages and handshakes",
            "The eight most frequent, by the code of the problem.",
            (most(8, rate("orch_websocket_problems_total", "code")), "{{code}}"),
            unit="mps",
            stacked=True,
        ),
        graph(
            "Fan-out",
            "From when a message of a session is there until it is queued for all its clients on a worker.",
            (quantile(0.5, "orch_websocket_fanout_seconds"), "p50"),
            (quantile(0.99, "orch_websocket_fanout_seconds"), "p99"),
            unit="s",
            limits=rising(0.25, 0.5),
        ),
        heat_map(
            "Fan-out times",
            "How many messages took how long.",
            buckets("orch_websocket_fanout_seconds"),
            width=8,
        ),
    ]


def _limits() -> Section:
    return "Sessions and limits", [
        graph(
            "Sessions over time",
            "Live sessions. All workers count the same ones.",
            ("max(orch_sessions{@})", "sessions"),
        ),
        graph(
            "Empty sessions ended early",
            "Ended to make room for new ones, a second: the limit of sessions is reached.",
            (rate("orch_sessions_ended_early_total"), "ended early"),
            unit="cps",
        ),
        graph(
            "Join codes",
            "Codes that were entered, by result. Many wrong ones are guesses.",
            (rate("orch_join_codes_entered_total", "result"), "{{result}}"),
            unit="cps",
            stacked=True,
        ),
        bars(
            "Limited resources",
            "Used share of each resource that is limited in total, on the fullest worker.",
            ("max by (what) (orch_sum_taken{@} / (orch_sum_limit{@} > 0))", "{{what}}"),
            limits=rising(0.75, 0.9),
            width=12,
        ),
        bars(
            "The process's own limits",
            "Used share of what this process may have of the machine.",
            ("max by (kind) (orch_overload_used{@})", "{{kind}}"),
            limits=rising(0.75, 0.9),
            width=12,
        ),
    ]


def _front() -> Section:
    return "The server that accepts connections", [
        graph(
            "Connections of any protocol",
            "WebSockets and HTTP, by worker.",
            ("orch_front_connections{@}", "{{instance}}"),
        ),
        graph(
            "Responses",
            "HTTP responses by class of status, the gateway's included.",
            (rate("orch_front_requests_total", "status"), "{{status}}"),
            unit="reqps",
            stacked=True,
        ),
        graph(
            "Time to respond",
            "95 % of the responses of each kind are ready within this; those of back ends are on Gateway.",
            (quantile(0.95, "orch_front_response_seconds", "door"), "{{door}} p95"),
            unit="s",
        ),
        graph(
            "Refused or aborted",
            "Connections and requests that the server did not accept: the eight most frequent kinds.",
            (most(8, rate("orch_front_refused_total", "kind")), "{{kind}}"),
            unit="cps",
            stacked=True,
        ),
        graph(
            "Refused by own overload",
            "Requests refused as this process was short of memory, files or time.",
            (rate("orch_overload_refused_total"), "refused"),
            unit="reqps",
        ),
        graph(
            "Items that failed",
            "What failed in a loop that then continued: the eight most frequent. The log has the traceback.",
            (most(8, rate("orch_contained_failures_total", "loop")), "{{loop}}"),
            unit="cps",
            stacked=True,
        ),
    ]


def build() -> Dashboard:
    """Return the dashboard."""
    return dashboard(
        "websocket",
        "Clients' connections, what they send and receive, sessions, and the limits of all of them.",
        [_connections(), _messages(), _limits(), _front()],
        variables=[choice(*WORKER)],
    )
