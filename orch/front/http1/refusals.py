"""All reasons for which a request is refused before the application sees it, in one table. Pure.

The kinds are stable words: they are counted, logged and tested for. Each has its response status. The
connection is closed after any of them, because the beginning of the next request is no longer known.
"""

import re
from typing import Final

REFUSALS: Final = {
    # What the head is made of.
    "nul_byte": (400, "The request head contains NUL."),
    "control_character": (400, "The request head contains a control character."),
    "bare_lf": (400, "A line ends with LF alone; it must end with CR LF."),
    "bare_cr": (400, "A CR is not followed by LF."),
    "folded_line": (400, "A header is continued on the next line."),
    "head_too_large": (431, "The request head is too large."),
    "too_many_headers": (431, "The request has too many headers."),
    "head_incomplete": (400, "The connection ended within the head."),
    # The request line.
    "request_line_invalid": (400, "The first line is not a method, a target and a version, one space apart."),
    "target_invalid": (400, "The request target is invalid for this method."),
    "target_too_long": (414, "The request target is too long."),
    "method_unknown": (501, "The method is unknown."),
    "connect_unsupported": (501, "CONNECT is not supported: this is not a proxy."),
    "version_unsupported": (505, "The version is neither HTTP/1.1 nor HTTP/1.0."),
    # Header lines.
    "header_line_invalid": (400, "A header line has no colon or no name."),
    "header_name_space": (400, "There is a space within a header's name or before its colon."),
    "header_name_invalid": (400, "A header name contains an invalid character."),
    "host_missing": (400, "HTTP/1.1 requires a Host header."),
    "host_repeated": (400, "There is more than one Host header."),
    "host_invalid": (400, "The Host header is not a host with or without a port."),
    "expectation_unknown": (417, "The only supported expectation is 100-continue."),
    # Where the body ends.
    "content_length_invalid": (400, "Content-Length is not a number of at most 18 digits."),
    "content_length_repeated": (400, "There is more than one Content-Length."),
    "both_lengths": (400, "There is a Content-Length beside a Transfer-Encoding."),
    "transfer_encoding_in_http10": (400, "HTTP/1.0 does not support Transfer-Encoding."),
    "transfer_encoding_repeated": (400, "There is more than one Transfer-Encoding."),
    "transfer_encoding_unsupported": (501, "The Transfer-Encoding is not exactly chunked."),
    "body_too_large": (413, "The body is too large."),
    "body_incomplete": (400, "The connection ended within the body."),
    # Chunks.
    "chunk_size_invalid": (400, "A chunk's size is not a hexadecimal number."),
    "chunk_size_too_large": (413, "A chunk's size has more than 15 digits."),
    "chunk_extension_invalid": (
        400,
        "A chunk extension contains an invalid character, or a quotation that is not closed.",
    ),
    "chunk_extensions_too_large": (413, "The chunk extensions are too large."),
    "chunk_line_invalid": (400, "The line of a chunk's size does not end with CR LF."),
    "chunk_end_invalid": (400, "A chunk does not end with CR LF."),
    "trailer_invalid": (400, "A trailer is not a header line."),
    "trailer_forbidden": (400, "A trailer contains a field for framing or routing."),
    "trailers_too_large": (431, "The trailers are too large or too many."),
    # llhttp refused what none of the above describes.
    "malformed": (400, "The request head is invalid."),
}


class BadRequestError(Exception):
    """A request is refused: send ``status``, count it as ``kind``, close the connection."""

    def __init__(self, kind: str, detail: str = "") -> None:
        self.kind = kind
        self.status, sentence = REFUSALS[kind]
        self.detail = f"{sentence} {detail}".rstrip()
        super().__init__(f"{kind}: {self.detail}")


FAULT: Final = re.compile(
    rb"(?P<nul_byte>\x00)"
    rb"|(?P<control_character>[\x01-\x08\x0b\x0c\x0e-\x1f\x7f])"
    rb"|(?P<bare_lf>(?<!\r)\n)"
    rb"|(?P<bare_cr>\r(?=[^\n]))"
    rb"|(?P<folded_line>\n(?=[ \t]))"
)
"""The first byte that a head must not have; the group's name is the kind of the refusal.

That never depends on more than the following byte, so a head can be checked before it is complete: one that
never ends is refused at its first wrong byte.
"""
TOKEN: Final = b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
"""Characters of a method or a header name (RFC 9110, 5.6.2), for ``bytes.translate`` to delete."""


def judge_header_line(line: bytes) -> str | None:
    """Return the kind of refusal for one header line without its end, or ``None`` if it is well formed."""
    name, colon, _ = line.partition(b":")
    if not colon or not name:
        return "header_line_invalid"
    if b" " in name or b"\t" in name:
        # "No whitespace is allowed between the field name and colon. … A server MUST reject … any received
        # request message that contains whitespace between a header field name and colon" (RFC 9112, 5.1)
        return "header_name_space"
    return "header_name_invalid" if name.translate(None, TOKEN) else None
