import io

import pytest
from PIL import Image, ImageChops, ImageStat

from orch.bots.webcam.appearance import Appearance
from orch.bots.webcam.canvas import Canvas
from orch.bots.webcam.fonts import Fonts
from orch.bots.webcam.preview import BOUNDARY, MJPEG_TYPE, jpeg, mjpeg_part, mjpeg_start, png
from tests.bots.webcam.scenes import scene


@pytest.fixture(scope="module")
def frame(fonts: Fonts) -> Image.Image:
    canvas = Canvas(fonts)
    canvas.draw(scene(Appearance()))
    return canvas.image


def test_a_png_is_the_frame(frame: Image.Image) -> None:
    with Image.open(io.BytesIO(png(frame))) as read:
        assert read.format == "PNG"
        assert ImageChops.difference(read.convert("RGB"), frame).getbbox() is None


def test_a_stream_has_the_frames_between_its_boundaries(frame: Image.Image) -> None:
    """Each with its length, and the boundary after it, at which browsers show it."""
    stream = mjpeg_start() + mjpeg_part(frame) + mjpeg_part(frame)
    assert MJPEG_TYPE.endswith(f"boundary={BOUNDARY}")
    first, one, two, rest = stream.split(f"--{BOUNDARY}\r\n".encode())
    assert (first, rest) == (b"", b"")
    for part in (one, two):
        head, _, body = part.partition(b"\r\n\r\n")
        assert b"Content-Type: image/jpeg" in head
        length = int(head.partition(b"Content-Length: ")[2])
        assert body[length:] == b"\r\n"
        with Image.open(io.BytesIO(body[:length])) as read:
            assert (read.format, read.mode, read.size) == ("JPEG", "RGB", (1280, 720))
            assert max(ImageStat.Stat(ImageChops.difference(read, frame)).mean) < 3


def test_a_transparent_image_becomes_an_opaque_jpeg() -> None:
    """What is transparent is black, not whatever colour it has."""
    for mode, colour in (("RGBA", (255, 255, 255, 0)), ("LA", (255, 0)), ("L", 0)):
        with Image.open(io.BytesIO(jpeg(Image.new(mode, (8, 8), colour)))) as read:
            assert read.getpixel((4, 4)) == (0, 0, 0)
