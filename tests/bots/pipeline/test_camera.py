"""The camera shows captions by speaker in its language, and costs nothing while nothing changes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any, TypeVar, TypeVarTuple

import pytest
import trio
from PIL import Image

from orch.bots.correlation.events import Name
from orch.bots.pipeline.camera import FASTEST, Camera, camera_text
from orch.bots.pipeline.segments import Named, Segment
from orch.bots.webcam.appearance import Appearance, ThemeName
from orch.bots.webcam.canvas import Patch
from orch.bots.webcam.fonts import Fonts

T = TypeVar("T")
Arguments = TypeVarTuple("Arguments")


@dataclass
class Thread:
    """Draws in place, on a virtual clock; counts what runs at a time."""

    count: int = 0
    seconds: float = 0.01
    lock: trio.Lock = field(default_factory=trio.Lock)

    async def __call__(self, work: Callable[[*Arguments], T], /, *args: *Arguments) -> T:
        async with self.lock:
            self.count += 1
            await trio.sleep(self.seconds)
            return work(*args)


@dataclass
class Page:
    """What a page has been sent."""

    sent: list[tuple[float, Sequence[Patch]]] = field(default_factory=list)
    seconds: float = 0.0
    is_gone: bool = False

    async def show(self, patches: Sequence[Patch]) -> None:
        if self.is_gone:
            raise trio.BrokenResourceError
        await trio.sleep(self.seconds)
        self.sent.append((trio.current_time(), patches))


def line(text: str, /, *, speaker: str | None = "Ana", number: int = 1, **changes: Any) -> Segment:
    fields: dict[str, Any] = {"start": 0.0, "end": 1.0, "text": text, "language": "en", "is_final": True}
    found = Segment(f"s-{number}", "track-1", "own", **(fields | changes))
    name = None if speaker is None else Name(name=speaker, participant_id=speaker.lower())
    found.names = [Named(name, 0.99)] * len(text.split())
    return found


def a_camera(thread: Thread, language: str | None = None, **look: Any) -> Camera:
    return Camera(
        Fonts(),
        drawing=thread,
        appearance=Appearance(**look),
        clock=trio.current_time,
        language=language,
    )


async def test_what_changes_is_drawn_and_sent_and_nothing_else() -> None:
    thread, page = Thread(), Page()
    camera = a_camera(thread, seconds=10.0)
    async with trio.open_nursery() as nursery:
        camera.show_in(page.show)
        await nursery.start(camera.run)
        await trio.sleep(1)
        first = page.sent[0][1]
        assert [(each.width, each.height) for each in first] == [(1280, 720)]
        drawn = thread.count
        await trio.sleep(30)
        assert (thread.count, len(page.sent)) == (drawn, 1)
        camera.show(line("good morning"))
        await trio.sleep(1)
        assert len(page.sent) == 2
        assert sum(each.width * each.height for each in page.sent[1][1]) < 1280 * 720 / 2
        camera.show(line("good morning"))
        await trio.sleep(1)
        assert len(page.sent) == 2
        await trio.sleep(20)
        assert len(page.sent) == 3
        assert page.sent[2][0] == pytest.approx(page.sent[1][0] + 10, abs=0.5)
        frame = camera.frame
        await trio.sleep(40)
        assert (camera.frame, len(page.sent)) == (frame, 3)
        nursery.cancel_scope.cancel()


async def test_a_change_is_drawn_at_once_and_many_are_drawn_together() -> None:
    thread, page = Thread(seconds=0.005), Page()
    camera = a_camera(thread)
    async with trio.open_nursery() as nursery:
        camera.show_in(page.show)
        await nursery.start(camera.run)
        await trio.sleep(1)
        before = trio.current_time()
        camera.show(line("good"))
        await trio.sleep(FASTEST / 2)
        assert page.sent[-1][0] - before < 0.01
        for count in range(1_000):
            camera.show(line(f"good {count}"))
            await trio.sleep(0.001)
        await trio.sleep(1)
        assert len(page.sent) <= 3 + 1.0 / FASTEST + 1
        nursery.cancel_scope.cancel()


async def test_a_slow_page_receives_the_newest_and_nothing_queues() -> None:
    page = Page(seconds=5.0)
    camera = a_camera(Thread(), seconds=60.0)
    async with trio.open_nursery() as nursery:
        camera.show_in(page.show)
        await nursery.start(camera.run)
        for count in range(300):
            camera.show(line(f"good {count}"))
            await trio.sleep(0.1)
        await trio.sleep(20)
        assert len(page.sent) <= 9
        nursery.cancel_scope.cancel()


async def test_a_page_that_is_gone_ends_nothing_and_the_next_one_gets_the_whole_frame() -> None:
    page, other = Page(is_gone=True), Page()
    camera = a_camera(Thread())
    async with trio.open_nursery() as nursery:
        camera.show_in(page.show)
        await nursery.start(camera.run)
        camera.show(line("good morning"))
        await trio.sleep(1)
        camera.show_in(other.show)
        await trio.sleep(1)
        assert [(each.width, each.height) for each in other.sent[0][1]] == [(1280, 720)]
        camera.show(line("good evening"))
        await trio.sleep(1)
        assert len(other.sent) == 2
        camera.show_in(None)
        camera.show(line("good night"))
        await trio.sleep(1)
        assert len(other.sent) == 2
        nursery.cancel_scope.cancel()


async def test_previews_are_files_of_the_frame_encoded_once_for_all_viewers() -> None:
    thread = Thread()
    camera = a_camera(thread)
    async with trio.open_nursery() as nursery:
        await nursery.start(camera.run)
        camera.show(line("good morning"))
        await trio.sleep(1)
        picture = await camera.picture()
        assert Image.open(BytesIO(picture)).size == (1280, 720)
        assert await camera.picture() is picture
        parts: list[bytes] = []

        async def view() -> None:
            async for part in camera.frames():
                parts[len(parts) :] = [part]

        for _ in range(5):
            nursery.start_soon(view)
        await trio.sleep(30)
        assert len(parts) == 15  # a beginning, the frame, and the one without the line
        assert len(set(map(id, parts[5:10]))) == 1
        for count in range(200):
            camera.show(line(f"good {count}", number=2))
            await trio.sleep(0.05)
        assert len(parts) <= 15 + 5 * (10 / 0.25 + 1)
        nursery.cancel_scope.cancel()


async def test_a_viewer_who_comes_before_anything_was_drawn_sees_an_empty_picture() -> None:
    camera = a_camera(Thread())
    assert Image.open(BytesIO(await camera.picture())).size == (1280, 720)
    number, file = await camera.file("jpeg")
    assert number == 1
    assert Image.open(BytesIO(file)).format == "JPEG"


async def test_another_look_or_language_shows_at_once() -> None:
    page = Page()
    camera = a_camera(Thread(), language="es")
    async with trio.open_nursery() as nursery:
        camera.show_in(page.show)
        await nursery.start(camera.run)
        camera.show(line("good", translations={"es": "bueno"}, translated={"es"}))
        await trio.sleep(1)
        camera.look(Appearance(width=1920, height=1080, theme=ThemeName.LIGHT))
        await trio.sleep(1)
        assert [(each.width, each.height) for each in page.sent[-1][1]] == [(1920, 1080)]
        count = len(page.sent)
        camera.translate("es")
        await trio.sleep(1)
        assert len(page.sent) == count
        camera.translate("fr")
        await trio.sleep(1)
        assert len(page.sent) == count + 1
        camera.clear()
        await trio.sleep(1)
        assert len(page.sent) == count + 1
        nursery.cancel_scope.cancel()


TEXTS: list[tuple[dict[str, Any], str | None, tuple[str, str | None, bool]]] = [
    ({}, None, ("good", "en", True)),
    ({"is_final": False}, None, ("good", "en", False)),
    ({}, "en-GB", ("good", "en", True)),
    ({}, "es", ("", "es", False)),
    ({"translations": {"es": "bue"}}, "es", ("bue", "es", False)),
    ({"translations": {"es": "bueno"}, "translated": {"es"}}, "es", ("bueno", "es", True)),
    ({"translations": {"es": "bueno"}, "translated": {"es"}}, "es-MX", ("bueno", "es", True)),
    ({"untranslated": {"es"}}, "es", ("good", "en", True)),
    ({"untranslated": {"es"}, "is_final": False}, "es", ("", "es", False)),
    ({"language": None}, "es", ("", "es", False)),
    ({"text": ""}, "es", ("", "en", True)),
]


@pytest.mark.parametrize(("changes", "language", "shown"), TEXTS)
def test_the_camera_shows_its_language_and_what_was_said_only_if_no_translation_comes(
    changes: dict[str, Any], language: str | None, shown: tuple[str, str | None, bool]
) -> None:
    assert camera_text(line("good", **changes), language) == shown
