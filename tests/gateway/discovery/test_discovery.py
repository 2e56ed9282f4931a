"""Instances that DNS lists, through the gateway over memory streams, on a virtual clock."""

from typing import Any

import trio

from orch.gateway.discovery.records import SrvRecord
from orch.gateway.discovery.resolver import Addresses, LookUpError, Services
from tests.fakes.gateway import Browser, GatewayRig, answering, gateway_rig, ok, read_request

NAME = "http://audio.example:5001"
DNS: dict[str, Any] = {"discovery": {"dns": "addresses"}, "slow_start": 0}


class Names:
    """A name server: ``lists`` addresses for every name, or fails; ``asked`` has the times."""

    def __init__(self, *lists: str, ttl: float = 10) -> None:
        self.lists: tuple[str, ...] = lists
        self.ttl = ttl
        self.problem: str | None = None
        self.hangs = False
        self.asked: list[float] = []

    async def addresses(self, name: str) -> Addresses:
        await self._ask(name)
        return Addresses(self.lists, self.ttl)

    async def services(self, name: str) -> Services:
        await self._ask(name)
        return Services(tuple(SrvRecord(1, 2, 7, each) for each in self.lists), self.ttl)

    async def _ask(self, _name: str) -> None:
        self.asked.append(trio.current_time())
        if self.hangs:
            await trio.sleep_forever()
        await trio.lowlevel.checkpoint()
        if self.problem is not None:
            raise LookUpError(self.problem)


def serving(rig: GatewayRig, *hosts: str, port: int = 5001) -> None:
    for host in hosts:
        rig.network.servers[f"{host}:{port}"] = answering(ok(host.encode()))


async def ask(rig: GatewayRig, count: int = 1) -> list[bytes]:
    """Return the bodies of the responses."""
    bodies = []
    for _ in range(count):
        browser = Browser()
        await rig.gateway.proxy(browser.scope, browser.receive, browser.send)
        bodies.append(b"".join(each.get("body", b"") for each in browser.sent))
    return bodies


def urls(rig: GatewayRig) -> list[str]:
    return [each.url for each in rig.gateway.statistics().instances if each.service == "audio-service"]


async def test_every_address_gets_requests_and_a_new_one_after_the_ttl(autojump_clock: Any) -> None:
    """Until the first answer the url of the settings does; an address that is gone gets none."""
    names = Names("10.0.0.2", "10.0.0.1")
    async with gateway_rig(NAME, service=DNS, resolver=names) as rig:
        serving(rig, "audio.example", "10.0.0.1", "10.0.0.2", "10.0.0.3")
        assert await ask(rig) == [b"audio.example"]
        await trio.sleep(1)
        assert sorted(await ask(rig, 4)) == [b"10.0.0.1"] * 2 + [b"10.0.0.2"] * 2
        names.lists = ("10.0.0.3", "10.0.0.2")
        await trio.sleep(8)
        assert urls(rig) == ["http://10.0.0.1:5001", "http://10.0.0.2:5001"]
        await trio.sleep(3)
        assert urls(rig) == ["http://10.0.0.2:5001", "http://10.0.0.3:5001"]
        assert sorted(await ask(rig, 4)) == [b"10.0.0.2"] * 2 + [b"10.0.0.3"] * 2
        assert len(names.asked) == 2


async def test_a_discovery_that_fails_leaves_cached_routes_working(autojump_clock: Any) -> None:
    """Failing, empty and hanging look-ups change nothing, and the age of the answer is shown."""
    names = Names("10.0.0.1")
    async with gateway_rig(NAME, service=DNS, resolver=names) as rig:
        serving(rig, "10.0.0.1", "10.0.0.9")
        await trio.sleep(1)
        names.problem = "no such name"
        await trio.sleep(50)
        names.problem, names.lists = None, ()
        await trio.sleep(40)
        assert await ask(rig) == [b"10.0.0.1"]
        (shown,) = rig.gateway.statistics().discovery
        assert shown.problem == "the name has no usable records"
        assert shown.age is not None
        assert 85 < shown.age < 95
        assert shown.failures > 5
        names.hangs = True
        await trio.sleep(20)
        assert await ask(rig) == [b"10.0.0.1"]
        (explained,) = rig.gateway.explain("/api/audio/x", "GET").discovery
        assert explained.instances == ("http://10.0.0.1:5001",)
        texts = [event.text for event in rig.events.latest()]
        assert "DNS fails for audio.example (no such name): the last answer is used." in texts
        assert len(texts) == 2  # one for the answer, one for all of the failures


async def test_a_discovery_that_works_again_is_used_at_once(autojump_clock: Any) -> None:
    """Within the longest pause between two look-ups."""
    names = Names("10.0.0.1")
    async with gateway_rig(NAME, service=DNS, resolver=names) as rig:
        serving(rig, "10.0.0.2")
        await trio.sleep(1)
        names.problem = "every name server failed"
        await trio.sleep(60)
        names.problem, names.lists = None, ("10.0.0.2",)
        await trio.sleep(31)
        assert await ask(rig) == [b"10.0.0.2"]
        assert rig.events.latest()[0].text == "DNS answers again for audio.example."


