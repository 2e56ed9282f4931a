"""Orders text for display where writing directions meet. Pure.

The Unicode Bidirectional Algorithm (UAX 9, revision 50) of one paragraph without its explicit formatting
characters, which :func:`orch.bots.webcam.wording.cleaned` removes: P2-P3, W1-W7, N0-N2, I1-I2 and L2.
Shaping, and mirroring of brackets within a run, are done by the engine that draws the run. It gets text of
one font and one direction; the order of such runs in a row is decided here.
"""

import unicodedata
from collections.abc import Callable, Sequence
from itertools import groupby, takewhile
from typing import Final, TypeVar

ItemT = TypeVar("ItemT")

# Opening brackets of BidiBrackets.txt that are written in running text. Each is closed by the next code
# point; square and curly ones of ASCII, and their wide forms, by the second next.
_CLOSES: Final = {
    chr(code): chr(code + (2 if code in (0x5B, 0x7B, 0xFF3B, 0xFF5B) else 1))
    for code in (
        *(0x28, 0x5B, 0x7B, 0x2045, 0x207D, 0x208D, 0x2308, 0x230A, 0x2329),
        *range(0x2768, 0x2775, 2),
        *range(0x27E6, 0x27EF, 2),
        *(0x2983, 0x2985, 0x2E28),
        *range(0x3008, 0x3011, 2),
        *range(0x3014, 0x301B, 2),
        *(0xFE59, 0xFE5B, 0xFE5D, 0xFF08, 0xFF3B, 0xFF5B, 0xFF5F, 0xFF62),
    )
}
_CLOSERS: Final = frozenset(_CLOSES.values())
_RIGHT_TO_LEFT: Final = frozenset(
    ["ar", "ckb", "dv", "fa", "he", "iw", "ji", "ks", "ps", "sd", "ug", "ur", "yi"]
)
_DEEPEST: Final = 63  # BD16: "a fixed-size stack with 63 elements"
_EXPLICIT: Final = frozenset({"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI", "BN"})
_TERMINATORS: Final = frozenset({"ET"})
_JOINING: Final = {("ES", "EN"), ("CS", "EN"), ("CS", "AN")}
_NEUTRAL: Final = frozenset({"B", "S", "WS", "ON"})


def is_right_to_left(text: str, language: str = "") -> bool:
    """Return whether a paragraph runs from right to left.

    By its first strong letter (P2, P3); where the language is known, by that (HL1): an Arabic sentence may
    begin with a product's name. A text that has letters of the other direction only is in another language.
    """
    kinds = [kind for kind in map(unicodedata.bidirectional, text) if kind in ("L", "R", "AL")]
    others = kinds.count("L")
    own = len(kinds) - others
    if not own or not others:
        return own > 0
    if language:
        primary, *subtags = language.lower().split("-")
        return "arab" in subtags or "hebr" in subtags or primary in _RIGHT_TO_LEFT or own > others
    return kinds[0] != "L"


def levels(text: str, right_to_left: bool) -> list[int]:  # noqa: FBT001 (a direction)
    """Return the embedding level of each character: even from left to right, odd from right to left."""
    base = int(right_to_left)
    if not base and text.isascii():
        return [0] * len(text)
    kinds = [unicodedata.bidirectional(letter) or "L" for letter in text]
    # X9: what is not displayed takes part in nothing, and gets the level of what precedes it.
    shown = [at for at, kind in enumerate(kinds) if kind not in _EXPLICIT]
    resolved = [kinds[at] for at in shown]
    edge = "R" if base else "L"
    _resolve_weak(resolved, edge)
    _resolve_brackets([text[at] for at in shown], [kinds[at] for at in shown], resolved, edge)
    _resolve_neutral(resolved, edge)
    found = [base] * len(text)
    for at, kind in zip(shown, resolved, strict=True):
        if base:
            found[at] = 1 if kind == "R" else 2
        else:
            found[at] = {"L": 0, "R": 1}.get(kind, 2)
    for at, kind in enumerate(kinds):
        if kind in _EXPLICIT and at:
            found[at] = found[at - 1]
    return found


