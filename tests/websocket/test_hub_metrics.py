"""What the hub counts for Prometheus: recoveries, fan-out, bytes, and no series for a session or a client."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import trio

from orch.telemetry.names.metric import Distribution, Reading
from tests.fakes.asgi import FakeSocket
from tests.fakes.hub import Hub, running_hub

SESSIONS = 10_000


def figures(hub: Hub) -> dict[tuple[str, ...], float]:
    """Return the values by name and labels; of a histogram, the number of observations."""

    def each() -> Iterator[tuple[tuple[str, ...], float]]:
        for reading in hub.service.readings():
            value = reading.value if isinstance(reading, Reading) else reading.histogram.count
            yield (reading.name.name, *reading.labels), value

    return dict(each())


async def create(socket: FakeSocket) -> dict[str, Any]:
    return await socket.ask({"type": "create_session", "session_id": "s"}, "session_created")


async def test_recoveries_are_counted_by_outcome_and_reason(tmp_path: Path) -> None:
    """The objective of recoveries is about these counts: who gets all that was missed, and who does not."""
    async with running_hub(tmp_path) as hub:
        async with hub.connected() as ann:
            created = await create(ann)
        wanted = {
            "type": "recover_session",
            "session_id": "s",
            "recovery_token": created["recovery_token"],
            "epoch": created["epoch"],
            "offset": 0,
        }
        async with hub.connected() as ann:
            assert (await ann.ask(wanted, "session_recovered"))["recovered"]
        for change in ({"epoch": "other"}, {"offset": 99}, {"recovery_token": "x" * 20}):
            async with hub.connected() as ann:
                assert not (await ann.ask(wanted | change, "session_recovered"))["recovered"]
        found = figures(hub)
    assert found["orch_websocket_recoveries_total", "recovered"] == 1
    assert found["orch_websocket_recoveries_total", "refused"] == 3
    reasons = {key[1]: value for key, value in found.items() if key[0].endswith("recoveries_refused_total")}
    assert {reason for reason, value in reasons.items() if value} == {
        "epoch_changed",
        "offset_unknown",
        "wrong_token",
    }
    assert len(reasons) == 9


async def test_messages_are_counted_with_their_bytes_and_the_time_of_their_fan_out(tmp_path: Path) -> None:
    """From the acceptance of a broadcast until it is queued for all of the session."""
    async with running_hub(tmp_path) as hub, hub.connected() as ann, hub.connected() as bob:
        await create(ann)
        await bob.ask({"type": "join_session", "session_id": "s"}, "session_joined")
        before = figures(hub)
        for number in range(5):
            ann.say({"type": "broadcast", "session_id": "s", "data": {"number": number, "text": "x" * 1000}})
            await bob.until("session_message")
        after = figures(hub)
    grown = {key: value - before[key] for key, value in after.items()}
    assert grown["orch_websocket_fanout_seconds",] == 5
    assert grown["orch_websocket_messages_received_total",] == 5
    assert 5_000 < grown["orch_websocket_received_bytes_total",] < 7_000
    assert grown["orch_websocket_sent_bytes_total",] > 10_000
    assert after["orch_websocket_connections_by_activity", "listening"] == 2
    assert after["orch_websocket_connections",] <= after["orch_websocket_connections_limit",]


async def test_received_bytes_are_those_on_the_wire(tmp_path: Path) -> None:
    """Chinese has three a character, and sound has no characters."""
    async with running_hub(tmp_path) as hub, hub.connected() as ann:
        before = figures(hub)["orch_websocket_received_bytes_total",]
        text = json.dumps({"type": "test_message", "text": "你好é😀"}, ensure_ascii=False)
        ann.say(text)
        await ann.until("test_message")
        after = figures(hub)["orch_websocket_received_bytes_total",]
    assert after - before == len(text.encode())
    assert len(text.encode()) == len(text) + 2 * 2 + 1 + 3


async def test_ten_thousand_sessions_add_no_series(tmp_path: Path) -> None:
    """Nothing that clients make is a label."""
    async with running_hub(tmp_path) as hub:
        before = len(list(hub.service.readings()))
        async with trio.open_nursery() as nursery:
            for part in range(20):

                async def make(part: int = part) -> None:
                    for number in range(SESSIONS // 20):
                        await hub.service.create_session(f"session-{part}-{number}")

                nursery.start_soon(make)
        readings = list(hub.service.readings())
        assert len(readings) == before
        assert all(isinstance(each, Reading | Distribution) for each in readings)
        assert figures(hub)["orch_sessions",] == SESSIONS
