"""Clients, failures and cancellations in any order: each gets its own response, and nothing is left over."""

import random

import trio

from tests.fakes.gateway import Browser, gateway_rig, read_request
from tests.gateway.fallbacks.test_fallbacks import CACHED, kind, settings

WHO = (b"authorization", b"x-api-key", b"x-user")


class Mirror:
    """A back end that responds with who asks for what, or fails; ``rng`` decides how."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self.is_failing = False

    async def serve(self, stream: trio.abc.Stream) -> None:
        while request := await read_request(stream):
            head, _, body = request.partition(b"\r\n\r\n")
            lines = head.split(b"\r\n")
            said = [line.partition(b": ")[2] for line in lines[1:] if line.lower().startswith(WHO)]
            whole = b"|".join([lines[0].split(b" ")[1], *said, body])
            if self.is_failing:
                await stream.send_all(b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n")
                continue
            await stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(whole))
            for begin in range(0, len(whole), 7):
                await trio.sleep(self._rng.random() / 100)
                await stream.send_all(whole[begin : begin + 7])


async def test_whatever_happens_each_client_gets_its_own_response() -> None:
    """Also from the cache, with few places in it, while clients leave at any moment."""
    rng = random.Random(7)
    mirror = Mirror(rng)
    small = {"max_entries": 12, "max_bytes": 40_000, "max_object_bytes": 200}
    rule = {**CACHED, "methods": ["GET", "POST"]}
    cached = 0

    async def ask(number: int) -> None:
        nonlocal cached
        who, name = rng.choice(WHO), b"user-%d" % rng.randrange(4)
        query, body = b"q=%d" % rng.randrange(3), rng.choice([b"", b"text"])
        browser = Browser(
            "POST" if body else "GET",
            "/api/audio/x",
            body,
            headers=[(b"host", b"x"), (who, name)],
            query=query,
            client=(f"203.0.113.{number % 5}", 1),
        )
        with trio.move_on_after(rng.choice([0.0, 0.01, 0.02, 9.0, 9.0])) as leaving:
            await rig.gateway.proxy(browser.scope, browser.receive, browser.send)
        if leaving.cancelled_caught or browser.status != 200:
            return
        assert browser.body == b"|".join([b"/api/x?" + query, name, body])
        cached += kind(browser) == b"cached"

    async with gateway_rig(**settings(rule, fallback_cache=small, requests={"connections": 200})) as rig:
        rig.network.servers["a:1"] = mirror.serve
        for turn in range(40):
            mirror.is_failing = turn % 3 == 2
            async with trio.open_nursery() as nursery:
                for number in range(20):
                    nursery.start_soon(ask, number)
            rig.gateway.reset("audio-service")
        cache = rig.gateway._proxy.fallbacks.cache
        assert cached > 10
        assert cache.arriving == 0
        assert len(cache) <= 12
        assert rig.gateway._proxy.boundary.failures == 0
        figures = rig.gateway.statistics()
        assert (figures.in_flight, figures.places) == (0, 0)
