"""What may be on a tape: nothing that is said while the bot does not listen. Pure.

Before the bot listens for the first time, lines about participants are held back; if it never does, the tape
stays empty. While it is paused, captions, participants' chat and speaking marks are left out. Captions that
stood on the page then are left out afterwards, too, as long as they stand there: their text has what was said
in the pause. So what a replay gives around a pause can be less than what the bot has noted.
"""

from collections import deque
from collections.abc import Iterator
from typing import Final

from msgspec.structs import replace

from orch.bots.caption_blocks import Block
from orch.bots.observations import CaptionReceived, CaptionsSeen, ChatSeen, MarksSeen
from orch.bots.tapes.lines import Capturing, Line, Missed

HELD: Final = 65_536
"""Lines that are held back before the bot listens."""

OPENING: Final = 24
"""Characters by whose equality a block without a key is known again."""

REMEMBERED: Final = 4_096
"""Captions of pauses that are known."""

_Said = CaptionsSeen | CaptionReceived | ChatSeen | MarksSeen


class Discretion:
    """The mutable state is whether the bot listens, the lines held back, and the captions of pauses."""

    def __init__(self) -> None:
        self._is_listening = False
        self._held: deque[Line] | None = deque()
        self._unheld = 0
        self._blocks: set[tuple[str, str]] = set()
        self._messages: dict[tuple[str, str], None] = {}

    def passed(self, line: Line) -> Iterator[Line]:
        """Yield what may be recorded now that ``line`` has come: nothing, it, or those before it as well."""
        if isinstance(line, Capturing):
            self._is_listening = line.is_on
            if line.is_on and self._held is not None:
                held, self._held = self._held, None
                if self._unheld:
                    yield Missed(lines=self._unheld)
                yield from held
        allowed = self._allowed(line)
        if allowed is None:
            return
        if self._held is None:
            yield allowed
        elif len(self._held) < HELD:
            self._held.append(allowed)
        else:
            self._unheld += 1

    def _allowed(self, line: Line) -> Line | None:
        if not self._is_listening:
            if isinstance(line, _Said) and not (isinstance(line, ChatSeen) and line.is_own):
                self._remember(line)
                return None
            return line
        match line:
            case CaptionsSeen(blocks=blocks):
                return self._without_pauses(line, blocks)
            case CaptionReceived(message=message) if (message.device, message.id) in self._messages:
                return None
        return line

    def _remember(self, line: _Said) -> None:
        match line:
            case CaptionsSeen(blocks=blocks):
                self._blocks = {_identity(block) for block in blocks}
            case CaptionReceived(message=message):
                self._messages[message.device, message.id] = None
                while len(self._messages) > REMEMBERED:
                    del self._messages[next(iter(self._messages))]

    def _without_pauses(self, line: CaptionsSeen, blocks: tuple[Block, ...]) -> CaptionsSeen:
        if not self._blocks:
            return line
        self._blocks &= {_identity(block) for block in blocks}
        return replace(line, blocks=tuple(each for each in blocks if _identity(each) not in self._blocks))


def _identity(block: Block) -> tuple[str, str]:
    return (block.key, "") if block.key else (block.speaker, block.text[:OPENING])
