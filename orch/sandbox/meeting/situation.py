"""What a meeting is like at a moment: happenings go in, messages for the pages come out. Pure.

A page that connects later, or again after an outage, is sent a snapshot of it.
"""

from typing import Any

from orch.sandbox.meeting import schedule as s
from orch.sandbox.meeting.script import Script

Message = dict[str, Any]


class Situation:
    """The mutable state is who is present, speaking and presenting, the open channels, and the captions."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self._names = {each.id: each.name for each in script.participants}
        self.present: list[str] = []
        self.marked: set[str] = set()
        self.channels: dict[int, str | None] = {}
        self.blocks: dict[int, s.Captioned] = {}
        self.presenting: str | None = None
        self.has_network = True
        self.has_ended = False
        self._sounding: list[s.Spoken] = []

    def apply(self, happening: s.Happening) -> None:  # noqa: C901, PLR0912 - a list of cases
        """Change the state by a happening."""
        match happening:
            case s.Joined(who=who):
                self.present.append(who)
            case s.Left(who=who):
                self.present = [each for each in self.present if each != who]
                self.marked.discard(who)
                self.presenting = None if self.presenting == who else self.presenting
            case s.ChannelOpened(channel=channel, who=whose):
                self.channels[channel] = whose
            case s.ChannelClosed(channel=channel):
                self.channels.pop(channel, None)
            case s.MarkOn(who=who):
                self.marked |= {who} & set(self.present)
            case s.MarkOff(who=who):
                self.marked.discard(who)
            case s.Captioned(block=block):
                self.blocks[block] = happening
            case s.CaptionRemoved(block=block):
                self.blocks.pop(block, None)
            case s.PresentingStarted(who=who):
                self.presenting = who
            case s.PresentingStopped():
                self.presenting = None
            case s.Spoken(at=at):
                self._sounding = [each for each in self._sounding if each.at + each.seconds > at]
                self._sounding.append(happening)
            case s.NetworkDropped():
                self.has_network = False
            case s.NetworkReturned():
                self.has_network = True
            case s.Ended():
                self.has_ended = True
            case _:
                pass  # chat, interface texts and removals leave nothing behind

    def name_guest(self, who: str, name: str) -> None:
        """Remember the name of a guest whose speech is captioned."""
        self._names[who] = name

    def roster(self, guests: list[tuple[str, str, bool]]) -> list[Message]:
        """Return everybody in the call; ``guests``: key, name and camera of each."""
        script = self._script
        people = [
            {
                "id": who,
                "name": self._names[who],
                "is_host": script.participant(who).is_host,
                "is_guest": False,
                "has_camera": script.participant(who).camera,
            }
            for who in self.present
        ]
        return people + [
            {"id": key, "name": name, "is_host": False, "is_guest": True, "has_camera": camera}
            for key, name, camera in guests
        ]

    def near_message(self, happening: s.Happening) -> Message | None:
        """Return what the near pages are sent of a happening, captions apart; None for nothing."""
        match happening:
            case s.MarkOn(who=who):
                return {"type": "mark", "id": who, "is_on": True} if who in self.present else None
            case s.MarkOff(who=who):
                return {"type": "mark", "id": who, "is_on": False}
            case s.ChatPosted(who=who, text=text):
                return chat_message(self._names[who], text)
            case s.PresentingStarted() | s.PresentingStopped():
                return self._presenting_message()
            case _:
                return None

    def caption_message(self, happening: s.Happening) -> Message | None:
        """Return what is sent of a happening to pages with captions; None if it is no caption."""
        match happening:
            case s.Captioned():
                return self._block_message(happening)
            case s.CaptionRemoved(block=block):
                return {"type": "caption_removed", "block": block}
            case s.InterfaceShown(text=text, seconds=seconds):
                return {"type": "interface", "text": text, "seconds": seconds}
            case _:
                return None

    def far_message(self, happening: s.Happening, now: float) -> Message | None:
        """Return what the far pages are sent of a happening, captions apart; None for nothing."""
        match happening:
            case s.ChannelOpened(channel=channel, who=whose):
                return {"type": "channel", "channel": channel, "who": whose, "is_open": True}
            case s.ChannelClosed(channel=channel):
                return {"type": "channel", "channel": channel, "who": None, "is_open": False}
            case s.Spoken(channel=int()):
                return {
                    "type": "sound",
                    "utterance": happening.utterance,
                    "channel": happening.channel,
                    "clip": happening.clip,
                    "gain": happening.gain,
                    "in": round(happening.at - now, 4),
                }
            case _:
                return None

    def near_snapshot(self) -> list[Message]:
        """Return what a near page is sent besides the roster when it joins; captions begin empty."""
        return [
            *({"type": "mark", "id": who, "is_on": True} for who in sorted(self.marked)),
            self._presenting_message(),
        ]

    def caption_snapshot(self) -> list[Message]:
        """Return the visible caption blocks, for a page that has switched captions on."""
        return [self._block_message(each) for _, each in sorted(self.blocks.items())]

    def far_snapshot(self, now: float) -> list[Message]:
        """Return what a far page is sent when it connects: the open channels, and clips that are playing."""
        playing = [each for each in self._sounding if each.at + each.seconds > now]
        sounds = [self.far_message(each, now) for each in playing]
        channels = [{"channel": number, "who": whose} for number, whose in sorted(self.channels.items())]
        return [{"type": "channels", "open": channels}, *(each for each in sounds if each)]

    def _block_message(self, happening: s.Captioned) -> Message:
        return {
            "type": "caption",
            "block": happening.block,
            "revision": happening.revision,
            "id": happening.who,
            "name": self._names[happening.who],
            "text": happening.text,
            "is_final": happening.is_final,
        }

    def _presenting_message(self) -> Message:
        who = self.presenting
        return {"type": "presenting", "id": who, "name": self._names[who] if who else None}


def chat_message(name: str, text: str, *, is_own: bool = False) -> Message:
    """Return a chat message as the pages are sent it."""
    return {"type": "chat", "name": name, "text": text, "is_own": is_own}
