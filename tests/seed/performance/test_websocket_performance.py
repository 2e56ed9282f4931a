import time

from tests.fakes.gateway import gateway_rig
from tests.fakes.running import run


def test_api_gateway_latency() -> None:
    """Seed: tests/performance/test_websocket_performance.py::test_api_gateway_latency.

    Finding a route takes under 1 ms on average and under 5 ms at the 95th percentile.
    """

    async def main() -> None:
        async with gateway_rig() as rig:
            latencies = []
            for _ in range(1000):
                began = time.perf_counter()
                route = rig.gateway.determine_route("/api/whisper/health")
                latencies.append(time.perf_counter() - began)
                assert route is not None
            assert sum(latencies) / len(latencies) < 0.001
            assert sorted(latencies)[int(len(latencies) * 0.95)] < 0.005

    run(main)
