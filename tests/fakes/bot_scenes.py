"""Bots for the pages to show, as the service's own structs: in every state, none, many, and hostile ones."""

from collections import Counter
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from orch.bots.ends import ENDS, EndReason
from orch.bots.requests import Languages, Recording
from orch.bots.shown import (
    BotLive,
    BotsCounted,
    BotShown,
    BotsListed,
    EndShown,
    LineShown,
    MediaShown,
    QualityShown,
    SpeakerShown,
)
from orch.bots.states import COMMANDS, FINAL, IN_CALL, Stage, State
from orch.bots.webcam.appearance import Appearance

HOSTILE: Final = '<img src=x onerror="document.title=1">'
LONG: Final = "Wolfeschlegelsteinhausenbergerdorff-the-Second-of-Ashbury (live captions in all languages)"
DEMO: Final = "http://127.0.0.1:39999/abc-defg-hij"
MISSING: Final = (
    "Chromium is not installed. Debian: apt-get install chromium; or set bots.chromium to where it is."
)


def bot(now: float, name: str, state: State, number: int = 1, **more: Any) -> BotShown:
    """Return a bot; its id is ``bot-STATE-NUMBER``."""
    was_in = state in IN_CALL or state in {State.LEAVING, State.RECOVERING, State.ENDED}
    given: dict[str, Any] = {
        "bot_id": f"bot-{state.value}-{number}",
        "session_id": f"bot-session-{state.value}-{number}",
        "name": name,
        "meeting_url": "https://meet.google.com/abc-defg-hij",
        "state": state,
        "since": now - 40 * number,
        "requested_at": now - 40 * number - 900,
        "revision": 5,
        "can": tuple(command for command, states in COMMANDS.items() if state in states),
        "admitted_at": now - 40 * number - 860 if was_in else None,
        "ended_at": now - 40 * number if state in FINAL else None,
        "languages": Languages(spoken="es", targets=("en", "de"), camera="en"),
        "camera": Appearance(),
        "people": 4 if was_in and state is not State.ENDED else 0,
        "utterances": 212 if was_in else 0,
    }
    return BotShown(**given | more)


def ended(now: float, reason: EndReason, stage: Stage, number: int, **more: Any) -> BotShown:
    """Return a bot that ended for a reason."""
    end = ENDS[reason]
    shown = EndShown(reason=reason, stage=stage, sentence=end.sentence, has_evidence=end.has_evidence)
    return bot(now, f"Captions {number}", end.state, number, end=shown, **more)


def _full(now: float) -> tuple[BotShown, ...]:
    leaving = EndShown(
        reason=EndReason.LEFT_ON_REQUEST,
        stage=Stage.MEETING,
        sentence=ENDS[EndReason.LEFT_ON_REQUEST].sentence,
    )
    return (
        bot(now, "Live captions (bot)", State.CAPTURING),
        bot(now, "Team captions", State.PAUSED, 2),
        bot(now, "Board meeting", State.IN_CALL_NOT_RECORDING, 3, recording=Recording(audio="both")),
        bot(now, "Sales call", State.WAITING_IN_LOBBY, 4),
        bot(now, "Interview", State.JOINING, 5),
        bot(now, "All hands", State.STARTING, 6),
        bot(now, "Retro", State.RECOVERING, 7, recoveries=1, lost_to=EndReason.BROWSER_CRASHED),
        bot(now, "Stand-up", State.LEAVING, 8, end=leaving),
        bot(now, "Support", State.REQUESTED, 9, position=1),
        bot(now, "Support 2", State.REQUESTED, 10, position=2),
        bot(now, "Weekly", State.SCHEDULED, 11, due_at=now + 7200, camera=None),
        ended(now, EndReason.MEETING_ENDED, Stage.MEETING, 12),
        ended(now, EndReason.NEVER_ADMITTED, Stage.LOBBY, 13),
        ended(now, EndReason.PAGE_CHANGED, Stage.JOIN, 14),
        bot(now, "", State.DATA_DELETED, 15, meeting_url="", camera=None, end=None),
    )


def _crowded(now: float) -> tuple[BotShown, ...]:
    active = [bot(now, f"Bot {number} of many", State.CAPTURING, number) for number in range(80)]
    waiting = [bot(now, f"Waiting bot {n}", State.REQUESTED, n, position=n) for n in range(1, 41)]
    gone = [ended(now, EndReason.ALONE, Stage.MEETING, number) for number in range(200, 280)]
    return (*active, *waiting, *gone)


