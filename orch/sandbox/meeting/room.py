"""A running meeting: plays its schedule to the guests, and does what guests and host do."""

import secrets
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal, Never

import msgspec
import trio
from msgspec import Struct

from orch.sandbox.meeting import schedule as s
from orch.sandbox.meeting.guest import Guest, GuestState, Outbox, Place
from orch.sandbox.meeting.messages import (
    CaptionsSwitched,
    ChatSent,
    Connected,
    Consented,
    Devices,
    Enter,
    FromFar,
    FromNear,
    Heard,
    Leave,
    Played,
    RecordRequested,
    Signal,
    Silenced,
)
from orch.sandbox.meeting.pages import Pages
from orch.sandbox.meeting.playback import Playback
from orch.sandbox.meeting.script import Clip, Script
from orch.sandbox.meeting.situation import Situation, chat_message

CONNECTING: Final = 10.0
"""Seconds that a meeting waits for the first guest's sound before it starts without."""

SOON: Final = 1e-6
"""Seconds that are not waited for: the clock's own precision is less."""

MOST_GUESTS: Final = 50


class RoomState(Struct, frozen=True, kw_only=True):
    """What a test can ask about a meeting. ``started``: wall-clock seconds of the start; null before it."""

    code: str
    name: str
    running: bool
    at: float | None
    started: float | None
    has_network: bool
    has_ended: bool
    present: list[str]
    guests: list[GuestState]


