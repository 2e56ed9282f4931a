"""A self-signed certificate for `orch demo --share`, if none is configured.

No authority has signed it, so browsers warn once; the connection is encrypted all the same, and microphones
work. It is stored, so that people who have accepted it are not warned again after a restart.
"""

import datetime as dt
import ipaddress
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LIFETIME: Final = dt.timedelta(days=365)
"""Some browsers refuse more than 398 days."""
LEFT: Final = dt.timedelta(days=14)
"""A certificate that expires sooner is replaced."""
COMMON_NAME: Final = "LiveTranslate on this network"


def ensure(folder: Path, names: Iterable[str], *, now: dt.datetime) -> tuple[Path, Path]:
    """Return certificate and key for ``names`` (host names and addresses), creating them if needed.

    An existing one is used again if it covers all names and does not expire soon. Raises OSError if the
    folder cannot be written.
    """
    wanted = sorted(set(names))
    certificate, key = folder / "share.pem", folder / "share.key"
    if _is_good(certificate, key, wanted, now):
        return certificate, key
    folder.mkdir(parents=True, exist_ok=True)
    certificate_bytes, key_bytes = make(wanted, now=now)
    _write(key, key_bytes, mode=0o600)
    _write(certificate, certificate_bytes, mode=0o644)
    return certificate, key


def fingerprint(certificate: Path) -> str:
    """Return the SHA-256 fingerprint as browsers show it."""
    digest = x509.load_pem_x509_certificate(certificate.read_bytes()).fingerprint(hashes.SHA256())
    return ":".join(f"{byte:02X}" for byte in digest)


def make(names: Iterable[str], *, now: dt.datetime) -> tuple[bytes, bytes]:
    """Return a certificate for ``names`` and its key, both in PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, COMMON_NAME)])
    usage = x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))  # a phone's clock may be behind
        .not_valid_after(now + LIFETIME)
        .add_extension(x509.SubjectAlternativeName([_name(each) for each in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.PEM), key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _name(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def _is_good(certificate: Path, key: Path, wanted: list[str], now: dt.datetime) -> bool:
    try:
        found = x509.load_pem_x509_certificate(certificate.read_bytes())
        own = serialization.load_pem_private_key(key.read_bytes(), password=None).public_key()
        names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (OSError, ValueError, TypeError, x509.ExtensionNotFound):
        return False
    covered = {*names.get_values_for_type(x509.DNSName)}
    covered |= {str(each) for each in names.get_values_for_type(x509.IPAddress)}
    return own == found.public_key() and set(wanted) <= covered and found.not_valid_after_utc - now > LEFT


def _write(path: Path, content: bytes, *, mode: int) -> None:
    """Write a complete file, with the permissions ``mode`` from its first byte on."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        os.fchmod(handle, mode)
    beside.replace(path)
