"""The servers in which sessions and bot sessions are stored, as their exporters see them."""

from scripts.dashboards.frame import Section
from scripts.dashboards.panels import BAD, GOOD, UP_DOWN, falling, figure, graph, rising, steps
from scripts.dashboards.queries import RATE


def redis() -> Section:
    """Return the section of the server of sessions."""
    return "Redis", [
        figure(
            "Redis",
            "Whether the exporter reaches it.",
            ("min(redis_up)", ""),
            words=UP_DOWN,
            limits=falling(0.5, 1),
            width=4,
        ),
        figure(
            "Evicted keys",
            "Within the range. An evicted key is a lost session: set maxmemory-policy to noeviction.",
            ("sum(increase(redis_evicted_keys_total[$__range]))", ""),
            limits=steps((None, GOOD), (0.5, BAD)),
            width=4,
        ),
        graph(
            "Memory of Redis",
            "In use, and its limit where it has one.",
            ("redis_memory_used_bytes", "{{instance}}"),
            ("redis_memory_max_bytes > 0", "{{instance}} limit"),
            unit="bytes",
        ),
        graph(
            "Commands",
            "A second, and clients that are connected.",
            (f"rate(redis_commands_processed_total[{RATE}])", "{{instance}} commands/s"),
            ("redis_connected_clients", "{{instance}} clients"),
        ),
    ]


def postgres() -> Section:
    """Return the section of the server of bot sessions."""
    return "PostgreSQL", [
        figure(
            "PostgreSQL",
            "Whether the exporter reaches it.",
            ("min(pg_up)", ""),
            words=UP_DOWN,
            limits=falling(0.5, 1),
            width=4,
        ),
        figure(
            "Connections of the maximum",
            "Share of the connections that the server allows.",
            (
                "max(sum by (instance) (pg_stat_activity_count) / on (instance) pg_settings_max_connections)",
                "",
            ),
            unit="percentunit",
            limits=rising(0.6, 0.8),
            width=4,
        ),
        graph(
            "Transactions",
            "A second, committed and rolled back, by database.",
            (f"rate(pg_stat_database_xact_commit[{RATE}])", "{{datname}} committed"),
            (f"rate(pg_stat_database_xact_rollback[{RATE}])", "{{datname}} rolled back"),
            unit="ops",
        ),
        graph(
            "Size",
            "Of each database.",
            ("pg_database_size_bytes", "{{datname}}"),
            unit="bytes",
        ),
    ]
