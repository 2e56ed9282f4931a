"""The meetings of one server: added from scripts, found by their codes, played in one nursery."""

from collections.abc import Mapping
from typing import Final, Never

import trio
from msgspec import structs

from orch.problems import ProblemError
from orch.sandbox.meeting.clips import ClipLibrary
from orch.sandbox.meeting.room import Room
from orch.sandbox.meeting.script_decoding import decode_script

MOST_MEETINGS: Final = 200

_LETTERS: Final = "abcdefghijkmnpqrstuvwxyz"


class Meetings:
    """The mutable state is the rooms, each with the scope of its task."""

    def __init__(self, clips: ClipLibrary) -> None:
        self.clips = clips
        self._rooms: dict[str, tuple[Room, trio.CancelScope]] = {}
        self._waiting: list[str] = []
        self._nursery: trio.Nursery | None = None

    @property
    def rooms(self) -> Mapping[str, Room]:
        """The meetings by their codes."""
        return {code: room for code, (room, _) in self._rooms.items()}

    async def run(self) -> Never:
        """Play all meetings."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            for code in self._waiting:
                self._start(code)
            await trio.sleep_forever()
        raise AssertionError

    def add(self, text: str, *, name: str = "script") -> Room:
        """Add a meeting. If its code is in use, it has a free one.

        Raises :class:`orch.sandbox.meeting.script.ScriptError`;
        :class:`ProblemError` ``overloaded`` beyond the limit.
        """
        script = self.clips.complete(decode_script(text, name=name))
        if len(self._rooms) >= MOST_MEETINGS:
            raise ProblemError("overloaded", f"{MOST_MEETINGS} meetings at most; delete some first.")
        if script.code in self._rooms:
            script = structs.replace(script, code=self._free_code())
        room = Room(script, self.clips.clips)
        self._rooms[script.code] = (room, trio.CancelScope())
        if self._nursery is None:
            self._waiting.append(script.code)
        else:
            self._start(script.code)
        return room

    def _free_code(self) -> str:
        for number in range(MOST_MEETINGS + 1):
            first, second = divmod(number, len(_LETTERS))
            code = f"aaa-bbbb-{_LETTERS[first % len(_LETTERS)]}{_LETTERS[second]}x"
            if code not in self._rooms:
                return code
        raise AssertionError

    def find(self, code: str) -> Room:
        """Return a meeting. Problem ``not_found``."""
        if code not in self._rooms:
            raise ProblemError("not_found", f"There is no meeting {code}.")
        return self._rooms[code][0]

    def remove(self, code: str) -> None:
        """End a meeting and forget it. Problem ``not_found``."""
        room = self.find(code)
        room.end()
        for guest in list(room.guests.values()):
            room.disconnect(guest)
        self._rooms.pop(code)[1].cancel()

    def _start(self, code: str) -> None:
        assert self._nursery is not None  # noqa: S101 - both callers have seen to it
        room, scope = self._rooms[code]
        self._nursery.start_soon(_played, room, scope)


async def _played(room: Room, scope: trio.CancelScope) -> None:
    with scope:
        await room.run()
