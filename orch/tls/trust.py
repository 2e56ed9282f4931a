"""Trust in back ends' certificates, and descriptions of certificate errors.

Trusted are the system's authorities, or those named by ``SSL_CERT_FILE`` and ``SSL_CERT_DIR`` instead
(OpenSSL reads both), and the back end's ``ca_file``; the same for health checks and for requests, so that
one does not fail while the other succeeds.
"""

import os
import ssl
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import trio

from orch.masking import mask_file
from orch.settings import Fault, Settings

_HOSTNAME: Final = frozenset({62, 64})  # X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH
_EXPIRED: Final = 10
_NOT_YET: Final = 9

Stamp = tuple[int, int, int]


class TrustStore:
    """TLS contexts for connections to back ends, created on demand and again when a file changes.

    Reading certificates takes some ten milliseconds, so it is done in a thread. The mutable state is the
    contexts created so far, one for each ``ca_file`` that the settings have ever named.
    """

    def __init__(self) -> None:
        self._made: dict[str, tuple[Stamp | None, ssl.SSLContext]] = {}

    async def context(self, ca_file: str = "") -> ssl.SSLContext:
        """Return the context for a service. OSError: its file cannot be read (ssl.SSLError is one too)."""
        return await trio.to_thread.run_sync(self._context, ca_file)

    def _context(self, ca_file: str) -> ssl.SSLContext:
        made = self._made.get(ca_file)
        try:
            stamp = _stamp(ca_file) if ca_file else None
        except OSError:
            if made is None:
                raise
            return made[1]  # the file is being replaced, or was deleted: use what was read before
        if made is None or made[0] != stamp:
            made = self._made[ca_file] = (stamp, make_context(ca_file))
        return made[1]


def make_context(ca_file: str = "") -> ssl.SSLContext:
    """Return a context with the trust described above. Raises OSError if the file cannot be used."""
    context = ssl.create_default_context()
    if ca_file:
        context.load_verify_locations(cafile=ca_file)
        # The file may hold the issuing authority alone, or the server's own certificate.
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


def find_faults(settings: Settings, environ: Mapping[str, str] | None = None) -> list[Fault]:
    """Return the faults of all certificate files. Reads the files."""
    faults = []
    for name, service in settings.services.items():
        if not service.ca_file:
            continue
        if expected := _unusable(service.ca_file):
            faults.append(Fault(f"services.{name}.ca_file", expected))
    ca_file = settings.orchestration.bots.webhooks.ca_file
    if ca_file and (expected := _unusable(ca_file)):
        faults.append(Fault("orchestration.bots.webhooks.ca_file", expected))
    if any(service.url.startswith("https:") for service in settings.services.values()):
        faults += _missing_variables(os.environ if environ is None else environ)
    return faults


def in_words(error: ssl.SSLError) -> str:
    """Return the peer's TLS fault and the remedy, as the end of a sentence."""
    if not isinstance(error, ssl.SSLCertVerificationError):
        if error.reason in {"WRONG_VERSION_NUMBER", "UNKNOWN_PROTOCOL", "HTTP_REQUEST"}:
            return "it does not speak TLS; should its url begin with http://?"
        return f"it does not speak TLS as expected ({(error.reason or 'handshake failed').lower()})"
    if error.verify_code in _HOSTNAME:
        return "its certificate is for another host name than its url"
    if error.verify_code == _EXPIRED:
        return "its certificate has expired; renew it there"
    if error.verify_code == _NOT_YET:
        return "its certificate is not valid yet; check the clocks of both machines"
    return (
        f"its certificate is not trusted ({error.verify_message}); "
        "name the authority that signed it, or the certificate itself, in the service's ca_file"
    )


def _stamp(path: str) -> Stamp:
    status = Path(path).stat()
    return status.st_mtime_ns, status.st_size, status.st_ino


def _unusable(ca_file: str) -> str:
    """Return what was expected of a file that cannot be used; "" if it can be."""
    try:
        make_context(ca_file)
    except (OSError, ValueError) as error:
        why = "contains no PEM certificate" if isinstance(error, ssl.SSLError) else _why(error)
        return f"expected a PEM file of certificates; {mask_file(ca_file)} {why}"
    return ""


def _why(error: Exception) -> str:
    return f"cannot be read ({error.strerror})" if isinstance(error, OSError) else "is no path"


def _missing_variables(environ: Mapping[str, str]) -> Iterator[Fault]:
    """Find variables that name a missing file: OpenSSL ignores them silently and then trusts nothing."""
    for variable, exists in (("SSL_CERT_FILE", Path.is_file), ("SSL_CERT_DIR", Path.is_dir)):
        value = environ.get(variable)
        if value and not any(exists(Path(part)) for part in value.split(os.pathsep)):
            kind = "file" if variable == "SSL_CERT_FILE" else "folder"
            yield Fault(variable, f"expected an existing {kind}, got {value}")
