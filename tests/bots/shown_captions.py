"""A page of captions that shows what was spoken, in every way a page may: the stand-in that tests observe."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from random import Random

from orch.bots.captions import Block

INTERFACE = (
    Block("i1", "", "arrow_downwardJump to bottom"),
    Block("i2", "Ann", "arrow_downward Zum Ende springen"),
    Block("i3", "Ben", "Live captions have been turned on"),
    Block("i4", "字幕", "字幕"),
    Block("i5", "Cho", "最新の字幕に移動"),
    Block("i6", "You", "I am the bot and this is my own caption"),
    Block("i7", "closed_caption_off", "closed_caption_off"),
    Block("i8", "Ann", "Ir a los subtítulos más recientes"),
)


@dataclass
class Ways:
    """How a page shows captions. Shares are of the steps; ``window``: blocks, ``visible``: words of each."""

    joint: str = " "
    window: int = 6
    visible: int = 14
    redraws: float = 0.08
    older: float = 0.06
    blank: float = 0.03
    splits: float = 0.05
    wrong: float = 0.1
    renames: float = 0.05
    interface: float = 0.1
    loss: float = 0.1
    counts_keys: bool = False


@dataclass
class Shown:
    """A block: which words it shows (places in ``words``), with those that are still wrong."""

    key: str
    speaker: str
    words: list[str]
    wrong: dict[int, str] = field(default_factory=dict)
    alias: str = ""

    def block(self, ways: Ways, place: int) -> Block:
        """Return it as the page shows it."""
        words = [self.wrong.get(position, word) for position, word in enumerate(self.words)]
        text = ways.joint.join(words[-ways.visible :])
        return Block(str(place) if ways.counts_keys else self.key, self.alias or self.speaker, text)


class ShownCaptions:
    """Shows turns (speaker, words), some at once, and yields what is observed: time and blocks."""

    def __init__(self, turns: Sequence[tuple[str, Sequence[str]]], ways: Ways, random: Random) -> None:
        self._turns, self._ways, self._random = list(turns), ways, random
        self._blocks: list[Shown] = []
        self._speaking: list[tuple[Shown, list[str]]] = []
        self._keys = 0
        self._is_plain = True
        self._lost = 0
        self.now = 100.0

    def observations(self) -> Iterator[tuple[float, list[Block]]]:
        """Yield (arrival, blocks) until all is said, and twice more what the page shows at the end."""
        speaking = self._speaking
        states: list[list[Block]] = []
        while self._turns or speaking:
            if not self._lost and self._chance(self._ways.redraws):
                self._redraw()
                yield self.now, self._picture()
            if self._turns and (not speaking or (len(speaking) == 1 and self._chance(0.15))):
                self._begin(speaking)
            place = self._random.randrange(len(speaking))
            shown, rest = speaking[place]
            self._grow(shown, rest)
            if not rest:
                yield from self._rest(states)
                speaking.pop(place)
            elif len(shown.words) > 4 and self._chance(self._ways.splits):
                speaking[place] = (self._split(shown), rest)
            states.append(self._picture())
            yield from self._observed(states)

    def _rest(self, states: list[list[Block]]) -> Iterator[tuple[float, list[Block]]]:
        """Show the corrected page for a while: no page takes a block away before it is right."""
        self._is_plain = False
        for shown in self._blocks:
            shown.wrong.clear()
            shown.alias = ""
        for _ in range(3):
            states.append(self._picture())
            yield from self._observed(states)
        self.now += self._random.choice((0.2, 0.2, 6.0))

    def _chance(self, share: float) -> bool:
        return self._random.random() < share

    def _begin(self, speaking: list[tuple[Shown, list[str]]]) -> None:
        busy = {shown.speaker for shown, _ in speaking}
        speaker, words = self._turns[0]
        if speaker not in busy:
            self._turns.pop(0)
            speaking.append((self._new(speaker), list(words)))

    def _new(self, speaker: str) -> Shown:
        self._keys += 1
        shown = Shown(f"k{self._keys}", speaker, [])
        self._blocks.append(shown)
        return shown

    def _grow(self, shown: Shown, rest: list[str]) -> None:
        for _ in range(self._random.randint(1, 2)):
            if rest:
                shown.words.append(rest.pop(0))
        last = len(shown.words) - 1
        before = (dict(shown.wrong), shown.alias)
        is_known = len(self._blocks) > 1 or len(shown.words) > 3
        if is_known and len(shown.wrong) < 2 and self._chance(self._ways.wrong):
            shown.wrong[last] = f"x{self._random.randrange(10**6)}"
        for position in list(shown.wrong):
            if position < last - 4 or self._chance(0.3):
                del shown.wrong[position]
        shown.alias = (
            "Dee" if not shown.alias and len(shown.words) > 3 and self._chance(self._ways.renames) else ""
        )
        self._is_plain = self._is_plain and before == (shown.wrong, shown.alias)

    def _split(self, shown: Shown) -> Shown:
        self._is_plain = False
        cut = self._random.randint(len(shown.words) - 3, len(shown.words) - 1)
        new = self._new(shown.speaker)
        self._blocks.remove(new)
        self._blocks.insert(self._blocks.index(shown) + 1, new)
        new.words = shown.words[cut:]
        new.wrong = {position - cut: word for position, word in shown.wrong.items() if position >= cut}
        shown.words = shown.words[:cut]
        shown.wrong = {position: word for position, word in shown.wrong.items() if position < cut}
        shown.alias = ""
        return new

    def _picture(self) -> list[Block]:
        first = max(0, len(self._blocks) - self._ways.window)
        for shown, _ in self._speaking:
            first = max(0, min(first, self._blocks.index(shown) - 2))
        blocks = self._blocks[first:]
        return [shown.block(self._ways, place) for place, shown in enumerate(blocks) if shown.words]

    def _redraw(self) -> None:
        for shown in self._blocks:
            self._keys += 1
            shown.key = f"k{self._keys}"

    def _observed(self, states: list[list[Block]]) -> Iterator[tuple[float, list[Block]]]:
        self.now += self._random.choice((0.05, 0.2, 0.4, 1.0))
        if self._chance(self._ways.loss) and self._lost < 1:
            self._lost += 1
            return
        is_plain, self._is_plain = self._is_plain, True
        self._lost = 0
        if is_plain and self._chance(self._ways.redraws):
            self._redraw()
        if self._chance(self._ways.blank):
            yield self.now, []
        if self._chance(self._ways.older):
            yield self.now, self._random.choice(states[-3:])
        blocks = self._picture()
        if self._chance(self._ways.interface):
            blocks.insert(self._random.randint(0, len(blocks)), self._random.choice(INTERFACE))
        if blocks and self._chance(self._ways.interface):
            last = blocks.pop()
            blocks.append(Block(last.key, last.speaker, last.text + " arrow_downwardJump to bottom"))
        yield self.now, blocks
