"""Reads the service's own certificate and key, and describes their faults."""

import ssl
from pathlib import Path
from typing import Final

from orch.masking import mask_file
from orch.settings import Fault, SettingsError

CERTIFICATE: Final = "orchestration.frontend.tls_certificate"
KEY: Final = "orchestration.frontend.tls_key"
MISMATCH: Final = "KEY_VALUES_MISMATCH"
"""OpenSSL's name for a key that belongs to another certificate."""


def find_pair_faults(certificate: str, key: str) -> list[Fault]:
    """Return the faults of the certificate and key; none if no files are configured. Reads the files."""
    if not certificate or not key:
        return []
    try:
        read_pair(certificate, key)
    except SettingsError as error:
        return list(error.faults)
    return []


def read_pair(certificate: str, key: str, protocols: tuple[str, ...] = ("http/1.1",)) -> ssl.SSLContext:
    """Return a TLS context for accepting connections. Raises SettingsError, which names the faulty file."""
    for setting, path in ((CERTIFICATE, certificate), (KEY, key)):
        try:
            Path(path).read_bytes()
        except (OSError, ValueError) as error:
            why = (error.strerror or "unreadable") if isinstance(error, OSError) else "is no path"
            raise SettingsError(
                [Fault(setting, f"expected a PEM file to read, got {mask_file(path)}: {why}")]
            ) from error
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(list(protocols))
    try:
        context.load_cert_chain(certificate, key, password=_no_password)
    except _EncryptedError as error:
        expected = f"expected a key without a password, got {key}"
        raise SettingsError([Fault(KEY, expected)]) from error
    except ssl.SSLError as error:
        raise SettingsError([_fault(certificate, key, error)]) from error
    return context


class _EncryptedError(Exception):
    """The key file is encrypted."""


def _no_password() -> str:
    raise _EncryptedError


def _fault(certificate: str, key: str, error: ssl.SSLError) -> Fault:
    if error.reason == MISMATCH:
        return Fault(KEY, f"expected the key of the certificate in {certificate}; {key} is another's")
    # OpenSSL does not say which file is invalid: if the certificate can be read alone, it is the key.
    trial = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        trial.load_verify_locations(cafile=certificate)
    except ssl.SSLError:
        return Fault(CERTIFICATE, f"expected a certificate in PEM, its chain after it; {certificate} is none")
    return Fault(KEY, f"expected a private key in PEM; {key} is none ({error.reason or 'it cannot be read'})")
