"""What a page does against its observer, in a real Chromium: it misleads nobody, and costs itself alone."""

from functools import partial
from pathlib import Path
from typing import Final

import msgspec
import pytest
import trio

from orch.bots.adapters.adapter import CHANNEL_BINDING, SIGNALS_BINDING, STATE_BINDING
from orch.bots.adapters.attending import Wish, attend
from orch.bots.adapters.catalog import ADAPTERS
from orch.bots.adapters.snapshots import decode
from orch.bots.chromium.page import Page
from orch.bots.chromium.page_messages import LONGEST_MESSAGE
from orch.bots.meeting_url import MEET
from orch.bots.observations import ChatSeen, Over, PageObservation, PeopleSeen, Place, PlaceSeen
from tests.bots.adapters.meetings import browsing, page_for, serve_document
from tests.fakes.patience import PATIENCE

pytestmark = [pytest.mark.process, pytest.mark.real_time, pytest.mark.slow, pytest.mark.browser]

DOCUMENT: Final = (Path(__file__).parent / "hostile.html").read_bytes()

MOST_A_SECOND: Final = 100
"""Messages of the captions' channel that are passed on."""

MOST: Final = {"items": 300, "people": 500, "blocks": 48}
"""What a message has at most, and has of a storm."""

FRAME: Final = 16
"""Milliseconds between two messages of one of the four kinds that are sent while the page storms."""


async def test_a_page_cannot_mislead_overload_or_notice_its_observer(tmp_path: Path) -> None:
    async with browsing(tmp_path) as (browser, nursery):
        with trio.fail_after(PATIENCE):
            (listener,) = await nursery.start(
                partial(trio.serve_tcp, partial(serve_document, DOCUMENT), 0, host="127.0.0.1")
            )
            url = f"http://127.0.0.1:{listener.socket.getsockname()[1]}/"
            page = await page_for(ADAPTERS[MEET], browser, nursery)
            await assert_it_is_read_and_not_changed(page, url)
            await assert_the_channel_is_bounded(page)
            await assert_a_storm_is_bounded(page)


async def assert_it_is_read_and_not_changed(page: Page, url: str) -> None:
    """Names, messages and invisible texts end nothing; the page sees neither functions nor changes."""
    observed: list[PageObservation] = []
    quiet = trio.Event()

    async def note(observation: PageObservation) -> None:
        observed.append(observation)
        if isinstance(observation, ChatSeen):
            quiet.set()

    async with trio.open_nursery() as nursery:
        wish = Wish(name="Scribe", captions=False, chat=False)
        await nursery.start(partial(attend, page, ADAPTERS[MEET], wish, url, note, trio.current_time))
        await quiet.wait()
        for _ in range(5):
            await page.call("() => { orchPage.look(); orchPage.resend(); }")
        found = await page.call("() => [window.seen, window.changes]", in_page_world=True)
        assert found == [["undefined"] * 4, 0]
        nursery.cancel_scope.cancel()
    assert [each.place for each in observed if isinstance(each, PlaceSeen)] == [Place.CALL]
    assert not [each for each in observed if isinstance(each, Over)]
    # Where the page is seen to be in the call before its people are, they are unknown until then.
    *before, people = [each.people for each in observed if isinstance(each, PeopleSeen)]
    assert before in ([], [None])
    assert people is not None
    assert [(each.id, each.is_self) for each in people] == [("me", True), ("a", False), ("b", False)]
    assert [each.text for each in observed if isinstance(each, ChatSeen)] == ["You left the meeting"]


async def assert_the_channel_is_bounded(page: Page) -> None:
    """Messages of both ends, texts and bytes, of the captions alone; 100 a second, the others are counted."""
    texts: list[str] = []
    lost = flood = 0
    with page.messages(CHANNEL_BINDING, capacity=4096, is_own=True) as messages:
        began = trio.current_time()
        await page.call("() => window.flood()", in_page_world=True)
        while not {"later", "to the near end"} <= set(texts) or flood + lost < 2000:
            sent = msgspec.json.decode((await anext(messages)).text)
            texts.append(sent.get("text") or sent.get("bytes", ""))
            lost += sent.get("lost", 0)
            flood += texts[-1].startswith("flood")
        elapsed = trio.current_time() - began
    assert {"AQL/", "flood 0"} <= set(texts)
    assert not [each for each in texts if each.startswith(("of another", "x"))]
    # Seconds that have begun and have not ended count as well. How long 2,000 take is the machine's affair.
    assert flood <= (elapsed + 2) * MOST_A_SECOND


async def assert_a_storm_is_bounded(page: Page) -> None:
    """Thousands of elements, megabytes of text, a change each millisecond: few messages, none too long."""
    largest = dict.fromkeys(MOST, 0)
    count = 0
    with (
        page.messages(STATE_BINDING, capacity=4096, is_own=True) as states,
        page.messages(SIGNALS_BINDING, capacity=4096, is_own=True) as signals,
    ):
        began = trio.current_time()
        await page.call("() => { window.storm(); }", in_page_world=True)
        for messages, kinds in ((states, {"items"}), (signals, {"people", "blocks"})):
            while any(largest[kind] < MOST[kind] for kind in kinds):  # the first may be of before the storm
                text = (await anext(messages)).text
                assert len(text) <= LONGEST_MESSAGE
                sent = decode(text)
                assert sent is not None
                count += 1
                for kind in kinds:
                    largest[kind] = max(largest[kind], len(getattr(sent, kind, ())))
        elapsed = trio.current_time() - began
        assert (states.lost, signals.lost) == (0, 0)
    assert largest == MOST
    assert count <= (elapsed + 1) * 4 * 1000 / FRAME
    assert await page.call("() => window.changes", in_page_world=True) > 1000
