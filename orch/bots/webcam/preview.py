"""The camera's frame as files: PNG, and parts of an MJPEG stream."""

import io
from typing import Final

from PIL import Image

BOUNDARY: Final = "frame"
MJPEG_TYPE: Final = f"multipart/x-mixed-replace; boundary={BOUNDARY}"
"""The content type of a stream of :func:`mjpeg_part`."""
_QUALITY: Final = 85


def png(image: Image.Image) -> bytes:
    """Return a frame as PNG."""
    file = io.BytesIO()
    # Level 1: four times as fast as the default of 6, and not much larger for flat colours.
    image.save(file, "PNG", compress_level=1)
    return file.getvalue()


def jpeg(image: Image.Image) -> bytes:
    """Return a frame as JPEG, which has no transparency: an image with some is put on black first."""
    opaque = image
    if image.mode != "RGB":
        layered = image.convert("RGBA")
        opaque = Image.new("RGB", image.size)
        opaque.paste(layered, mask=layered.getchannel("A"))
    file = io.BytesIO()
    opaque.save(file, "JPEG", quality=_QUALITY)
    return file.getvalue()


def mjpeg_part(image: Image.Image) -> bytes:
    """Return a frame as one part of a stream of :data:`MJPEG_TYPE`, the boundary after it included.

    Browsers show a part when the boundary after it has arrived; a stream begins with :func:`mjpeg_start`.
    """
    return mjpeg_file_part(jpeg(image))


def mjpeg_file_part(body: bytes) -> bytes:
    """Return a JPEG file as a part, as :func:`mjpeg_part` does."""
    head = f"Content-Type: image/jpeg\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    return head + body + f"\r\n--{BOUNDARY}\r\n".encode()


def mjpeg_start() -> bytes:
    """Return what a stream begins with."""
    return f"--{BOUNDARY}\r\n".encode()
