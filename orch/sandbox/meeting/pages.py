"""What the pages of a meeting's guests are sent: happenings, participants, the network, what is so now."""

from collections.abc import Mapping

from orch.sandbox.meeting import schedule as s
from orch.sandbox.meeting.guest import Guest
from orch.sandbox.meeting.playback import Playback
from orch.sandbox.meeting.script import Script
from orch.sandbox.meeting.situation import Situation


class Pages:
    """The pages of the guests of a room, who are the room's; it has no state of its own."""

    def __init__(self, script: Script, playback: Playback, guests: Mapping[str, Guest]) -> None:
        self._script = script
        self._playback = playback
        self._guests = guests

    @property
    def _situation(self) -> Situation:
        return self._playback.situation

    def reached(self) -> list[Guest]:
        """Return the guests whom happenings reach: in the call, and the network is there."""
        if not self._situation.has_network:
            return []
        return [guest for guest in self._guests.values() if guest.is_in_call]

    def deliver(self, guest: Guest, happening: s.Happening) -> None:
        """Send a happening to a guest's pages, each what it shows of it."""
        situation, route = self._situation, self._script.captions.route
        near = situation.near_message(happening)
        far = situation.far_message(happening, self._playback.now())
        caption = situation.caption_message(happening) if guest.captions else None
        is_interface = isinstance(happening, s.InterfaceShown)
        if near:
            guest.near.send(near)
        if caption and (route in ("dom", "both") or is_interface):
            guest.near.send(caption)
        if guest.far is None:
            return
        if far:
            guest.far.send(far)
        if caption and route in ("data_channel", "both") and not is_interface:
            guest.far.send(caption)

    def send_roster(self) -> None:
        """Send who is in the meeting."""
        guests = [(each.key, each.name, each.camera) for each in self._guests.values() if each.is_in_call]
        for guest in self.reached():
            guest.near.send({"type": "roster", "you": guest.key, "people": self._situation.roster(guests)})

    def send_network(self, *, is_up: bool, is_final: bool) -> None:
        """Send that the network has gone or returned, then what is so now."""
        for guest in [each for each in self._guests.values() if each.is_in_call]:
            message = {"type": "network", "is_up": is_up, "is_final": is_final}
            guest.near.send(message)
            if guest.far is not None:
                guest.far.send(message)
                if is_up:
                    self.send_far_snapshot(guest)
        if is_up:
            self.send_roster()
            for guest in self.reached():
                self.send_near_snapshot(guest)

    def send_near_snapshot(self, guest: Guest) -> None:
        """Send a guest's page what is so now."""
        for message in self._situation.near_snapshot():
            guest.near.send(message)

    def send_far_snapshot(self, guest: Guest) -> None:
        """Send a guest's far page what is so now."""
        if guest.far is not None:
            for message in self._situation.far_snapshot(self._playback.now()):
                guest.far.send(message)
