"""Commands to meeting bots over HTTP: pause, resume, chat, speak, language, webcam."""

from typing import Annotated, Final

from msgspec import Meta, Struct
from quart import Blueprint, Response, request
from quart_schema import document_request, document_response

from orch.bots.control import BotsControl
from orch.bots.requests import LanguagesChange, WebcamChange
from orch.bots.shown import BotShown
from orch.bots.states import COMMANDS
from orch.problems import ProblemError
from orch.web import bot_forms
from orch.web.audit import log_change
from orch.web.bot_forms import read_bot_id
from orch.web.bot_speech import BotSpeech
from orch.web.json_api import json_response, read_json
from orch.web.time_limits import command_limit, store_limit

BYTES_A_SECOND: Final = 32_000


class ChatMessage(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a bot writes in the meeting's chat."""

    text: Annotated[str, Meta(min_length=1, max_length=bot_forms.LONGEST_CHAT)]


class Speaking(Struct, frozen=True, kw_only=True):
    """The bot speaks. ``seconds``: the length of what it says."""

    seconds: float
    bot: BotShown


def blueprint(bots: BotsControl) -> Blueprint:
    """Return the routes."""
    api = Blueprint("bot_commands", __name__, url_prefix="/api/bots")
    speech = BotSpeech()

    @api.post("/<bot_id>/pause")
    @document_response(BotShown)
    async def pause(bot_id: str) -> Response:
        """Have a bot stay in its meeting and capture nothing."""
        with command_limit():
            bot = await bots.pause(read_bot_id(bot_id))
        log_change("bot paused", bot_id=bot.bot_id)
        return json_response(bot)

    @api.post("/<bot_id>/resume")
    @document_response(BotShown)
    async def resume(bot_id: str) -> Response:
        """Have a paused bot capture again."""
        with command_limit():
            bot = await bots.resume(read_bot_id(bot_id))
        log_change("bot resumed", bot_id=bot.bot_id)
        return json_response(bot)

    @api.post("/<bot_id>/chat")
    @document_request(ChatMessage)
    @document_response(BotShown)
    async def chat(bot_id: str) -> Response:
        """Write in the meeting's chat."""
        bot_id = read_bot_id(bot_id)
        text = bot_forms.checked_chat((await read_json(ChatMessage)).text)
        with command_limit():
            bot = await bots.chat(bot_id, text)
        log_change("bot wrote", bot_id=bot.bot_id)
        return json_response(bot)

    @api.post("/<bot_id>/speak")
    @document_response(Speaking, 202)
    async def speak(bot_id: str) -> Response:
        """Play a recording as the bot's microphone: WAV or any usual format, up to 120 s and 16 MiB.

        There is no speech synthesis: a text is refused.
        """
        bot_id = read_bot_id(bot_id)
        with store_limit():
            before = (await bots.get(bot_id)).bot
        _require(before, "speak")  # before its recording is read
        pcm = await speech.read(request)
        with command_limit():
            bot = await bots.speak(bot_id, pcm)
        seconds = round(len(pcm) / BYTES_A_SECOND, 3)
        log_change("bot spoke", bot_id=bot.bot_id, seconds=seconds)
        return json_response(Speaking(seconds=seconds, bot=bot), status=202)

    @api.post("/<bot_id>/language")
    @document_request(LanguagesChange)
    @document_response(BotShown)
    async def language(bot_id: str) -> Response:
        """Change languages of a bot; what is left out stays."""
        bot_id = read_bot_id(bot_id)
        change = bot_forms.checked_languages(await read_json(LanguagesChange))
        with command_limit():
            bot = await bots.change_languages(bot_id, change)
        log_change("bot's languages changed", bot_id=bot.bot_id)
        return json_response(bot)

    @api.patch("/<bot_id>/webcam")
    @document_request(WebcamChange)
    @document_response(BotShown)
    async def webcam(bot_id: str) -> Response:
        """Change how the camera looks, or switch it on or off; what is left out stays."""
        bot_id = read_bot_id(bot_id)
        change = bot_forms.checked_webcam(await read_json(WebcamChange))
        with command_limit():
            bot = await bots.change_webcam(bot_id, change)
        log_change("bot's camera changed", bot_id=bot.bot_id)
        return json_response(bot)

    return api


def _require(bot: BotShown, command: str) -> None:
    """Raise ``wrong_bot_state`` if a bot's state does not allow a command."""
    if command not in bot.can:
        expected = sorted(COMMANDS[command])
        raise ProblemError(
            "wrong_bot_state",
            f"The bot is {bot.state}; {command} needs one of {', '.join(expected)}.",
            command=command,
            state=bot.state,
            expected=expected,
        )
