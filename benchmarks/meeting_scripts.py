"""Scripts of meetings for the meeting sandbox, from a seed. Pure."""

import json
import random
from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import Any, Final, Literal

from orch.sandbox.meeting.script import Clip

NAMES: Final = (
    "Ana Lima",
    "Ben Okoro",
    "Chloé Martin",
    "Dmitri Sokolov",
    "Emre Yildiz",
    "Fatima Zahra",
    "Goran Petrović",
    "Hana Sato",
)
Mode = Literal["per_speaker", "rotating", "mixed"]

TWO: Final = (("awb-01", "awb-02", "awb-03"), ("rms-04", "rms-05", "rms-06"))
PARTS: Final = (
    ("awb-01", "awb-02"),
    ("rms-03", "rms-04"),
    ("slt-05", "slt-06"),
    ("librivox-01", "librivox-02"),
    ("librivox-03", "librivox-06"),
    ("librivox-07", "librivox-08"),
    ("dhd-01", "dhd-03"),
    ("kal16-01", "kal16-04"),
)
"""What each of two, or of more people says, again and again (tests/data/voices); the eighth says what the
first and the second say, too."""

OVERLAPPING: Final = 0.15
"""Share of turns in which somebody begins before the one before has ended."""

FIRST: Final = 1.0
"""Seconds from the meeting's start to the first word."""


def script(
    clips: Mapping[str, Clip],
    *,
    speakers: int,
    mode: Mode,
    seconds: float,
    delay: float,
    seed: int,
    code: str,
    loss: float = 0.1,
    leak: float = 0.15,
) -> str:
    """Return the script of a meeting in which ``speakers`` people speak for about ``seconds``.

    ``delay``: of captions, seconds; ``loss``: share of their revisions that never arrive.
    """
    chance = random.Random(seed)
    people = [{"id": f"p{number}", "name": NAMES[number]} for number in range(speakers)]
    people[0]["is_host"] = True  # type: ignore[assignment]
    texts = [cycle(each) for each in (TWO if speakers == len(TWO) else PARTS)]
    says: list[dict[str, Any]] = []
    at, last = FIRST, -1
    while at < seconds:
        who = chance.choice([each for each in range(speakers) if each != last])
        clip = next(texts[who])
        gap = -0.8 if says and chance.random() < OVERLAPPING else chance.uniform(0.3, 1.2)
        start = {"at": at} if not says else {"gap": round(gap, 2)}
        says.append({"who": people[who]["id"], "clip": clip, **start})
        at += (clips[clip].seconds or 0.0) + (gap if len(says) > 1 else 0.0)
        last = who
    return json.dumps(
        {
            "name": f"{speakers} speakers, {mode}",
            "code": code,
            "seed": seed,
            "class_names": seed,
            "reopens": False,
            "entry": {"button": "join_now"},
            "participants": people,
            "says": says,
            "captions": {
                "route": "both",
                "delay": delay,
                "jitter": 0.2,
                "loss": loss,
                "corrections": 0.05,
                "splits": 0.15,
                "interface": [{"at": 4, "text": "Your microphone is muted"}],
            },
            "marks": {"leak": leak},
            "channels": {"mode": mode, "size": min(3, speakers)},
        },
        ensure_ascii=False,
        indent=1,
    )


def code_of(number: int) -> str:
    """Return a meeting's code, a different one for each number."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    digits: Sequence[str] = [letters[number // 26**place % 26] for place in range(4)]
    return f"bnc-{''.join(digits)}-row"
