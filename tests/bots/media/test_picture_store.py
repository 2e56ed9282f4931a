"""A page that takes what it lacks, when it can, has the frame exactly."""

import random

import pytest

from orch.bots.media.picture_store import MOST_RECTANGLES, PictureStore
from orch.bots.webcam.canvas import Patch

WIDTH, HEIGHT = 1280, 720


def filled(x: int, y: int, width: int, height: int, value: int) -> Patch:
    return Patch(x, y, width, height, bytes([value]) * (4 * width * height))


def paint(frame: bytearray, width: int, patches: list[Patch]) -> None:
    """Draw patches as a page does."""
    for patch in patches:
        for row in range(patch.height):
            at = 4 * ((patch.y + row) * width + patch.x)
            size = 4 * patch.width
            frame[at : at + size] = patch.pixels[row * size : (row + 1) * size]


def test_a_page_that_takes_now_and_then_has_the_last_frame() -> None:
    """Whatever was drawn over meanwhile."""
    draw = random.Random(2)
    store, expected = PictureStore(), bytearray(4 * WIDTH * HEIGHT)
    page = bytearray(4 * WIDTH * HEIGHT)
    whole = filled(0, 0, WIDTH, HEIGHT, 9)
    store.put([whole])
    paint(expected, WIDTH, [whole])
    for step in range(120):
        width, height = draw.randint(1, 300), draw.randint(1, 90)
        x, y = draw.randint(0, WIDTH - width), draw.randint(0, HEIGHT - height)
        patch = filled(x, y, width, height, step)
        store.put([patch])
        paint(expected, WIDTH, [patch])
        if draw.random() < 0.2:
            taken = store.take()
            assert len(taken) <= MOST_RECTANGLES
            paint(page, WIDTH, taken)
            assert page == expected
    assert not PictureStore().take()


def test_what_was_taken_is_not_sent_again() -> None:
    """Until the page has nothing of it."""
    store = PictureStore()
    store.put([filled(0, 0, WIDTH, HEIGHT, 1), filled(0, 0, 10, 10, 2)])
    assert [(each.width, each.height) for each in store.take()] == [(WIDTH, HEIGHT)]
    assert not store.is_lacking
    store.put([filled(5, 5, 1, 1, 3)])
    assert [(each.x, each.y, each.pixels) for each in store.take()] == [(5, 5, b"\3\3\3\3")]
    store.forget()
    assert [(each.width, each.height) for each in store.take()] == [(WIDTH, HEIGHT)]


def test_a_frame_of_another_size_replaces_it() -> None:
    """Larger and smaller."""
    store = PictureStore()
    for width, height in ((1280, 720), (1920, 1080), (1280, 720)):
        store.put([filled(0, 0, width, height, 1)])
        assert (store.width, store.height) == (width, height)
        assert [(each.width, each.height) for each in store.take()] == [(width, height)]


def test_a_page_that_takes_nothing_costs_one_frame() -> None:
    """However much is drawn."""
    store = PictureStore()
    store.put([filled(0, 0, WIDTH, HEIGHT, 0)])
    store.take()
    for step in range(200):
        store.put([filled(step, step, 40, 30, 1)])
    assert sum(len(each.pixels) for each in store.take()) <= 4 * WIDTH * HEIGHT


@pytest.mark.parametrize(
    "patch",
    [
        filled(WIDTH - 1, 0, 2, 1, 1),
        filled(0, HEIGHT, 1, 1, 1),
        filled(-1, 0, 1, 1, 1),
        Patch(0, 0, 0, 1, b""),
        Patch(0, 0, 2, 2, bytes(15)),
    ],
)
def test_a_patch_outside_of_the_frame_draws_nothing(patch: Patch) -> None:
    """It is the caller's mistake, and nothing of the call is drawn."""
    store = PictureStore()
    store.put([filled(0, 0, WIDTH, HEIGHT, 1)])
    store.take()
    with pytest.raises(ValueError, match="patch"):
        store.put([filled(0, 0, 4, 4, 2), patch])
    assert not store.is_lacking
