"""The greeting printed in a terminal once the service runs, with the addresses to open. Pure."""

import io
from collections.abc import Sequence
from typing import Final
from urllib.parse import urlsplit

import segno
from msgspec import Struct

EVERYWHERE: Final = frozenset({"0.0.0.0", "[::]"})  # noqa: S104 - it is looked for, not listened on


class Invitation(Struct, frozen=True, kw_only=True):
    """The contents of an invitation: link, certificate and token.

    ``link`` opens a session with the right to speak; ``token`` is the control token if it was generated for
    this run. ``fingerprint`` is that of a certificate that browsers warn about. ``host_link`` asks for the
    token, then opens the session with the right to host it.
    """

    link: str
    host_link: str
    token: str | None = None
    fingerprint: str | None = None


def own_address(address: str) -> str:
    """Return the URL of listening address ``address`` for this machine."""
    parts = urlsplit(address)
    host = parts.netloc.rpartition(":")[0]
    if host == "127.0.0.1" or host in EVERYWHERE:
        host = "localhost"
    return f"{parts.scheme}://{host}:{parts.port}"


def others_address(address: str, lan: Sequence[str]) -> str | None:
    """Return the URL of listening address ``address`` for other machines; None if they cannot reach it."""
    parts = urlsplit(address)
    host = parts.netloc.rpartition(":")[0]
    if host in EVERYWHERE:
        return f"{parts.scheme}://{lan[0]}:{parts.port}" if lan else None
    is_own = host.startswith("127.") or host in {"[::1]", "localhost"}
    return None if is_own else f"{parts.scheme}://{host}:{parts.port}"


def greeting(addresses: Sequence[str], lan: Sequence[str]) -> str:
    """Return the greeting of a service that is not shared."""
    own, others = own_address(addresses[0]), others_address(addresses[0], lan)
    lines = [f"LiveTranslate is ready. Open {own}/translation to speak, {own} to monitor the service."]
    if others is not None:
        lines.append(f"From other machines: {others}/translation")
        if not others.startswith("https:"):
            lines.append(
                "Browsers on other machines allow microphones only over https: set a certificate "
                "(--tls-cert, --tls-key), or share the demo with `orch demo --share`."
            )
    return "\n".join(["", *lines, "Ctrl+C stops it.", ""])


def invitation(given: Invitation, *, is_colored: bool, can_draw: bool) -> str:
    """Return the greeting and the QR code of a shared service.

    ``is_colored``: the output is a terminal that supports colours. ``can_draw``: it can show block
    characters.
    """
    base = given.link.partition("/translation")[0]
    lines = [
        "",
        "LiveTranslate is ready for everyone on this network. Open this link or scan the code to join:",
        "",
        f"  {given.link}",
        "",
    ]
    if can_draw:
        lines += [*_code(given.link, is_colored=is_colored), ""]
    if given.fingerprint is not None:
        lines += [
            "Browsers warn once that the connection is not private: the certificate was made here, and no",
            "authority signed it. The connection is encrypted all the same. Choose Advanced, then continue.",
            "To check that you reached this machine, compare the certificate's SHA-256 fingerprint:",
            f"  {given.fingerprint}",
            "",
        ]
    lines += [
        "The host (title, corrections, muting, removing, locking, ending the session) opens:",
        f"  {given.host_link}",
        f"Operators' pages ({base}/) and this link require a token; guests need none.",
    ]
    lines.append("It is the one you have set." if given.token is None else "The token of this run:")
    if given.token is not None:
        lines.append(f"  {given.token}")
    lines += [
        "",
        "If a phone cannot open it: is it in the same network? Does a firewall block the port?",
        "Stop it with Ctrl+C or by closing this window.",
        "",
    ]
    return "\n".join(lines)


def _code(link: str, *, is_colored: bool) -> list[str]:
    drawn = io.StringIO()
    segno.make(link, error="l", micro=False).terminal(drawn, border=2, compact=True)
    rows = drawn.getvalue().rstrip("\n").split("\n")
    # White on black, whatever the terminal's colours are: not every reader accepts an inverted code.
    return [f"  \x1b[97;40m{row}\x1b[0m" if is_colored else f"  {row}" for row in rows]
