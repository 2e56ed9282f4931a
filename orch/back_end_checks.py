"""``orch check --ask``: test requests to each back end, over the same code path as captions.

A check of the settings shows that they can be read; that a key is accepted, that the model is there and that
the language pair is known shows only in an answer.
"""

import wave
from collections.abc import Callable
from importlib.resources import files
from typing import Final

import msgspec
import trio

from orch.gateway.service import GatewayService
from orch.health.answers import in_words
from orch.health.probes import open_client, probe
from orch.health.verdict import Seen
from orch.masking import mask_url
from orch.problems import ProblemError
from orch.settings import Service, Settings
from orch.speech.back_end import BackEnd
from orch.speech.backends import AUDIO, TRANSLATION
from orch.speech.outcomes import describe_refusal
from orch.speech.transcriber import Transcriber
from orch.speech.translator import Pairs, Translator
from orch.telemetry.events import EventLog
from orch.telemetry.metrics import Metrics
from orch.telemetry.topics import Topics

PATIENCE: Final = 60.0
"""Seconds for one question: an engine may load its model at the first one."""

MOST_PAIRS: Final = 5
TEXT: Final = "Good morning."
SHOWN: Final = 80  # characters of an answer

Say = Callable[[str], None]


class _Held:
    """Settings with one instance of each service."""

    def __init__(self, settings: Settings) -> None:
        self.current = settings


class _Trusting:
    """A health service without state: every instance counts as usable."""

    def is_usable(self, service: str, url: str) -> bool:  # noqa: ARG002 - what the gateway calls
        return True

    def note_failure(self, service: str, url: str, reason: str) -> None:
        """Ignore it: the response shows the failure."""


async def ask_all(settings: Settings, say: Say) -> bool:
    """Test each instance of each back end once and print the results. Return whether all succeeded."""
    is_well = True
    for name, service in settings.services.items():
        for instance in service.all_instances():
            alone = msgspec.structs.replace(service, url=instance.url, instances=())
            subject = f"{name} at {mask_url(instance.url)}"

            def say_of(words: str, subject: str = subject) -> None:
                say(f"{subject} {words}.")

            is_well &= await _look(name, alone, settings, say_of)
            if name in (AUDIO, TRANSLATION):
                is_well &= await _ask(name, alone, settings, say_of)
    return is_well


async def _look(name: str, service: Service, settings: Settings, say: Say) -> bool:
    patience = settings.orchestration.monitoring.health_check_timeout
    async with open_client() as client:
        seen = await probe(client, name, service, service.url, patience=patience, limit=patience)
    if seen.seen is Seen.GOOD:
        say(f"is up: its health check took {in_words(seen.elapsed or 0.0)}")
        return True
    say("fails its health check: " + "; ".join(seen.reasons))
    return False


async def _ask(name: str, service: Service, settings: Settings, say: Say) -> bool:
    held = _Held(msgspec.structs.replace(settings, services={**settings.services, name: service}))
    gateway = GatewayService(
        settings=held,
        health=_Trusting(),
        events=EventLog(wall=trio.current_time),
        topics=Topics(),
        metrics=Metrics(),
    )
    if name == AUDIO:
        transcriber = Transcriber(fetch=gateway.fetch, settings=held)
        back_end = transcriber.back_end
    else:
        translator = Translator(fetch=gateway.fetch, settings=held)
        back_end = translator.back_end
    try:
        with trio.fail_after(PATIENCE):
            if name == AUDIO:
                return await _transcribe(transcriber, say)
            return await _translate(translator, say)
    except trio.TooSlowError:
        say(f"did not answer within {in_words(PATIENCE)}")
    except ProblemError as error:
        say(_refusal(back_end, error))
    return False


def _refusal(back_end: BackEnd, error: ProblemError) -> str:
    if back_end.last_status is None:
        return f"could not be tested: {error.detail.rstrip('.')}"
    return describe_refusal(back_end.name, error, back_end.last_status)


async def _transcribe(transcriber: Transcriber, say: Say) -> bool:
    """Send five seconds of English speech."""
    with files("orch.speech").joinpath("sample.wav").open("rb") as file, wave.open(file) as reader:
        rate, pcm = reader.getframerate(), reader.readframes(reader.getnframes())
    seconds, began = len(pcm) / 2 / rate, trio.current_time()
    heard = await transcriber.transcribe(pcm, sample_rate=rate, language="en", session_id="check")
    took = in_words(trio.current_time() - began)
    if not heard.text:
        say(f"recognised nothing in {seconds:.1f} s of English speech; does its model support English?")
        return False
    say(f"transcribed {seconds:.1f} s of speech in {took}: {_shown(heard.text)}")
    return True


async def _translate(translator: Translator, say: Say) -> bool:
    """Translate a greeting in some of the offered language pairs, or from English into Spanish."""
    pairs = await translator.languages()
    asked = [("en", "es")] if pairs is None else _some(pairs)
    if not asked:
        say("offers no language pair")
        return False
    if pairs is not None:
        count = sum(len(targets) for targets in pairs.targets.values())
        say(f"offers {count} language {'pair' if count == 1 else 'pairs'}")
    for source, target in asked:
        began = trio.current_time()
        translated = await translator.translate(TEXT, source=source, target=target, session_id="check")
        took = in_words(trio.current_time() - began)
        say(f"translated {TEXT!r} from {source} into {target} in {took}: {_shown(translated.text)}")
    return True


def _some(pairs: Pairs) -> list[tuple[str, str]]:
    """Choose language pairs to test: those from English if any, else the first of each source language."""
    english = next((source for source in pairs.targets if source.lower().split("-")[0] == "en"), None)
    if english is not None and pairs.targets[english]:
        return [(english, target) for target in pairs.targets[english][:MOST_PAIRS]]
    return [(source, targets[0]) for source, targets in pairs.targets.items() if targets][:MOST_PAIRS]


def _shown(text: str) -> str:
    line = "".join(character for character in " ".join(text.split()) if character.isprintable())
    return repr(line if len(line) <= SHOWN else line[: SHOWN - 1] + "…")
