"""On a running service with a real Prometheus and Alertmanager, faults raise alerts, which end with them.

Minutes of the rules are seconds. ``benchmarks/alerts_seen.py`` does the same with every fault.
"""

from pathlib import Path

import pytest

from tests.monitoring.live.faults import SERVICE
from tests.monitoring.live.seeing import see
from tests.monitoring.live.world import world

SOME = {
    "an instance of a back end ends",
    "all instances of a back end end",
    "more connections than the limit",
    "the settings are broken",
}


@pytest.mark.process
@pytest.mark.slow
def test_faults_of_the_service_raise_their_alerts_and_alerts_end_with_them(tmp_path: Path) -> None:
    """Pending, firing, received by Alertmanager, resolved."""
    with world(tmp_path, every=2) as running:  # a busy machine does not manage each second's scrape
        chosen = [fault for fault in SERVICE if fault.name in SOME]
        assert len(chosen) == len(SOME)
        sights = [
            sight for fault in chosen for sight in see(running, fault, fire_limit=120, resolve_limit=120)
        ]
        assert [sight for sight in sights if not sight.is_whole] == []
