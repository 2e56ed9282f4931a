"""What Google Meet's page has and the sandbox has not, as public projects describe it, in a real Chromium."""

from functools import partial
from pathlib import Path
from typing import Final

import pytest
import trio

from orch.bots.adapters.attending import Wish, attend
from orch.bots.adapters.catalog import ADAPTERS
from orch.bots.adapters.meeting import Meeting, MeetingControlError
from orch.bots.ends import EndReason
from orch.bots.meeting_url import MEET
from orch.bots.observations import CaptionsSeen, Over, PageObservation, PeopleSeen, Person, Place, PlaceSeen
from orch.bots.requests import Languages
from tests.bots.adapters.meetings import Attended, browsing, page_for, serve_document
from tests.fakes.patience import PATIENCE

pytestmark = [pytest.mark.process, pytest.mark.real_time, pytest.mark.slow, pytest.mark.browser]

DOCUMENT: Final = (Path(__file__).parent / "meet_like.html").read_bytes()


async def test_a_page_like_google_meets_is_joined_read_and_left(tmp_path: Path) -> None:
    """A tool bar that hides, a lobby with a preview, lists that open, notices, icons, nested captions."""
    async with browsing(tmp_path) as (browser, nursery):
        with trio.fail_after(PATIENCE):
            serve = partial(serve_document, DOCUMENT)
            (listener,) = await nursery.start(partial(trio.serve_tcp, serve, 0, host="127.0.0.1"))
            url = f"http://127.0.0.1:{listener.socket.getsockname()[1]}/"
            page = await page_for(ADAPTERS[MEET], browser, nursery)
            stays: list[Attended] = []
            early: list[PageObservation] = []

            async def note(observation: PageObservation) -> None:
                if stays:
                    stays[0].note(observation)
                else:
                    early.append(observation)

            wish = Wish(name="Scribe", languages=Languages(captions="fr"), camera=False)
            run = partial(attend, page, ADAPTERS[MEET], wish, url, note, trio.current_time)
            meeting: Meeting = await nursery.start(run)
            stays.append(stay := Attended(meeting, page, early))
            await stay.in_place(Place.LOBBY)
            await page.call("() => { window.admit(); }", in_page_world=True)
            await stay.in_place(Place.CALL)
            await page.call("() => window.until('French (France)')", in_page_world=True)
            await meeting.chat("Hello\nall")
            await page.call("() => { window.say('Ana', 'The call has ended'); }", in_page_world=True)
            await stay.until(lambda each: isinstance(each, CaptionsSeen) and bool(each.blocks))
            await meeting.caption_language("de")
            with pytest.raises(MeetingControlError):
                await meeting.caption_language("ja")
            await page.call("() => { window.hide(); }", in_page_world=True)
            await meeting.leave()
            assert await stay.over() is EndReason.LEFT_ON_REQUEST
            pressed = await page.call("() => window.pressed", in_page_world=True)
            assert pressed == [
                "Got it",
                "Turn off microphone (ctrl + d)",
                "Join here too",
                "Turn on captions (c)",
                "French (France)",
                "Chat with everyone - New message",
                "chat: Hello\nall",
                "German",
                "Leave call",
            ]
            assert_it_was_observed(stay)


def assert_it_was_observed(stay: Attended) -> None:
    """Neither is the preview in the lobby a call, nor a caption an end."""
    assert [each.place for each in stay.all(PlaceSeen)] == [Place.DOOR, Place.LOBBY, Place.CALL]
    assert len(stay.all(Over)) == 1
    people = next(each.people for each in stay.all(PeopleSeen) if each.people)
    assert people == (
        Person(id="me", name="Scribe", is_self=True),
        Person(id="spaces/x/devices/1", name="Ana"),
    )
    blocks = next(each.blocks for each in stay.all(CaptionsSeen) if each.blocks)
    assert [(each.speaker, each.text) for each in blocks] == [("Ana", "The call has ended")]
