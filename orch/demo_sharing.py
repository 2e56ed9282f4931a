"""Support for `orch demo --share`: the machine's network addresses and a certificate for them."""

import datetime as dt
import sys
from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from cryptography import x509

from orch.access.addresses import is_loopback
from orch.greeting import Invitation, invitation, others_address
from orch.network_addresses import lan_addresses, own_names
from orch.settings import Fault, Settings, SettingsError
from orch.settings.decoding import Source
from orch.tls import self_signed

USUAL: Final[dict[str, Any]] = {
    # Seconds until an empty session ends: a link sent before lunch works after it.
    "orchestration.websocket.session_timeout": 43_200,
    # Fewer log lines, so that the invitation stays visible.
    "orchestration.log_level": "WARNING",
}
EVERYWHERE: Final = "0.0.0.0"  # noqa: S104 - to be reached is what sharing is for


class DemoSharing:
    """The sharing of one run: its settings, and the invitation that it prints."""

    def __init__(
        self,
        settings: Settings,
        *,
        host: str | None,
        port: int | None,
        sources: Mapping[str, Source],
        wall: Callable[[], float],
    ) -> None:
        """Create the certificate if none is configured. Raises SettingsError if that fails.

        ``host`` and ``port``: from the command line. ``sources``: where each setting comes from.
        """
        frontend = settings.orchestration.frontend
        listening = host or (EVERYWHERE if is_loopback(frontend.host) else frontend.host)
        if is_loopback(listening):
            expected = f"expected a network address to share at, got {listening}"
            raise SettingsError([Fault("orchestration.frontend.host", expected)])
        self._lan = lan_addresses() if listening in {EVERYWHERE, "::"} else (listening,)
        if not self._lan:
            raise SettingsError(
                [Fault("--share", "expected a network: this machine has no address that others can reach")]
            )
        self._wall = wall
        self._named: str | None = None
        self._fingerprint: str | None = None
        self._public = frontend.public_url
        self._has_token = bool(settings.orchestration.control_token)
        self.overlay: dict[str, Any] = {"orchestration.frontend.host": listening}
        for setting, value in USUAL.items():
            if sources.get(setting) != "environment" and _is_default(settings, setting):
                self.overlay[setting] = value
        if frontend.tls_certificate:
            self._named = _first_name(Path(frontend.tls_certificate))
        else:
            self._make(Path(settings.session_management.sqlite_path).parent / "tls")
        number = frontend.port if port is None else port
        if number and not self._public:
            name = self._named or _in_url(self._lan[0])
            self.overlay["orchestration.frontend.public_url"] = f"https://{name}:{number}"

    def _make(self, folder: Path) -> None:
        names = ("localhost", "127.0.0.1", "::1", *own_names(), *self._lan)
        try:
            certificate, key = self_signed.ensure(
                folder, names, now=dt.datetime.fromtimestamp(self._wall(), dt.UTC)
            )
        except OSError as error:
            expected = f"expected a writable folder for the certificate, got {folder}: {error.strerror}"
            raise SettingsError([Fault("--share", expected)]) from error
        self._fingerprint = self_signed.fingerprint(certificate)
        self.overlay["orchestration.frontend.tls_certificate"] = str(certificate)
        self.overlay["orchestration.frontend.tls_key"] = str(key)

    def print_invitation(self, addresses: Sequence[str], token: str, session_id: str, key: str) -> None:
        """Print the link, the QR code and the explanation."""
        base = self._public or self._address(addresses[0])
        session = f"session={quote(session_id)}&key={key}"
        given = Invitation(
            link=f"{base}/translation#{session}",
            host_link=f"{base}/sign-in?next=/translation#{session}",
            token=None if self._has_token else token,
            fingerprint=self._fingerprint,
        )
        text = invitation(given, is_colored=sys.stdout.isatty(), can_draw=_can_draw())
        print(text, flush=True)  # noqa: T201 - a person at a terminal reads it

    def _address(self, address: str) -> str:
        found = others_address(address, self._lan) or address
        if self._named is None:
            return found
        return f"https://{self._named}:{found.rpartition(':')[2]}"


def _is_default(settings: Settings, setting: str) -> bool:
    """Return whether a setting has its default, as in the file of settings that the service comes with."""
    get = attrgetter(setting)
    return bool(get(settings) == get(Settings()))


def _in_url(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def _can_draw() -> bool:
    try:
        "█▀▄".encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def _first_name(certificate: Path) -> str | None:
    """Return the first usable host name in a certificate; None if it has none."""
    try:
        found = x509.load_pem_x509_certificate(certificate.read_bytes())
        names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (OSError, ValueError, x509.ExtensionNotFound):
        return None
    hosts = names.get_values_for_type(x509.DNSName)
    return next((each for each in hosts if "*" not in each and each != "localhost"), None)