class Room:
    """A meeting. The mutable state is the playback and the guests."""

    def __init__(
        self,
        script: Script,
        library: Mapping[str, Clip],
        *,
        new_key: Callable[[], str] = lambda: secrets.token_hex(8),
    ) -> None:
        self.script = script
        self.library = library
        self.playback = Playback(script, library)
        self.guests: dict[str, Guest] = {}
        self._pages = Pages(script, self.playback, self.guests)
        self._new_key = new_key
        self._changed = trio.Event()
        self._tasks: trio.Nursery | None = None

    @property
    def situation(self) -> Situation:
        """What the meeting is like now."""
        return self.playback.situation

    # The schedule.

    async def run(self) -> Never:
        """Play the meeting; again for the next guest after everybody has left."""
        async with trio.open_nursery() as nursery:
            self._tasks = nursery
            while True:
                await self._wait_for_start()
                await self._play()
                if not self.script.reopens:
                    await trio.sleep_forever()
                self.playback.reset()
        raise AssertionError

    async def _wait_for_start(self) -> None:
        if self.script.starts == "first_guest":
            await self._until(lambda: any(each.is_in_call for each in self.guests.values()))
            first = next(each for each in self.guests.values() if each.is_in_call)
            with trio.move_on_after(CONNECTING):
                await first.connected.wait()
        self.playback.start()

    async def _play(self) -> None:
        """Deliver happenings at their times until guests have been there and all are gone."""
        had_guests = False
        while True:
            has_guests = any(each.is_in_call for each in self.guests.values())
            if had_guests and not has_guests:
                self._record("everybody_left")
                return
            had_guests = has_guests
            changed = self._changed
            wait = self.playback.wait()
            if wait <= SOON:
                self._happen(self.playback.take())
                await trio.lowlevel.checkpoint()
                continue
            with trio.move_on_after(wait):
                await changed.wait()

    async def _until(self, holds: Callable[[], bool]) -> None:
        while not holds():
            await self._changed.wait()

    def _change(self) -> None:
        self._changed.set()
        self._changed = trio.Event()

    def _record(self, what: str, **details: Any) -> None:
        self.playback.record(what, **details)

    def _happen(self, happening: s.Happening) -> None:
        """Apply a happening and send it to the pages that it reaches."""
        self.playback.apply(happening)
        match happening:
            case s.Joined() | s.Left():
                self._pages.send_roster()
            case s.NetworkDropped(is_final=is_final):
                self._pages.send_network(is_up=False, is_final=is_final)
            case s.NetworkReturned():
                self._pages.send_network(is_up=True, is_final=False)
            case s.GuestsRemoved():
                for guest in list(self.guests.values()):
                    self._move(guest, Place.REMOVED, only_from=(Place.CALL,))
            case s.Ended():
                for guest in list(self.guests.values()):
                    self._move(guest, Place.ENDED, only_from=(Place.CALL, Place.LOBBY, Place.DOOR))
        for guest in self._pages.reached():
            self._pages.deliver(guest, happening)

    # Guests.

    def connect(self, *, has_account: bool) -> Guest:
        """Add a guest at the door. Its near page is sent ``hello``. RuntimeError beyond the limit."""
        if len(self.guests) >= MOST_GUESTS:
            raise RuntimeError(f"{MOST_GUESTS} guests are connected")
        guest = Guest(
            self._new_key(), Outbox(), has_account=has_account, captions_language=self.script.speech_language
        )
        self.guests[guest.key] = guest
        guest.near.send({"type": "hello", "key": guest.key})
        if self.situation.has_ended:
            self._move(guest, Place.ENDED)
        self._record("guest_connected", guest=guest.key)
        return guest

    def disconnect(self, guest: Guest) -> None:
        """Remove a guest whose page is gone."""
        was_in_call = guest.is_in_call
        self.guests.pop(guest.key, None)
        guest.near.close()
        if guest.far is not None:
            guest.far.close()
        self._record("guest_disconnected", guest=guest.key, place=guest.place)
        if was_in_call:
            self._pages.send_roster()
        self._change()

    def connect_far(self, guest: Guest) -> Outbox:
        """Connect the far page of a guest; an earlier one is closed."""
        if guest.far is not None:
            guest.far.close()
        guest.far = Outbox()
        clips = {each.clip for each in self.playback.planned.utterances}
        guest.far.send(
            {
                "type": "begin",
                "clips": sorted(clips),
                "mode": self.script.channels.mode,
                "cameras": [each.name for each in self.script.participants if each.camera],
                "data_channel": self.script.captions.route != "dom",
            }
        )
        if self.situation.has_network:
            self._pages.send_far_snapshot(guest)
            guest.near.send({"type": "far_ready"})
        return guest.far

    def disconnect_far(self, guest: Guest, far: Outbox) -> None:
        """Forget a far page that is gone."""
        far.close()
        if guest.far is far:
            guest.far = None

    def _move(self, guest: Guest, place: Place, *, only_from: tuple[Place, ...] = ()) -> None:
        if only_from and guest.place not in only_from:
            return
        was_in_call = guest.is_in_call
        guest.place = place
        self._record("guest_moved", guest=guest.key, place=place)
        guest.near.send({"type": "view", "view": place})
        if was_in_call and guest.far is not None:
            guest.far.close()
            guest.far = None
        if guest.is_in_call:
            guest.captions = self.script.captions.starts_on
            self._pages.send_roster()
            self._pages.send_near_snapshot(guest)
            if guest.captions:
                guest.near.send({"type": "captions", "is_on": True})
            if not self.situation.has_network:
                guest.near.send({"type": "network", "is_up": False, "is_final": False})
        elif was_in_call:
            self._pages.send_roster()
        self._change()

    def apply_near(self, guest: Guest, message: FromNear) -> None:
        """Do what a guest has done on its page."""
        match message:
            case Enter(name=name):
                self._enter(guest, name)
            case Consented(consent=consent, is_given=is_given):
                guest.consents[consent] = is_given
                self._record("consent", guest=guest.key, consent=consent, is_given=is_given)
            case CaptionsSwitched(is_on=is_on, language=language):
                self._switch_captions(guest, is_on=is_on, language=language)
            case ChatSent(text=text):
                self._chat(guest, text)
            case RecordRequested():
                self._ask_host(guest, "record")
            case Leave():
                self._move(guest, Place.LEFT, only_from=(Place.CALL, Place.LOBBY))
            case Devices(microphone=microphone, camera=camera):
                guest.microphone, guest.camera = microphone, camera
                self._pages.send_roster()
            case Signal(data=data, to=to):
                self._pass_on(guest, to, data)

    def _pass_on(self, guest: Guest, to: str | None, data: msgspec.Raw) -> None:
        """Send a guest's signal to its far page, or to another guest if both are in the call."""
        if to is None:
            if guest.far is not None:
                guest.far.send({"type": "signal", "data": data})
            return
        other = self.guests.get(to)
        reached = self._pages.reached()
        if other in reached and guest in reached and other is not guest:
            other.near.send({"type": "peer", "from": guest.key, "data": data})

    def apply_far(self, guest: Guest, message: FromFar) -> None:
        """Do what a guest's far page reports."""
        match message:
            case Signal(data=data):
                guest.near.send({"type": "signal", "data": data})
            case Connected():
                guest.connected.set()
                self._record("connected", guest=guest.key)
            case Played(utterance=utterance, late=late):
                self._record("played", guest=guest.key, utterance=utterance, late=late)
            case Silenced():
                self._record("silenced", guest=guest.key)
            case Heard(level=level):
                self._record("heard", guest=guest.key, level=level)

    def _enter(self, guest: Guest, name: str) -> None:
        entry = self.script.entry
        is_walled = entry.login_wall and not guest.has_account
        is_refused = entry.blocked or is_walled or entry.captcha == "blocking"
        if guest.place not in (Place.DOOR, Place.LEFT) or is_refused or not name.strip():
            self._record("entry_refused", guest=guest.key, name=name)
            return
        guest.name = name.strip()
        if entry.button == "join_now":
            self._move(guest, Place.CALL)
            return
        self._move(guest, Place.LOBBY)
        if entry.lobby.verdict != "silence" and self._tasks is not None:
            self._tasks.start_soon(self._decide, guest)

    async def _decide(self, guest: Guest) -> None:
        """Admit or deny a guest in the lobby after a time, unless the host has done it before."""
        lobby = self.script.entry.lobby
        await trio.sleep(lobby.after)
        verdict = Place.CALL if lobby.verdict == "admit" else Place.DENIED
        self._move(guest, verdict, only_from=(Place.LOBBY,))

    def _switch_captions(self, guest: Guest, *, is_on: bool, language: str) -> None:
        if not guest.is_in_call:
            return
        was_on, guest.captions, guest.captions_language = guest.captions, is_on, language
        self._record("captions", guest=guest.key, is_on=is_on, language=language)
        guest.near.send({"type": "captions", "is_on": is_on})
        if is_on and not was_on and self.script.captions.route != "data_channel":
            for message in self.situation.caption_snapshot():
                guest.near.send(message)

    def _chat(self, guest: Guest, text: str) -> None:
        if not guest.is_in_call:
            return
        guest.chat.append(text)
        self._record("chat", guest=guest.key, text=text)
        for each in self._pages.reached():
            each.near.send(chat_message(guest.name, text, is_own=each is guest))
        self._ask_host(guest, "chat")

    def _ask_host(self, guest: Guest, by: Literal["record", "chat"]) -> None:
        """Have the host decide about recording. Of chat messages only the first one asks."""
        if not guest.is_in_call or guest.is_asking or (guest.has_asked and by == "chat"):
            return
        self._record("recording_requested", guest=guest.key, by=by)
        guest.near.send({"type": "recording", "state": "asked", "by": by})
        guest.has_asked = guest.is_asking = True
        if self.script.host.recording != "silence" and self._tasks is not None:
            self._tasks.start_soon(self._answer, guest)

    async def _answer(self, guest: Guest) -> None:
        host = self.script.host
        await trio.sleep(host.after)
        if guest.is_asking:
            self.allow_recording(guest, is_allowed=host.recording == "allow")
            if host.reply:
                self.post_chat(self._host_id(), host.reply)

    def _host_id(self) -> str:
        hosts = [each.id for each in self.script.participants if each.is_host]
        return (hosts or [self.script.participants[0].id])[0]

    # The host, for tests.

    def guests_named(self, key: str | None) -> list[Guest]:
        """Return one guest, or all of them for None. KeyError for an unknown key."""
        return list(self.guests.values()) if key is None else [self.guests[key]]

    def move(self, guest: Guest, action: Literal["admit", "deny", "remove"]) -> None:
        """Admit or deny a guest in the lobby, or remove one from the call."""
        if action == "remove":
            self._move(guest, Place.REMOVED, only_from=(Place.CALL,))
        else:
            self._move(guest, Place.CALL if action == "admit" else Place.DENIED, only_from=(Place.LOBBY,))

    def allow_recording(self, guest: Guest, *, is_allowed: bool) -> None:
        """Let a guest record, or not; this can change."""
        guest.may_record, guest.is_asking = is_allowed, False
        self._record("recording_answered", guest=guest.key, is_allowed=is_allowed)
        guest.near.send({"type": "recording", "state": "allowed" if is_allowed else "refused", "by": "host"})

    def end(self) -> None:
        """End the meeting for everybody."""
        self._happen(s.Ended(at=self.playback.now()))

    def set_network(self, *, is_up: bool, is_final: bool) -> None:
        """Drop the guests' network, or bring it back."""
        if is_up != self.situation.has_network:
            at = self.playback.now()
            self._happen(s.NetworkReturned(at=at) if is_up else s.NetworkDropped(at=at, is_final=is_final))

    def post_chat(self, who: str, text: str) -> None:
        """Post a chat message of a participant. KeyError for an unknown one."""
        self.script.participant(who)
        self._happen(s.ChatPosted(at=self.playback.now(), who=who, text=text))

    def say(self, who: str, *, clip: str = "", text: str = "") -> float:
        """Have a participant speak soon, or caption a guest's own speech (``who``: its key; text alone).

        See :meth:`orch.sandbox.meeting.playback.Playback.say`.
        """
        guest = None if clip else self.guests.get(who)
        begins = self.playback.say(who, clip=clip, text=text, guest_name=guest.name if guest else None)
        self._change()
        return begins

    # What tests ask.

    def clip(self, name: str) -> Clip:
        """Return a clip of the meeting by its name. KeyError if there is none."""
        return self.script.clips.get(name) or self.library[name]

    def state(self) -> RoomState:
        """Return the meeting's state now."""
        return RoomState(
            code=self.script.code,
            name=self.script.name,
            running=self.playback.is_running,
            at=round(self.playback.now(), 3) if self.playback.is_running else None,
            started=self.playback.started_wall,
            has_network=self.situation.has_network,
            has_ended=self.situation.has_ended,
            present=list(self.situation.present),
            guests=[each.state() for each in self.guests.values()],
        )
