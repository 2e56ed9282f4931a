"""Judges a synthetic journey: a second of speech from a user's connection to its caption. Pure."""

from collections.abc import Sequence
from typing import Final, Literal
from urllib.parse import urlsplit

from msgspec import Struct

from orch.health import maintenance
from orch.settings import Settings
from orch.speech.requests import AUDIO

Step = Literal["session", "connection", "join", "speech"]
"""What a journey has reached: there is a session, a connection, a participant in it, an open stream."""

Outcome = Literal[
    "captioned",
    "no_session",
    "no_connection",
    "not_joined",
    "speech_refused",
    "speech_lost",
    "no_caption",
    "not_judged",
]

_MISSING: Final[dict[Step | None, tuple[Outcome, str]]] = {
    None: ("no_session", "no session was created"),
    "session": ("no_connection", "no connection was accepted at /ws"),
    "connection": ("not_joined", "the session could not be joined"),
    "join": ("speech_refused", "no speech was accepted"),
    "speech": ("no_caption", "no final caption arrived"),
}


class Walked(Struct, frozen=True, kw_only=True):
    """What happened on a journey. Moments are a monotonic clock's.

    ``reached``: the last step that succeeded; None: none. ``spoken_at``: when the last sample of the speech
    was sent; ``captioned_at``: when a final caption with words was received. ``is_lost``: the service
    reported that the speech will not be transcribed. ``reason``: the last error that a user would have seen,
    as a sentence. ``is_disturbed``: meanwhile this process was suspended, began to shut down, or
    had no reason any more to make journeys.
    """

    reached: Step | None = None
    spoken_at: float | None = None
    captioned_at: float | None = None
    is_lost: bool = False
    reason: str = ""
    is_disturbed: bool = False


class Verdict(Struct, frozen=True, kw_only=True):
    """The result of a journey.

    ``is_success``: None if it says nothing about the service. ``caption_seconds``: from the end of the speech
    to its caption; None without one. ``reason``: why there is no caption, a clause without a full stop.
    """

    outcome: Outcome
    is_success: bool | None
    caption_seconds: float | None = None
    reason: str = ""


def judge(walked: Walked, *, within: float) -> Verdict:
    """Judge a journey that had ``within`` seconds.

    A caption counts whatever else happened. Without one, a journey during which this process was suspended or
    began to shut down says nothing about the service.
    """
    if walked.captioned_at is not None:
        ended = walked.captioned_at if walked.spoken_at is None else walked.spoken_at
        seconds = max(0.0, walked.captioned_at - ended)
        return Verdict(outcome="captioned", is_success=True, caption_seconds=seconds)
    if walked.is_disturbed:
        return Verdict(outcome="not_judged", is_success=None)
    outcome, missing = _MISSING[walked.reached]
    if walked.is_lost:
        outcome, missing = "speech_lost", "the speech was given up"
    detail = walked.reason.strip().rstrip(".") or f"{within:g} s had passed"
    return Verdict(outcome=outcome, is_success=False, reason=f"{missing}: {detail}")


def reason_off(settings: Settings, url: str | None, now: float) -> str:
    """Return why no journeys are made, as a sentence; empty: they are.

    ``url``: where this process accepts connections; None: it is not known. ``now``: seconds since the epoch.
    """
    journey = settings.orchestration.monitoring.journey
    service = settings.services.get(AUDIO)
    if journey.enabled == "off":
        return "It is switched off (orchestration.monitoring.journey.enabled)."
    if service is None:
        return f"The settings have no {AUDIO}."
    if journey.enabled == "auto" and service.is_paid:
        return (
            f"Each request to {AUDIO} may cost money. Set orchestration.monitoring.journey.enabled to "
            '"on" to send it a second of speech at each interval nevertheless.'
        )
    window = maintenance.current(service.maintenance, now)
    if window is not None:
        return f"The {AUDIO} is not judged now: {window.words}."
    if url is None:
        return "This process does not accept connections itself at an address that it knows."
    return ""


def own_address(own: Sequence[str], bound: Sequence[str]) -> str | None:
    """Return the address to connect to from this machine; None if there is none.

    ``own``: the addresses at which only this process accepts connections, ``bound``: all of them, such as
    ``http://0.0.0.0:3000``. An address that means every interface becomes the one of loopback.
    """
    for each in (*own, *bound):
        parts = urlsplit(each)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            continue
        host = _LOOPBACK.get(parts.hostname, parts.hostname)
        return f"{parts.scheme}://{f'[{host}]' if ':' in host else host}:{parts.port}"
    return None


_LOOPBACK: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - nothing is bound here
