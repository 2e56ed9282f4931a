"""A command to a bot as a value, which can be sent to the worker that runs it."""

from typing import Literal

from msgspec import Struct

from orch.bots.requests import LanguagesChange, WebcamChange
from orch.bots.runs.commands import Commands, check_state
from orch.bots.states import FINAL, State
from orch.problems import ProblemError


class Order(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A command. ``text``: to write; ``pcm``: to say, 16-bit mono at 16 kHz; the rest: of its command."""

    bot_id: str
    name: Literal["pause", "resume", "chat", "speak", "language", "webcam"]
    text: str = ""
    pcm: bytes = b""
    languages: LanguagesChange = LanguagesChange()
    webcam: WebcamChange = WebcamChange()


def check_order(name: str, state: State) -> None:
    """Raise ``wrong_bot_state``, or ``camera_off``, if a bot in this state cannot carry out a command."""
    if name != "webcam":
        check_state(name, state)
    elif state in FINAL:
        raise ProblemError("camera_off", "The bot has ended.")


async def carry_out(commands: Commands, order: Order) -> None:
    """Carry out a command for a bot that runs here."""
    match order.name:
        case "pause":
            await commands.pause()
        case "resume":
            await commands.resume()
        case "chat":
            await commands.chat(order.text)
        case "speak":
            await commands.speak(order.pcm)
        case "language":
            await commands.change_languages(order.languages)
        case "webcam":
            await commands.change_webcam(order.webcam)
