"""Containers: what cAdvisor measures, by the name of a container or, where it has none, by its id."""

from typing import Final

from grafana_foundation_sdk.builders.dashboard import Dashboard

from scripts.dashboards.frame import Section, choice, dashboard
from scripts.dashboards.panels import BAD, GOOD, bars, figure, graph, rising, rows, steps
from scripts.dashboards.queries import RATE, share

#: Docker's containers. With Docker 29's image store cAdvisor cannot name them; the id is there all the same.
_DOCKER: Final = 'job="cadvisor",id=~".*docker.*",name=~"$container"'
_LEGEND: Final = "{{name}} {{id}}"


def _by_container(expression: str) -> str:
    return f"sum by (name, id) ({expression})"


def _use() -> Section:
    return "Use of resources", [
        figure(
            "Containers",
            "Containers that were seen in the last minute.",
            ("count(time() - container_last_seen{@} < 60)", ""),
            width=6,
            selector=_DOCKER,
        ),
        figure(
            "Containers without a name",
            "cAdvisor cannot name them (Docker 29 with containerd's image store): find them by id.",
            ('count(container_last_seen{job="cadvisor",id=~".*docker.*",name=""}) or vector(0)', ""),
            limits=steps((None, GOOD), (1, BAD)),
            width=6,
        ),
        figure(
            "Killed for memory",
            "Processes in containers that were killed for memory within the range.",
            ("sum(increase(container_oom_events_total{@}[$__range]))", ""),
            limits=steps((None, GOOD), (0.5, BAD)),
            width=6,
            selector=_DOCKER,
        ),
        figure(
            "Restarts",
            "Starts of containers within the range, without the first.",
            ("sum(changes(container_start_time_seconds{@}[$__range]))", ""),
            limits=steps((None, GOOD), (2.5, BAD)),
            width=6,
            selector=_DOCKER,
        ),
        rows(
            "Containers and their images",
            "Uptime of each container.",
            ("time() - container_start_time_seconds{@}", "Uptime"),
            units={"Uptime": "s"},
            hidden=["job", "instance"],
            width=24,
            selector=_DOCKER,
        ),
        graph(
            "Processor",
            "Cores that each container uses.",
            (_by_container(f"rate(container_cpu_usage_seconds_total{{@}}[{RATE}])"), _LEGEND),
            selector=_DOCKER,
        ),
        graph(
            "Throttled",
            "Share of the periods in which a container had to wait: its limit of processor time was used up.",
            (
                share(
                    _by_container(f"rate(container_cpu_cfs_throttled_periods_total{{@}}[{RATE}])"),
                    _by_container(f"rate(container_cpu_cfs_periods_total{{@}}[{RATE}])"),
                ),
                _LEGEND,
            ),
            unit="percentunit",
            most=1,
            limits=rising(0.1, 0.25),
            selector=_DOCKER,
        ),
        graph(
            "Memory",
            "The working set: what counts towards the limit.",
            (_by_container("container_memory_working_set_bytes{@}"), _LEGEND),
            unit="bytes",
            selector=_DOCKER,
        ),
        bars(
            "Memory of its limit",
            "At 1 the kernel kills a process of the container.",
            (
                share(
                    _by_container("container_memory_working_set_bytes{@}"),
                    _by_container("container_spec_memory_limit_bytes{@}"),
                ),
                _LEGEND,
            ),
            limits=rising(0.8, 0.9),
            selector=_DOCKER,
        ),
        graph(
            "Network",
            "Bytes received and sent.",
            (_by_container(f"rate(container_network_receive_bytes_total{{@}}[{RATE}])"), _LEGEND + " in"),
            (_by_container(f"rate(container_network_transmit_bytes_total{{@}}[{RATE}])"), _LEGEND + " out"),
            unit="Bps",
            selector=_DOCKER,
        ),
        graph(
            "Disk",
            "Bytes read and written.",
            (_by_container(f"rate(container_fs_reads_bytes_total{{@}}[{RATE}])"), _LEGEND + " read"),
            (_by_container(f"rate(container_fs_writes_bytes_total{{@}}[{RATE}])"), _LEGEND + " written"),
            unit="Bps",
            selector=_DOCKER,
        ),
    ]


def build() -> Dashboard:
    """Return the dashboard."""
    return dashboard(
        "containers",
        "What cAdvisor measures of each container. With Docker 29 and containerd's image store it has no "
        "names; the column and legend *id* is there in any case.",
        [_use()],
        variables=[
            choice("container", "Container", 'label_values(container_last_seen{job="cadvisor"}, name)')
        ],
    )
