"""``orch check --ask``: test requests to each back end, over the same code path as captions.

A check of the settings finds invalid values; only a response shows that the key is accepted, the model exists
and the language pair is supported.
"""

import wave
from collections.abc import Callable
from importlib.resources import files
from typing import Final

import msgspec
import trio

from orch.gateway.service import GatewayService
from orch.health.check_response import in_words
from orch.health.probes import open_client, probe
from orch.health.verdict import Finding, Presence
from orch.masking import mask_url
from orch.problems import ProblemError
from orch.settings import Service, Settings
from orch.speech.back_end import BackEnd
from orch.speech.dialects.live import Sound
from orch.speech.live_transcriber import NOTHING_NEW, LiveRequest
from orch.speech.outcomes import describe_refusal
from orch.speech.requests import AUDIO, TRANSLATION
from orch.speech.transcriber import Transcriber
from orch.speech.translator import Pairs, Translator
from orch.telemetry.events import EventLog
from orch.telemetry.metrics import Metrics
from orch.telemetry.topics import Topics

PATIENCE: Final = 60.0
"""Seconds for one request: an engine may load its model at the first one."""

MOST_PAIRS: Final = 5
TEXT: Final = "Good morning."
SHOWN: Final = 80  # characters of a response

Report = Callable[[str], None]


class _FixedSettings:
    """Settings with one instance of each service."""

    def __init__(self, settings: Settings) -> None:
        self.current = settings


class _AllUsable:
    """A health service without state: every instance counts as usable."""

    def is_usable(self, service: str, url: str) -> bool:  # noqa: ARG002 - what the gateway calls
        return True

    def presence(self, service: str, url: str) -> Presence:  # noqa: ARG002 - what the gateway calls
        return "unknown"

    def label(self, service: str, url: str) -> str:  # noqa: ARG002 - what the gateway calls
        return mask_url(url)

    def note_failure(self, service: str, url: str, reason: str) -> None:
        """Ignore it: the response shows the failure."""


async def check_all(settings: Settings, report: Report) -> bool:
    """Test each instance of each back end once and print the results. Return whether all succeeded."""
    is_good = True
    for name, service in settings.services.items():
        for instance in service.all_instances():
            alone = msgspec.structs.replace(service, url=instance.url, instances=())
            subject = f"{name} at {mask_url(instance.url)}"

            def report_of(words: str, subject: str = subject) -> None:
                report(f"{subject} {words}.")

            is_good &= await _check_health(name, alone, settings, report_of)
            if name in (AUDIO, TRANSLATION):
                is_good &= await _test(name, alone, settings, report_of)
    return is_good


async def _check_health(name: str, service: Service, settings: Settings, report: Report) -> bool:
    patience = settings.orchestration.monitoring.health_check_timeout
    async with open_client() as client:
        result = await probe(client, name, service, service.url, patience=patience, limit=patience)
    if result.finding is Finding.GOOD:
        report(f"is up: its health check took {in_words(result.elapsed or 0.0)}")
        return True
    report("fails its health check: " + "; ".join(result.reasons))
    return False


async def _test(name: str, service: Service, settings: Settings, report: Report) -> bool:
    fixed = _FixedSettings(msgspec.structs.replace(settings, services={**settings.services, name: service}))
    gateway = GatewayService(
        settings=fixed,
        health=_AllUsable(),
        events=EventLog(wall=trio.current_time),
        topics=Topics(),
        metrics=Metrics(),
    )
    if name == AUDIO:
        transcriber = Transcriber(fetch=gateway.fetch, settings=fixed)
        back_end = transcriber.back_end
    else:
        translator = Translator(fetch=gateway.fetch, settings=fixed)
        back_end = translator.back_end
    try:
        with trio.fail_after(PATIENCE):
            if name == AUDIO:
                is_good = await _transcribe(transcriber, report)
                return is_good and (not service.is_streaming or await try_socket(transcriber, report))
            return await _translate(translator, report)
    except trio.TooSlowError:
        report(f"did not respond within {in_words(PATIENCE)}")
    except ProblemError as error:
        report(_refusal(back_end, error))
    return False


def _refusal(back_end: BackEnd, error: ProblemError) -> str:
    if back_end.last_status is None:
        return f"could not be tested: {error.detail.rstrip('.')}"
    return describe_refusal(back_end.name, error, back_end.last_status)


async def _transcribe(transcriber: Transcriber, report: Report) -> bool:
    """Send five seconds of English speech."""
    pcm, rate = _sample()
    seconds, began = len(pcm) / 2 / rate, trio.current_time()
    transcript = await transcriber.transcribe(pcm, sample_rate=rate, language="en", session_id="check")
    took = in_words(trio.current_time() - began)
    if not transcript.text:
        report(f"recognised nothing in {seconds:.1f} s of English speech; does its model support English?")
        return False
    report(f"transcribed {seconds:.1f} s of speech in {took}: {_shown(transcript.text)}")
    return True


async def try_socket(transcriber: Transcriber, report: Report) -> bool:
    """Send the same speech over the WebSocket. Return whether it was recognised."""
    pcm, rate = _sample()
    began = trio.current_time()
    live = transcriber.live("en")
    error: ProblemError | None = None
    transcript = NOTHING_NEW
    async with trio.open_nursery() as nursery:
        await nursery.start(live.run)
        sound = Sound(0, len(pcm) // 2, pcm)
        try:
            transcript = await live.transcribe(LiveRequest(1, sound, is_final=True))
        except ProblemError as caught:  # raised here, it would leave in a group
            error = caught
        nursery.cancel_scope.cancel()
    if error is not None:
        report(f"fails over its WebSocket: {error.detail.rstrip('.')}")
        return False
    took = in_words(trio.current_time() - began)
    if not transcript.text:
        report(f"recognised nothing in {len(pcm) / 2 / rate:.1f} s of English speech over its WebSocket")
        return False
    report(f"transcribed it over its WebSocket in {took}: {_shown(transcript.text)}")
    return True


def _sample() -> tuple[bytes, int]:
    """Return five seconds of English speech, and its sample rate."""
    with files("orch.speech").joinpath("sample.wav").open("rb") as file, wave.open(file) as reader:
        return reader.readframes(reader.getnframes()), reader.getframerate()


async def _translate(translator: Translator, report: Report) -> bool:
    """Translate a greeting in some of the offered language pairs, or from English into Spanish."""
    pairs = await translator.languages()
    chosen = [("en", "es")] if pairs is None else _chosen(pairs)
    if not chosen:
        report("offers no language pair")
        return False
    if pairs is not None:
        count = sum(len(targets) for targets in pairs.targets.values())
        report(f"offers {count} language {'pair' if count == 1 else 'pairs'}")
    for source, target in chosen:
        began = trio.current_time()
        translated = await translator.translate(TEXT, source=source, target=target, session_id="check")
        took = in_words(trio.current_time() - began)
        report(f"translated {TEXT!r} from {source} into {target} in {took}: {_shown(translated.text)}")
    return True


def _chosen(pairs: Pairs) -> list[tuple[str, str]]:
    """Choose language pairs to test: those from English if any, else the first of each source language."""
    english = next((source for source in pairs.targets if source.lower().split("-")[0] == "en"), None)
    if english is not None and pairs.targets[english]:
        return [(english, target) for target in pairs.targets[english][:MOST_PAIRS]]
    return [(source, targets[0]) for source, targets in pairs.targets.items() if targets][:MOST_PAIRS]


def _shown(text: str) -> str:
    line = "".join(character for character in " ".join(text.split()) if character.isprintable())
    return repr(line if len(line) <= SHOWN else line[: SHOWN - 1] + "…")