def listed(scene: str, now: float) -> BotsListed:
    """Return the bots of a scene."""
    if scene == "empty":
        return BotsListed(now=now, limit=10, running=0, waiting=0, bots=(), demo_meeting=DEMO)
    if scene == "broken":
        url = "https://meet.google.com/" + "a" * 900
        hostile = bot(now, HOSTILE, State.CAPTURING, meeting_url=url)
        long = bot(now, LONG, State.REQUESTED, 2, position=1)
        arabic = bot(now, "ترجمة حية للاجتماع الأسبوعي", State.WAITING_IN_LOBBY, 3)
        return BotsListed(
            now=now, limit=1, running=2, waiting=1, bots=(hostile, long, arabic), unavailable=MISSING
        )
    bots = _crowded(now) if scene == "crowded" else _full(now)
    running = sum(each.state not in FINAL | {State.REQUESTED, State.SCHEDULED} for each in bots)
    waiting = sum(each.state is State.REQUESTED for each in bots)
    limit = 80 if scene == "crowded" else 10
    return BotsListed(
        now=now, limit=limit, running=running, waiting=waiting, bots=bots, more=scene == "crowded"
    )


def counted(scene: str, now: float) -> BotsCounted:
    """Return how many bots a scene has."""
    found = listed(scene, now)
    failed = [each for each in found.bots if each.state is State.FAILED]
    return BotsCounted(
        now=now,
        limit=found.limit,
        queue_limit=500,
        running=found.running,
        waiting=found.waiting,
        states={str(state): number for state, number in Counter(each.state for each in found.bots).items()},
        unavailable=found.unavailable,
        last_failed=failed[0] if failed else None,
    )


_SAID: Final = (
    ("Ana García", "es", "Buenos días a todos.", {"en": "Good morning, everyone.", "de": "Guten Morgen."}),
    ("Ana García", "es", "Hoy hablamos del presupuesto.", {"en": "Today we talk about the budget."}),
    ("Ben Okafor", "en", "I can share my screen if you like.", {"de": "Ich kann meinen Bildschirm teilen."}),
    (None, "es", "Sí, por favor.", {"en": "Yes, please."}),
    ("محمد علي", "ar", "يجب أن نقرر الميزانية اليوم.", {"en": "We must decide the budget today."}),
    ("田中 さくら", "ja", "来週までに決めましょう。", {"en": "Let us decide by next week."}),
)


def lines(count: int = 14) -> tuple[LineShown, ...]:
    """Return what was said: six turns again and again; the last one still grows."""
    found = []
    for number in range(count):
        speaker, language, text, translations = _SAID[number % len(_SAID)]
        start = 6.0 * number
        found.append(
            LineShown(
                segment=f"t{number % 3}-{number}",
                revision=1,
                is_final=number < count - 1,
                text=text,
                start=start,
                end=start + 2 + len(text) / 20,
                speaker=speaker,
                speaker_id=speaker and f"p{_SAID.index(_SAID[number % len(_SAID)]) // 2}-{speaker}",
                language=language,
                confidence=0.93,
                translations=translations,
            )
        )
    return tuple(found)


def people(count: int = 4) -> tuple[SpeakerShown, ...]:
    """Return participants."""
    names = ["Ana García", "Ben Okafor", "محمد علي", "田中 さくら", *(f"Guest {n}" for n in range(count))]
    return tuple(
        SpeakerShown(
            id=f"p{n}",
            name=name,
            is_present=n != 1,
            is_speaking=n == 0,
            is_presenting=n == 2,
            spoke=31.5 * n,
        )
        for n, name in enumerate(names[:count])
    )


def live(scene: str, now: float, bot_id: str) -> BotLive | None:
    """Return one bot of a scene as its page shows it, or None."""
    found = next((each for each in listed(scene, now).bots if each.bot_id == bot_id), None)
    if found is None:
        return None
    was_in = found.admitted_at is not None
    quality = QualityShown(words=412, named=371, revised=2, offset=1.24, drift_ppm=-18.0)
    media = MediaShown(tracks=3, sound=861.0, lost=0.4, frames=310, memory=412_000_000, processor=0.27)
    return BotLive(
        bot=found,
        is_here=found.state not in FINAL,
        people=people() if was_in else (),
        lines=lines() if was_in else (),
        quality=quality if was_in else QualityShown(),
        media=media if was_in else MediaShown(),
        camera_frame=7 if found.state in IN_CALL else 0,
    )


def changed(shown: BotLive, **more: Any) -> BotLive:
    """Return a bot whose own fields have changed."""
    return replace(shown, bot=replace(shown.bot, **more))


def plain(shown: BotLive | BotsListed) -> Any:
    """Return it as the topic has it."""
    return msgspec.to_builtins(shown)
