"""The sample in the document works as it says."""

import re
from pathlib import Path

from orch.settings import Settings, decode
from tests.fakes.gateway import Browser, answering, gateway_rig, ok

TEXT = (Path(__file__).parents[3] / "docs" / "gateway.md").read_text(encoding="utf-8")


def documented() -> Settings:
    section = TEXT.partition("\n## Fallbacks\n")[2].partition("\n## ")[0]
    [sample] = re.findall(r"```yaml\n(.*?)```", section, re.DOTALL)
    decoded = decode(sample, {})
    assert not decoded.faults
    return decoded.settings


async def test_the_sample_asks_the_spare_then_the_cache_then_gives_the_static_response() -> None:
    """Each in turn, as the services fail; and the explanation lists them in that order."""
    async with gateway_rig(running=False) as rig:
        rig.settings.current = documented()
        servers = rig.network.servers
        servers["translation-service:5003"] = answering(ok(b"first"))
        servers["spare.example:5003"] = answering(ok(b"spare"))

        async def translate(text: bytes) -> tuple[int, bytes, bytes | None]:
            browser = Browser("POST", "/api/translate", text)
            await rig.gateway.proxy(browser.scope, browser.receive, browser.send)
            return browser.status, browser.body, browser.headers.get(b"x-gateway-fallback")

        assert await translate(b"{1}") == (200, b"first", None)
        del servers["translation-service:5003"]
        assert await translate(b"{1}") == (200, b"spare", b"service")
        del servers["spare.example:5003"]
        assert await translate(b"{1}") == (200, b"first", b"cached")
        status, body, kind = await translate(b"{2}")
        assert (status, kind) == (200, b"static")
        assert b'"translated_text": null' in body
        explained = rig.gateway.explain("/api/translate", "POST").fallbacks
        assert [each.use for each in explained] == ["service", "cached", "static"]
        assert (explained[0].service, explained[0].target) == ("spare-translation", "/api/translate")
        assert explained[1].restriction == "only if there is a stored response of the last 86400 s"
        assert explained[2].response == "no-translation"
        [figures] = rig.gateway.statistics().fallbacks
        assert (figures.service, figures.cached, figures.static, figures.none) == (1, 1, 1, 0)
        assert rig.metrics.requests == [("translation-service", 200)] + [("translation-service", 503)] * 3
