"""Reads the head of a request with llhttp, and refuses malformed heads that llhttp accepts. Pure.

A head passes four checks in turn:

1. its bytes (:data:`orch.front.http1.refusals.FAULT`): no controls, no bare CR or LF, no folded lines;
2. its first line: exactly three words, a known version, a target of the right form;
3. llhttp, strictly, on the head alone. It never sees the body, so that it cannot disagree on where it ends;
4. the headers that frame and route (Host, Content-Length, Transfer-Encoding, Connection, Upgrade, Expect).
"""

import re
from collections.abc import Sequence
from typing import Final, Literal
from urllib.parse import unquote

from httptools import (
    HttpParserError,
    HttpParserInvalidMethodError,
    HttpParserInvalidURLError,
    HttpParserUpgrade,
    HttpRequestParser,
)
from msgspec import Struct

from orch.front.http1.refusals import TOKEN, BadRequestError, judge_header_line


class Limits(Struct, frozen=True):
    """Limits of a request, in bytes; ``body_bytes`` is unlimited by default since bodies are streamed."""

    head_bytes: int = 32768
    headers: int = 100
    target_bytes: int = 8192
    body_bytes: int | None = None


class RequestHead(Struct, frozen=True):
    """The head of a request.

    Header names are lower-case, values without the white space around them. ``target`` is as sent;
    ``raw_path`` and ``query`` are its parts, ``path`` is ``raw_path`` percent-decoded as UTF-8 (what is not
    UTF-8 becomes U+FFFD, a ``%`` that starts no escape stays). For a target in absolute form the Host header
    has been replaced by the target's authority, as RFC 9112, 3.2.2 asks. ``upgrade`` is the lower-case
    Upgrade header where Connection names it and the version is 1.1.
    """

    method: bytes
    target: bytes
    path: str
    raw_path: bytes
    query: bytes
    version: Literal["1.0", "1.1"]
    headers: list[tuple[bytes, bytes]]
    keep_alive: bool
    expects_continue: bool
    upgrade: bytes | None
    content_length: int | None
    is_chunked: bool

    @property
    def has_body(self) -> bool:
        """Whether bytes follow the head."""
        return self.is_chunked or bool(self.content_length)


LENGTH_DIGITS: Final = 18
"""Digits of a Content-Length: less than 2**63."""

_VERSIONS: Final[dict[bytes, Literal["1.0", "1.1"]]] = {b"HTTP/1.1": "1.1", b"HTTP/1.0": "1.0"}
_VERSION: Final = re.compile(rb"HTTP/[0-9]\.[0-9]")
_IN_TARGETS: Final = bytes(range(0x21, 0x7F)).replace(b"#", b"")
"""Visible characters; a fragment is the client's own and belongs in no request."""
_HOST: Final = re.compile(
    rb"(?:\[[0-9A-Fa-f:.]+\]|(?:[0-9A-Za-z\-._~!$&'()*+,;=]|%[0-9A-Fa-f]{2})*)(?::[0-9]*)?"
)
_NO_OPTIONS: Final[frozenset[bytes]] = frozenset()
_COMMON_OPTIONS: Final = {option: frozenset({option}) for option in (b"keep-alive", b"close", b"upgrade")}
_FRAMING: Final = frozenset(
    {b"host", b"content-length", b"transfer-encoding", b"connection", b"upgrade", b"expect"}
)


class _Fields:
    """Callbacks for llhttp; ``framing`` are the headers that are interpreted here."""

    __slots__ = ("framing", "headers")

    def __init__(self) -> None:
        self.headers: list[tuple[bytes, bytes]] = []
        self.framing: dict[bytes, list[bytes]] = {}

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        value = value.strip(b" \t")
        self.headers.append((name, value))
        if name in _FRAMING:
            self.framing.setdefault(name, []).append(value)


def read_head(block: bytes, limits: Limits) -> RequestHead:
    """Read a whole head, its empty line included, that has no :data:`~orch.front.http1.refusals.FAULT`.

    It also refuses a folded line, though as another kind. Raises :class:`BadRequestError`.
    """
    method, target, version = _read_request_line(block[: block.find(b"\r\n")], limits)
    fields = _Fields()
    try:
        HttpRequestParser(fields).feed_data(block)
    except HttpParserUpgrade:
        pass  # raised for every Upgrade; whether to upgrade is decided later
    except HttpParserInvalidMethodError:
        raise BadRequestError("method_unknown") from None
    except HttpParserInvalidURLError:
        raise BadRequestError("target_invalid") from None
    except HttpParserError as error:
        raise _name_refusal(block, version, limits, error) from error
    headers = fields.headers
    if len(headers) > limits.headers:
        raise BadRequestError("too_many_headers")
    if len(headers) != block.count(b"\r\n") - 2:
        raise BadRequestError("malformed", "A line was not read as a header.")
    return _assemble(method, target, version, headers, fields.framing)


def _read_request_line(line: bytes, limits: Limits) -> tuple[bytes, bytes, Literal["1.0", "1.1"]]:
    words = line.split(b" ")
    if len(words) != 3:  # noqa: PLR2004  # a method, a target and a version
        raise BadRequestError("request_line_invalid")
    method, target, number = words
    version = _VERSIONS.get(number)
    if version is None:
        raise BadRequestError("version_unsupported" if _VERSION.fullmatch(number) else "request_line_invalid")
    if not method or not target or method.translate(None, TOKEN):
        raise BadRequestError("request_line_invalid")
    if method == b"CONNECT":
        raise BadRequestError("connect_unsupported")
    if len(target) > limits.target_bytes:
        raise BadRequestError("target_too_long")
    if target.translate(None, _IN_TARGETS):
        raise BadRequestError("target_invalid")
    return method, target, version


