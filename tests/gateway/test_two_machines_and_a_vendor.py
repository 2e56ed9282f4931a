"""The documented settings of two machines of one's own and a vendor work as the document says."""

import json
import re
from pathlib import Path

import trio

from orch.settings import decode
from orch.speech.promised_api import PromisedApi
from orch.speech.transcriber import Transcriber
from orch.speech.translator import Translator
from tests.fakes.gateway import Browser, GatewayRig, answering, gateway_rig
from tests.gateway.test_promised_api import OPENAI, answer, upload

TEXT = (Path(__file__).parents[2] / "docs" / "gateway.md").read_text(encoding="utf-8")


def configure(rig: GatewayRig) -> None:
    """Use the settings of the document, with the vendor's key in the environment."""
    section = TEXT.partition("\n## Two machines and a vendor\n")[2].partition("\n## ")[0]
    [sample] = re.findall(r"```yaml\n(.*?)```", section, re.DOTALL)
    decoded = decode(sample, {"ORCH_SERVICES__VENDOR__API_KEY": "sk-vendor"})
    assert not decoded.faults
    rig.settings.current = decoded.settings
    rig.gateway.use_adapter(
        PromisedApi(
            transcriber=Transcriber(fetch=rig.gateway.fetch, settings=rig.settings),
            translator=Translator(fetch=rig.gateway.fetch, settings=rig.settings),
            settings=rig.settings,
        )
    )


async def transcribe(rig: GatewayRig) -> Browser:
    headers, body = upload()
    own = [(b"host", b"front.example"), (b"authorization", b"Bearer client"), *headers]
    browser = Browser("POST", "/api/audio/transcribe", body, headers=own, client=("203.0.113.9", 5))
    await rig.gateway.proxy(browser.scope, browser.receive, browser.send)
    return browser


async def test_both_machines_then_the_vendor_with_its_own_key_and_model() -> None:
    """In the same shape, marked; and the limit of an address holds for all of it."""
    first: list[bytes] = []
    second: list[bytes] = []
    vendor: list[bytes] = []
    async with gateway_rig(running=False) as rig:
        configure(rig)
        servers = rig.network.servers
        servers["gpu-1:8000"] = answering(answer(OPENAI), seen=first)
        servers["gpu-2:8000"] = answering(answer(OPENAI), seen=second)
        servers["api.openai.com:443"] = answering(answer(OPENAI), seen=vendor)
        for _ in range(4):
            browser = await transcribe(rig)
            assert (browser.status, browser.headers[b"x-gateway-service"]) == (200, b"audio-service")
            assert b"x-gateway-fallback" not in browser.headers
            assert browser.headers[b"ratelimit-policy"] == b'"per-address";q=60;w=60'
        assert len(first) == len(second) == 2
        del servers["gpu-1:8000"]
        browser = await transcribe(rig)
        assert (browser.status, b"x-gateway-fallback" in browser.headers) == (200, False)
        del servers["gpu-2:8000"]
        browser = await transcribe(rig)
        assert browser.status == 200
        assert browser.headers[b"x-gateway-fallback"] == b"service"
        assert browser.headers[b"x-gateway-service"] == b"vendor"
        assert json.loads(browser.body)["text"] == "Hello there. Good morning."
        [request] = vendor
        assert request.startswith(b"POST /v1/audio/transcriptions HTTP/1.1\r\n")
        assert b"authorization: Bearer sk-vendor" in request
        assert b"Bearer client" not in request
        assert b"whisper-1" in request
        assert b"faster-whisper-small" not in request
        for _ in range(60):
            browser = await transcribe(rig)
        assert browser.status == 429
        await trio.lowlevel.checkpoint()


async def test_a_vendor_that_refuses_is_no_response_for_the_client() -> None:
    """The client gets the failure of the route's own service, and no word of the vendor's key."""
    async with gateway_rig(running=False) as rig:
        configure(rig)
        refusal = {"error": {"message": "Incorrect API key provided: sk-vendor."}}
        rig.network.servers["api.openai.com:443"] = answering(answer(refusal, b"401 Unauthorized"))
        browser = await transcribe(rig)
        assert browser.status == 503
        assert json.loads(browser.body)["service"] == "audio-service"
        assert b"sk-vendor" not in browser.body


async def test_services_of_any_name_are_asked_in_their_dialect_on_the_two_paths_alone() -> None:
    """Transcription of a dialect that transcribes; all else is forwarded as it is."""
    async with gateway_rig(running=False) as rig:
        configure(rig)
        adapts = PromisedApi(
            transcriber=Transcriber(fetch=rig.gateway.fetch, settings=rig.settings),
            translator=Translator(fetch=rig.gateway.fetch, settings=rig.settings),
            settings=rig.settings,
        ).adapts
        assert adapts("vendor", "POST", "/api/transcribe")
        assert adapts("vendor", "POST", "/api/translate")
        assert adapts("audio-service", "POST", "/api/transcribe")
        assert not adapts("audio-service", "POST", "/api/translate")
        assert not adapts("translation-service", "POST", "/api/transcribe")
        assert not adapts("vendor", "GET", "/api/transcribe")
        assert not adapts("vendor", "POST", "/api/models")
        assert not adapts("nobody", "POST", "/api/transcribe")