def _resolve_weak(kinds: list[str], edge: str) -> None:
    """Apply W1 to W7 in place."""
    before = strong = edge
    for at, kind in enumerate(kinds):
        now = before if kind == "NSM" else kind  # W1
        strong = now if now in ("L", "R", "AL") else strong
        if now == "EN" and strong == "AL":  # W2
            now = "AN"
        kinds[at] = before = now
    kinds[:] = ["R" if kind == "AL" else kind for kind in kinds]  # W3
    for at in range(1, len(kinds) - 1):  # W4
        left, kind, right = kinds[at - 1 : at + 2]
        if left == right and (kind, left) in _JOINING:
            kinds[at] = left
    for start, stop in _stretches(kinds, _TERMINATORS):  # W5
        beside = (kinds[start - 1] if start else "", kinds[stop] if stop < len(kinds) else "")
        kinds[start:stop] = ["EN" if "EN" in beside else "ON"] * (stop - start)
    strong = edge
    for at, kind in enumerate(kinds):
        if kind in ("ES", "CS"):  # W6
            kinds[at] = "ON"
        elif kind == "EN" and strong == "L":  # W7
            kinds[at] = "L"
        strong = kind if kind in ("L", "R") else strong


def _stretches(kinds: list[str], wanted: frozenset[str]) -> list[tuple[int, int]]:
    """Return where each longest stretch of some kinds begins and ends."""
    found = []
    at = 0
    for is_wanted, group in groupby(kinds, wanted.__contains__):
        length = len(list(group))
        if is_wanted:
            found.append((at, at + length))
        at += length
    return found


def _strong(kind: str) -> str:
    """Return the direction that a resolved kind counts as among neutrals: numbers count as R (N0, N1)."""
    return "R" if kind in ("R", "EN", "AN") else kind


def _resolve_brackets(text: Sequence[str], original: Sequence[str], kinds: list[str], edge: str) -> None:
    """Apply N0 in place: a pair of brackets gets the direction of what it holds, or of what precedes it."""
    for start, stop in _pairs(text, kinds):
        inside = {_strong(kind) for kind in kinds[start + 1 : stop]}
        if edge in inside:
            direction = edge
        elif inside & {"L", "R"}:
            strong = (each for kind in reversed(kinds[:start]) if (each := _strong(kind)) in ("L", "R"))
            direction = next(strong, edge)
        else:
            continue
        for at in (start, stop):
            kinds[at] = direction
            marks = takewhile(lambda place: original[place] == "NSM", range(at + 1, len(kinds)))
            for place in marks:
                kinds[place] = direction


def _pairs(text: Sequence[str], kinds: list[str]) -> list[tuple[int, int]]:
    """Return the places of brackets that belong together (BD16), by their openings."""
    open_: list[tuple[str, int]] = []
    pairs: list[tuple[int, int]] = []
    for at, letter in enumerate(text):
        if kinds[at] != "ON":
            continue
        if letter in _CLOSES:
            if len(open_) == _DEEPEST:
                break
            open_.append((_CLOSES[letter], at))
        elif letter in _CLOSERS:
            depth = next((each for each in range(len(open_) - 1, -1, -1) if open_[each][0] == letter), None)
            if depth is not None:
                pairs.append((open_[depth][1], at))
                del open_[depth:]
    return sorted(pairs)


def _resolve_neutral(kinds: list[str], edge: str) -> None:
    """Apply N1 and N2 in place."""
    for start, stop in _stretches(kinds, _NEUTRAL):
        left = _strong(kinds[start - 1]) if start else edge
        right = _strong(kinds[stop]) if stop < len(kinds) else edge
        kinds[start:stop] = [left if left == right else edge] * (stop - start)


def in_display_order(items: Sequence[ItemT], level: Callable[[ItemT], int]) -> list[ItemT]:
    """Return a row's items from left to right (L2): each maximal run of a level or above is reversed."""
    ordered = list(items)
    of = [level(item) for item in ordered]
    for threshold in range(max(of, default=0), 0, -1):
        at = 0
        while at < len(ordered):
            end = at
            while end < len(ordered) and of[end] >= threshold:
                end += 1
            if end > at:
                ordered[at:end] = ordered[at:end][::-1]
                of[at:end] = of[at:end][::-1]
            at = max(end, at + 1)
    return ordered
