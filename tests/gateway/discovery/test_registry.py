"""Instances that register themselves, with the whole service over HTTP, and with a store that fails."""

from pathlib import Path
from typing import Any

import httpx2
import pytest
import trio

from orch.gateway.discovery.registration import Wanted
from orch.gateway.discovery.registry import Registry
from orch.gateway.discovery.service import Discovery
from orch.problems import ProblemError
from orch.sandbox.registering import Registration, keep_registered
from orch.stores.records import Document
from orch.telemetry.events import EventLog
from tests.fakes.gateway import answering, ok
from tests.fakes.patience import PATIENCE
from tests.fakes.settings import FakeSettings
from tests.fakes.whole import whole
from tests.gateway.discovery.test_discovery import Names

HERE = "192.0.2.7"
TOKEN = "0123456789abcdef-registry"  # noqa: S105 - made up
SERVICES = {
    "audio-service": {"url": "http://fixed:1", "discovery": {"registry": "add", "max_instances": 2}},
    "translation-service": {"url": "http://t:1"},
}


class Documents:
    """A store in memory that can be away, or have another worker store something first."""

    def __init__(self) -> None:
        self.stored: dict[str, Document] = {}
        self.is_away = False
        self.losses = 0

    async def documents(self, kind: str, *, now: float) -> tuple[Document, ...]:
        await trio.lowlevel.checkpoint()
        if self.is_away:
            raise ProblemError("store_unavailable", "The store is away.")
        return tuple(each for each in self.stored.values() if each.kind == kind and each.expires > now)

    async def store_document(self, document: Document, *, now: float) -> bool:
        known = {each.name: each.revision for each in await self.documents(document.kind, now=now)}
        if self.losses:
            self.losses -= 1
            return False
        if document.revision != known.get(document.name, 0) + 1:
            return False
        self.stored[document.name] = document
        return True

    async def delete_document(self, kind: str, name: str) -> None:
        await trio.lowlevel.checkpoint()
        assert self.stored.pop(name).kind == kind


class Rig:
    """A registry and what reads it; workers share ``documents``."""

    def __init__(self, documents: Documents | None = None, **gateway: Any) -> None:
        self.documents = documents or Documents()
        self.settings = FakeSettings(orchestration={"gateway": gateway}, services=SERVICES)
        self.registry = Registry(self.documents, settings=self.settings, wall=trio.current_time)
        self.events = EventLog(wall=lambda: 0.0)
        self.discovery = Discovery(
            self.settings, resolver=Names(), events=self.events, registry=self.registry
        )

    async def put(
        self, name: str, port: int = 5001, *, host: str = HERE, is_operator: bool = False, **wanted: Any
    ) -> bool:
        asked = Wanted(url=f"http://{host}:{port}", **wanted)
        return (await self.registry.put("audio-service", name, asked, host, is_operator=is_operator))[1]

    def urls(self) -> list[str]:
        return [each.url for each in self.discovery.current.services["audio-service"].all_instances()]


async def test_a_lease_that_is_not_renewed_ends(autojump_clock: Any) -> None:
    """A renewed one goes on; every worker notices within a second or two."""
    rig = Rig()
    other = Rig(rig.documents)
    async with trio.open_nursery() as nursery:
        await nursery.start(rig.discovery.run)
        await nursery.start(other.discovery.run)
        assert await rig.put("one", seconds=30)
        assert await rig.put("two", 5002, seconds=10, weight=3)
        await trio.sleep(1.5)
        both = ["http://fixed:1", f"http://{HERE}:5001", f"http://{HERE}:5002"]
        assert rig.urls() == other.urls() == both
        assert other.discovery.current.services["audio-service"].instances[1].weight == 3
        await trio.sleep(8)
        assert not await other.put("two", 5002, seconds=10, weight=3)
        await trio.sleep(8)
        assert rig.urls() == both
        await trio.sleep(4)
        assert rig.urls() == other.urls() == both[:2]
        await other.registry.delete("audio-service", "one", HERE, is_operator=False)
        await trio.sleep(0.1)
        assert other.urls() == both[:1]
        nursery.cancel_scope.cancel()


async def test_while_the_store_is_away_registered_instances_stay(autojump_clock: Any) -> None:
    """And after that until they had time to renew their leases; the outage and its age are shown."""
    rig = Rig()
    async with trio.open_nursery() as nursery:
        await nursery.start(rig.discovery.run)
        await rig.put("one", seconds=20)
        await trio.sleep(1.5)
        rig.documents.is_away = True
        await trio.sleep(60)
        assert len(rig.urls()) == 2
        (shown,) = rig.discovery.statistics()
        assert shown.age is not None
        assert shown.age > 50
        assert shown.problem == "The store is away."
        with pytest.raises(ProblemError, match="away"):
            await rig.put("one")
        rig.documents.is_away = False
        await trio.sleep(15)
        assert len(rig.urls()) == 2
        await trio.sleep(10)
        assert rig.urls() == ["http://fixed:1"]
        nursery.cancel_scope.cancel()


