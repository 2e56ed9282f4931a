"""System: the machines, the processes of the service, the stores' servers and the monitoring itself."""

from typing import Final

from grafana_foundation_sdk.builders.dashboard import Dashboard

from scripts.dashboards.frame import WORKER, Section, choice, dashboard
from scripts.dashboards.panels import (
    BAD,
    GOOD,
    POOR,
    UP_DOWN,
    YES_NO,
    bars,
    figure,
    graph,
    rising,
    rows,
    steps,
    timeline,
)
from scripts.dashboards.queries import RATE, quantile
from scripts.dashboards.stores import postgres, redis

_HOST: Final = 'job="node",instance=~"$host"'
_DISKS: Final = 'fstype!~"tmpfs|fuse.*|overlay|squashfs|ramfs"'
_CORES: Final = f'count by (instance) (rate(node_cpu_seconds_total{{@,mode="idle"}}[{RATE}]))'
_DISK_SHARE: Final = (
    f"1 - node_filesystem_avail_bytes{{@,{_DISKS}}} / node_filesystem_size_bytes{{@,{_DISKS}}}"
)


def _machines() -> Section:
    return "Machines", [
        graph(
            "Processor time",
            "Share of all cores by what they did. *steal*: the hypervisor gave it to others; captions get "
            "late without any cause in this service.",
            (
                f'avg by (instance, mode) (rate(node_cpu_seconds_total{{@,mode!="idle"}}[{RATE}]))',
                "{{instance}} {{mode}}",
            ),
            unit="percentunit",
            stacked=True,
            most=1,
            selector=_HOST,
        ),
        graph(
            "Load by core",
            "Processes that run or wait, for each core, over 1 and 15 minutes. Above 1, work waits.",
            (
                f"node_load1{{@}} / on (instance) {_CORES}",
                "{{instance}} 1 min",
            ),
            (
                f"node_load15{{@}} / on (instance) {_CORES}",
                "{{instance}} 15 min",
            ),
            limits=rising(1, 2),
            selector=_HOST,
        ),
        graph(
            "Memory in use",
            "Share of the memory that cannot be given to a new process.",
            ("1 - node_memory_MemAvailable_bytes{@} / node_memory_MemTotal_bytes{@}", "{{instance}}"),
            unit="percentunit",
            most=1,
            limits=rising(0.8, 0.9),
            selector=_HOST,
        ),
        bars(
            "Disks",
            "Used share of each file system. Recordings of bots and the spool need room.",
            (_DISK_SHARE, "{{instance}} {{mountpoint}}"),
            limits=rising(0.8, 0.95),
            selector=_HOST,
        ),
        graph(
            "Disk traffic",
            "Bytes read (above) and written, by device.",
            (f"rate(node_disk_read_bytes_total{{@}}[{RATE}])", "{{instance}} {{device}} read"),
            (f"rate(node_disk_written_bytes_total{{@}}[{RATE}])", "{{instance}} {{device}} written"),
            unit="Bps",
            selector=_HOST,
        ),
        graph(
            "Network traffic",
            "Bytes received and sent, by device; the loopback device is left out.",
            (
                f'rate(node_network_receive_bytes_total{{@,device!="lo"}}[{RATE}])',
                "{{instance}} {{device}} in",
            ),
            (
                f'rate(node_network_transmit_bytes_total{{@,device!="lo"}}[{RATE}])',
                "{{instance}} {{device}} out",
            ),
            unit="Bps",
            selector=_HOST,
        ),
        bars(
            "Files left on disks",
            "Used share of the inodes of each file system.",
            (
                f"1 - node_filesystem_files_free{{@,{_DISKS}}} / (node_filesystem_files{{@,{_DISKS}}} > 0)",
                "{{instance}} {{mountpoint}}",
            ),
            limits=rising(0.8, 0.95),
            selector=_HOST,
        ),
        graph(
            "Clock",
            "How far the clock is from its time server. Tokens and the times of captions depend on it.",
            ("abs(node_timex_offset_seconds{@})", "{{instance}}"),
            unit="s",
            selector=_HOST,
        ),
        timeline(
            "Clock in step",
            "Whether the clock is synchronised.",
            ("min by (instance) (node_timex_sync_status{@})", "{{instance}}"),
            words=YES_NO,
            width=8,
            selector=_HOST,
        ),
        graph(
            "Error of the clock",
            "The greatest that it may have. Above 16 s it counts as not synchronised.",
            ("node_timex_maxerror_seconds{@}", "{{instance}}"),
            unit="s",
            limits=rising(8, 16),
            selector=_HOST,
        ),
        bars(
            "Connections that the kernel tracks",
            "Used share of its table, on machines that have one.",
            ("node_nf_conntrack_entries{@} / node_nf_conntrack_entries_limit{@}", "{{instance}}"),
            limits=rising(0.5, 0.75),
            selector=_HOST,
        ),
        graph(
            "Processes killed for memory",
            "A browser of a bot is the usual victim.",
            ("increase(node_vmstat_oom_kill{@}[$__range])", "{{instance}}"),
            selector=_HOST,
        ),
    ]


