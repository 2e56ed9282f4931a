"""Places for recordings: how many uploads arrive, and how many recordings are transcribed, at a time."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

from msgspec import Struct

from orch.problems import ProblemError
from orch.settings.structs import Speech
from orch.web.shares import Shares


class Place(Struct, frozen=True):
    """The session and address of a recording that holds a place."""

    session_id: str
    address: str


class RecordingPlaces:
    """Gives places to uploads and to recordings. ``speech()`` has the limits.

    The mutable state is the holders of both kinds of places, bounded in total, per session and per address.
    """

    def __init__(self, speech: Callable[[], Speech]) -> None:
        self._speech = speech
        self._uploads: list[Place] = []
        self._transcriptions: list[Place] = []

    @contextmanager
    def upload(self, place: Place) -> Iterator[None]:
        """Hold a place for an upload; there are twice as many as for recordings being transcribed.

        Raises ``too_many_recordings``, also if its recording could not be transcribed now.
        """
        speech = self._speech()
        check(self._transcriptions, place, speech)
        total = 2 * speech.concurrent_recordings
        share = max(1, total // 2)
        later = "Send it again when one of them is complete."
        if len(self._uploads) >= total:
            raise ProblemError(
                "too_many_recordings", f"{total} recordings are being uploaded, which is the limit. {later}"
            )
        if sum(each.address == place.address for each in self._uploads) >= share:
            raise ProblemError(
                "too_many_recordings",
                f"{share} recordings are being uploaded from your address, which is the limit. {later}",
            )
        self._uploads.append(place)
        try:
            yield
        finally:
            _remove(self._uploads, place)

    def transcription(self, place: Place) -> Callable[[], None]:
        """Take a place for a recording; return the function that releases it.

        Raises ``too_many_recordings``.
        """
        check(self._transcriptions, place, self._speech())
        self._transcriptions.append(place)
        return partial(_remove, self._transcriptions, place)


def check(held: Sequence[Place], place: Place, speech: Speech) -> None:
    """Raise ``too_many_recordings`` with the limit that is reached, if any."""
    Shares(
        total=speech.concurrent_recordings,
        of_session=speech.max_recordings_per_session,
        of_address=speech.max_recordings_per_address,
        problem="too_many_recordings",
        things="recordings",
        state="are being transcribed",
        later="Wait until one has been transcribed, or cancel one.",
    ).check(held, place)


def _remove(places: list[Place], place: Place) -> None:
    places[:] = [each for each in places if each is not place]