async def test_an_instance_cannot_take_the_place_of_another(autojump_clock: Any) -> None:
    """Not its name, not more names than there may be, not a service that allows none."""
    rig = Rig()
    await rig.put("one")
    for attempt, code in (
        (rig.put("one", host="192.0.2.8"), "instance_taken"),
        (rig.registry.delete("audio-service", "one", "192.0.2.8", is_operator=False), "instance_taken"),
        (
            rig.registry.put(
                "translation-service", "x", Wanted(url=f"http://{HERE}:1"), HERE, is_operator=True
            ),
            "registry_off",
        ),
        (
            rig.registry.put("other", "x", Wanted(url=f"http://{HERE}:1"), HERE, is_operator=True),
            "unknown_service",
        ),
    ):
        with pytest.raises(ProblemError) as caught:
            await attempt
        assert caught.value.code == code
    await rig.put("two", 5002)
    with pytest.raises(ProblemError, match="2 instances of audio-service are registered"):
        await rig.put("three", 5003)
    assert not await rig.put("one", 5009)


async def test_a_registration_beside_another_workers_is_stored_again(autojump_clock: Any) -> None:
    rig = Rig()
    rig.documents.losses = 2
    assert await rig.put("one")
    rig.documents.losses = 9
    with pytest.raises(ProblemError, match="Other workers"):
        await rig.put("one")


async def test_what_the_settings_no_longer_allow_is_not_used(autojump_clock: Any) -> None:
    rig = Rig()
    await rig.put("one")
    assert len(await rig.registry.read()) == 1
    rig.settings.change(services={"audio-service": {"url": "http://fixed:1"}})
    assert await rig.registry.read() == ()


async def test_wrong_tokens_are_slowed_down(autojump_clock: Any) -> None:
    """The right one is not checked meanwhile, from that address; none at all is only refused."""
    rig = Rig(registry_token=TOKEN)
    rig.registry.require_token(TOKEN, HERE)
    for given in (None, *["wrong"] * 5):
        with pytest.raises(ProblemError, match="X-Registry-Token"):
            rig.registry.require_token(given, HERE)
    with pytest.raises(ProblemError) as caught:
        rig.registry.require_token(TOKEN, HERE)
    assert caught.value.code == "rate_limited"
    rig.registry.require_token(TOKEN, "198.51.100.1")
    for given in (None, "", TOKEN):
        with pytest.raises(ProblemError, match="requires operator rights"):
            Rig().registry.require_token(given, HERE)


@pytest.mark.real_time
async def test_a_back_end_registers_itself_and_leaves(tmp_path: Path) -> None:
    """With the sandbox's own code, over HTTP, through the routes: requests reach it, and no longer."""
    settings = (
        "services: {audio-service: {url: 'http://127.0.0.1:9', discovery: {registry: replace}}}\n"
        "orchestration: {monitoring: {enabled: false}}"
    )
    async with trio.open_nursery() as nursery:
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        nursery.start_soon(trio.serve_listeners, answering(ok(b"registered")), [listener])
        url = f"http://127.0.0.1:{listener.socket.getsockname()[1]}"
        async with (
            whole(tmp_path, settings=settings) as service,
            httpx2.AsyncClient(base_url=service.url, timeout=PATIENCE) as client,
        ):
            assert (await client.get("/api/audio/x")).status_code in {502, 503}
            stopping = trio.Event()
            how = Registration(service="audio-service", at=service.url, name="a b")
            async with trio.open_nursery() as instance:
                instance.start_soon(keep_registered, how, url, stopping)
                while (await client.get("/api/audio/x")).text != "registered":
                    await trio.lowlevel.checkpoint()
                (listed,) = (await client.get("/api/registry")).json()["instances"]
                assert (listed["instance"], listed["url"], listed["registrant"]) == ("a-b", url, "127.0.0.1")
                explained = (await client.get("/api/gateway/explain", params={"path": "/api/audio/x"})).json()
                assert explained["discovery"][0]["instances"] == [url]
                stopping.set()
            assert (await client.get("/api/registry")).json() == {"instances": []}
            refused = await client.put("/api/registry/audio-service/x", json={"url": "http://10.0.0.1:1"})
            assert (refused.status_code, refused.json()["code"]) == (403, "address_refused")
            odd = await client.put("/api/registry/audio-service/-", json={"url": url})
            assert odd.json()["code"] == "invalid_request"
            foreign = {"Origin": "https://evil.example"}
            page = await client.put("/api/registry/audio-service/x", json={"url": url}, headers=foreign)
            assert page.status_code == 403
            forwarded = {"X-Forwarded-For": "203.0.113.5"}
            remote = await client.put("/api/registry/audio-service/x", json={"url": url}, headers=forwarded)
            assert (remote.status_code, remote.json()["code"]) == (401, "token_required")
        nursery.cancel_scope.cancel()