def _processes() -> Section:
    return "Processes of the service", [
        graph(
            "Processor by worker",
            "A worker uses one core at most: near 1 it is full, and more workers are the remedy.",
            (f"rate(process_cpu_seconds_total{{@}}[{RATE}])", "{{instance}}"),
            unit="percentunit",
            most=1,
            limits=rising(0.8, 0.95),
        ),
        graph(
            "Memory by worker",
            "Resident memory should be flat while the load is. Virtual memory is only reserved.",
            ("process_resident_memory_bytes{@}", "{{instance}}"),
            ("process_virtual_memory_bytes{@}", "{{instance}} virtual"),
            unit="bytes",
        ),
        graph(
            "Open files",
            "Share of the limit of open files; each connection is one.",
            ("process_open_fds{@} / process_max_fds{@}", "{{instance}}"),
            unit="percentunit",
            most=1,
            limits=rising(0.6, 0.8),
        ),
        graph(
            "Event loop lag",
            "How long a task that is ready waits. Above 100 ms, captions and heartbeats are late.",
            (quantile(0.5, "orch_event_loop_lag_seconds", "instance"), "{{instance}} p50"),
            (quantile(0.99, "orch_event_loop_lag_seconds", "instance"), "{{instance}} p99"),
            unit="s",
            limits=rising(0.05, 0.1),
        ),
        graph(
            "Standstills and clock jumps",
            "Times a process was suspended or its loop blocked, and times the machine's clock jumped.",
            ("increase(orch_standstills_total{@}[$__range])", "{{instance}} standstills"),
            ("increase(orch_clock_jumps_total{@}[$__range])", "{{instance}} clock jumps"),
        ),
        timeline(
            "Shortages of the process's own",
            "0: enough is left, 1: connections are not kept, 2: new work is refused.",
            ("max by (instance, kind) (orch_overload_step{@})", "{{instance}} {{kind}}"),
            words={0.0: ("enough", GOOD), 1.0: ("scarce", POOR), 2.0: ("refusing", BAD)},
            width=8,
        ),
        figure(
            "Last backup",
            "When the state of the service was last backed up.",
            ("max(orch_backup_last_success_timestamp_seconds{@}) * 1000", ""),
            unit="dateTimeFromNow",
            words={0.0: ("never", POOR)},
            width=8,
            height=8,
            line=False,
        ),
    ]


def _monitoring() -> Section:
    return "The monitoring itself", [
        rows(
            "Targets",
            "What Prometheus scrapes, whether it responds, and how long that takes.",
            ("up", "Up"),
            ("scrape_duration_seconds", "Duration"),
            ("scrape_samples_post_metric_relabeling", "Series"),
            words={"Up": UP_DOWN},
            units={"Duration": "s"},
            width=12,
        ),
        graph(
            "Series of a target",
            "A line that keeps growing is a label that grows without bound.",
            ("scrape_samples_post_metric_relabeling{@}", "{{instance}}"),
            width=6,
        ),
        graph(
            "Prometheus",
            "Series in memory.",
            ("prometheus_tsdb_head_series", "series"),
            width=6,
        ),
        figure(
            "Rules that failed",
            "Evaluations of rules that failed within the range. Alerts of such a rule are blind.",
            ("sum(increase(prometheus_rule_evaluation_failures_total[$__range]))", ""),
            limits=steps((None, GOOD), (0.5, BAD)),
            width=4,
        ),
        figure(
            "Prometheus configuration",
            "Whether its last load of the configuration succeeded.",
            ("min(prometheus_config_last_reload_successful)", ""),
            words=YES_NO,
            width=4,
        ),
        figure(
            "Alertmanagers found",
            "Without one, no alert reaches anyone.",
            ("min(prometheus_notifications_alertmanagers_discovered)", ""),
            limits=steps((None, BAD), (1, GOOD)),
            width=4,
        ),
        figure(
            "Alertmanager configuration",
            "Whether its last load of the configuration succeeded.",
            ("min(alertmanager_config_last_reload_successful)", ""),
            words=YES_NO,
            width=4,
        ),
        figure(
            "Notifications that failed",
            "Notifications that a receiver did not accept, within the range.",
            ("sum(increase(alertmanager_notifications_failed_total[$__range]))", ""),
            limits=steps((None, GOOD), (0.5, BAD)),
            width=4,
        ),
        figure(
            "Disk of Prometheus",
            "Bytes of its stored blocks, without the head.",
            ("sum(prometheus_tsdb_storage_blocks_bytes)", ""),
            unit="bytes",
            width=4,
        ),
    ]


def build() -> Dashboard:
    """Return the dashboard."""
    return dashboard(
        "system",
        "Machines, processes of the service, and the monitoring itself. Containers have a page of their own.",
        [_machines(), _processes(), redis(), postgres(), _monitoring()],
        variables=[
            choice(*WORKER),
            choice("host", "Machine", "label_values(node_uname_info, instance)"),
        ],
    )