async def test_srv_records_give_ports_and_weights(autojump_clock: Any) -> None:
    service = {"discovery": {"dns": "srv", "name": "_http._tcp.audio.example"}, "slow_start": 0}
    async with gateway_rig(NAME, service=service, resolver=Names("one.example", "two.example")) as rig:
        serving(rig, "one.example", "two.example", port=7)
        await trio.sleep(1)
        assert sorted(await ask(rig, 2)) == [b"one.example", b"two.example"]
        assert [each.weight for each in rig.gateway.statistics().instances[:2]] == [2, 2]


async def test_other_settings_of_discovery_begin_anew(autojump_clock: Any) -> None:
    """An answer about another name is nobody's; switched off, the url of the settings counts again."""
    names = Names("10.0.0.1")
    async with gateway_rig(NAME, service=DNS, resolver=names) as rig:
        serving(rig, "audio.example", "b.example", "10.0.0.1")
        await trio.sleep(1)
        names.hangs = True
        await trio.sleep(10)
        rig.settings.change(services={"audio-service": {"url": "http://b.example:5001", **DNS}})
        await trio.sleep(1)
        assert await ask(rig) == [b"b.example"]
        rig.settings.change(services={"audio-service": {"url": NAME}})
        assert await ask(rig) == [b"audio.example"]
        assert rig.gateway.statistics().discovery == ()


async def test_the_settings_are_the_same_object_while_nothing_is_looked_up() -> None:
    """Readers compare objects to notice a change."""
    async with gateway_rig(NAME, resolver=Names(), running=False) as rig:
        assert rig.gateway._settings.current is rig.settings.current


async def test_an_instance_that_leaves_ends_its_requests(autojump_clock: Any) -> None:
    """It gets no new ones; the running one has its time, and is shown."""
    names = Names("10.0.0.1")
    release = trio.Event()

    async def slow(stream: trio.abc.Stream) -> None:
        await read_request(stream)
        await release.wait()
        await stream.send_all(ok(b"slow"))

    async with gateway_rig(NAME, service=DNS, resolver=names, timeout=60) as rig:
        serving(rig, "10.0.0.2")
        rig.network.servers["10.0.0.1:5001"] = slow
        await trio.sleep(1)
        async with trio.open_nursery() as nursery:
            browser = Browser()
            nursery.start_soon(rig.gateway.proxy, browser.scope, browser.receive, browser.send)
            await trio.sleep(1)
            names.lists = ("10.0.0.2",)
            await trio.sleep(10)
            (leaving,) = rig.gateway.statistics().draining
            assert (leaving.url, leaving.in_flight) == ("http://10.0.0.1:5001", 1)
            assert 15 < leaving.seconds_left < 30
            assert await ask(rig, 2) == [b"10.0.0.2"] * 2
            release.set()
        assert browser.status == 200
        await trio.sleep(2)
        assert rig.gateway.statistics().draining == ()
        assert rig.network.open == 1  # the idle one to the instance that stays


async def test_a_request_over_the_limit_goes_to_another_instance(autojump_clock: Any) -> None:
    """One that may be sent again comes back right; of the instance that has left nothing stays open."""
    names = Names("10.0.0.1")

    async def silent(stream: trio.abc.Stream) -> None:
        await read_request(stream)
        await trio.sleep_forever()

    async with gateway_rig(NAME, service={**DNS, "drain": 5}, resolver=names, timeout=60) as rig:
        serving(rig, "10.0.0.2")
        rig.network.servers["10.0.0.1:5001"] = silent
        await trio.sleep(1)
        async with trio.open_nursery() as nursery:
            get, post = Browser("GET"), Browser("POST", "/api/audio/x", b"body")
            for each in (get, post):
                nursery.start_soon(rig.gateway.proxy, each.scope, each.receive, each.send)
            await trio.sleep(0.1)
            names.lists = ("10.0.0.2",)
        assert (get.status, post.status) == (200, 502)
        assert trio.current_time() < 20
        await trio.sleep(6)  # idle connections are closed
        assert rig.network.open == 0
        assert not any("failed" in event.text for event in rig.events.latest())


async def test_settings_changed_a_hundred_times_under_load_drop_nothing(autojump_clock: Any) -> None:
    """Instances come, leave and change their weights while requests are on their way."""
    statuses: list[int] = []

    async def quick(stream: trio.abc.Stream) -> None:
        while await read_request(stream):
            await trio.sleep(0.05)
            await stream.send_all(ok())

    async with gateway_rig("http://a:1") as rig:
        for name in "abcd":
            rig.network.servers[f"{name}:1"] = quick
        stopped = False

        async def client() -> None:
            while not stopped:
                browser = Browser("POST", "/api/audio/x", b"body")
                await rig.gateway.proxy(browser.scope, browser.receive, browser.send)
                statuses.append(browser.status)

        async with trio.open_nursery() as nursery:
            for _ in range(8):
                nursery.start_soon(client)
            for number in range(100):
                first, second = "abcd"[number % 4], "abcd"[(number + 1 + number % 3) % 4]
                rig.settings.change(
                    services={
                        "audio-service": {
                            "url": f"http://{first}:1",
                            "weight": 1 + number % 5,
                            "instances": [{"url": f"http://{second}:1"}],
                            "balancer": ("round_robin", "least_requests", "fastest")[number % 3],
                            "concurrency": "unlimited",
                        }
                    }
                )
                await trio.sleep(0.03)
            stopped = True
        assert len(statuses) > 300
        assert set(statuses) == {200}