def _assemble(
    method: bytes,
    target: bytes,
    version: Literal["1.0", "1.1"],
    headers: list[tuple[bytes, bytes]],
    framing: dict[bytes, list[bytes]],
) -> RequestHead:
    content_length, is_chunked = _read_lengths(framing, version)
    _check_host(framing, version)
    is_current = version == "1.1"
    options = _NO_OPTIONS
    if b"connection" in framing:
        connection = b",".join(framing[b"connection"]).lower()
        options = _COMMON_OPTIONS.get(connection) or _split(connection)
    keep_alive = b"close" not in options and (is_current or b"keep-alive" in options)
    upgrade = None
    if is_current and b"upgrade" in options and b"upgrade" in framing:
        upgrade = b", ".join(framing[b"upgrade"]).lower()
    expects_continue = False
    # RFC 9110, 10.1.1: "A server that receives a 100-continue expectation in an HTTP/1.0 request MUST ignore
    # that expectation."
    if is_current and b"expect" in framing:
        if any(value.lower() != b"100-continue" for value in framing[b"expect"]):
            raise BadRequestError("expectation_unknown")
        expects_continue = is_chunked or bool(content_length)
    if target.startswith(b"/"):
        raw_path, _, query = target.partition(b"?")
    else:
        raw_path, query = _read_other_target(method, target, headers)
    path = raw_path.decode("ascii")
    return RequestHead(
        method,
        target,
        unquote(path) if "%" in path else path,
        raw_path,
        query,
        version,
        headers,
        keep_alive,
        expects_continue,
        upgrade,
        content_length,
        is_chunked,
    )


def _split(connection: bytes) -> frozenset[bytes]:
    return frozenset(option.strip() for option in connection.split(b","))


def _read_lengths(framing: dict[bytes, list[bytes]], version: str) -> tuple[int | None, bool]:
    """Return the Content-Length and whether the body is chunked; anything ambiguous is refused."""
    lengths = framing.get(b"content-length")
    codings = framing.get(b"transfer-encoding")
    if codings is not None:
        if lengths is not None:
            # RFC 9112, 6.1: a server MAY reject it. A message with both was made to be read in two ways.
            raise BadRequestError("both_lengths")
        if version == "1.0":
            raise BadRequestError("transfer_encoding_in_http10")
        if len(codings) > 1:
            raise BadRequestError("transfer_encoding_repeated")
        if codings[0].lower() != b"chunked":
            raise BadRequestError("transfer_encoding_unsupported")
        return None, True
    if lengths is None:
        return None, False
    if len(lengths) > 1:
        # RFC 9112, 6.3 lets equal ones be read as one. No client sends two by accident: they are refused.
        raise BadRequestError("content_length_repeated")
    digits = lengths[0]
    if not digits.isdigit() or len(digits) > LENGTH_DIGITS:
        raise BadRequestError("content_length_invalid")
    return int(digits), False


def _check_host(framing: dict[bytes, list[bytes]], version: str) -> None:
    """Check that there is exactly one Host (RFC 9112, 3.2), or at most one in HTTP/1.0."""
    hosts = framing.get(b"host")
    if hosts is None:
        if version == "1.1":
            raise BadRequestError("host_missing")
        return
    if len(hosts) > 1:
        raise BadRequestError("host_repeated")
    if _HOST.fullmatch(hosts[0]) is None:
        raise BadRequestError("host_invalid")


def _read_other_target(
    method: bytes, target: bytes, headers: list[tuple[bytes, bytes]]
) -> tuple[bytes, bytes]:
    """Return path and query of a target in asterisk or absolute form; the latter replaces the Host header."""
    if target == b"*":
        if method != b"OPTIONS":
            raise BadRequestError("target_invalid")
        return b"*", b""
    scheme, separator, rest = target.partition(b"://")
    if not separator or scheme.lower() not in (b"http", b"https"):
        raise BadRequestError("target_invalid")
    before, _, query = rest.partition(b"?")
    authority, slash, path = before.partition(b"/")
    if not authority or authority.startswith(b":") or _HOST.fullmatch(authority) is None:
        raise BadRequestError("target_invalid")
    # "When an origin server receives a request with an absolute-form of request-target, the origin server
    # MUST ignore the received Host header field (if any) and instead use the host information of the
    # request-target." (RFC 9112, 3.2.2)
    headers[:] = [(b"host", authority), *(field for field in headers if field[0] != b"host")]
    return slash + path if slash else b"/", query


def _name_refusal(
    block: bytes, version: Literal["1.0", "1.1"], limits: Limits, error: HttpParserError
) -> BadRequestError:
    """Name what llhttp refused, so that the kinds are ours and stable over its versions."""
    lines: Sequence[bytes] = block[:-4].split(b"\r\n")[1:]
    if len(lines) > limits.headers:
        return BadRequestError("too_many_headers")
    fields = _Fields()
    for line in lines:
        kind = judge_header_line(line)
        if kind is not None:
            return BadRequestError(kind)
        name, _, value = line.partition(b":")
        fields.on_header(name, value)
    try:
        _read_lengths(fields.framing, version)
        _check_host(fields.framing, version)
    except BadRequestError as refusal:
        return refusal
    if b"transfer-encoding" in fields.framing:  # llhttp accepts no tab after "chunked", and neither do we
        return BadRequestError("transfer_encoding_unsupported")
    return BadRequestError("malformed", str(error))
