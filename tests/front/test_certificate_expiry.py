"""When the service's own certificate expires, for the alert that comes two weeks before."""

import datetime as dt
import time
from pathlib import Path

from orch.front.certificate import Certificate, expiry
from orch.telemetry.events import EventLog
from orch.telemetry.names.front import CERTIFICATE_EXPIRY
from orch.tls.self_signed import make

NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


def test_the_expiry_is_that_of_the_certificate_in_use(tmp_path: Path) -> None:
    """A new pair changes it; one that cannot be used does not."""
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"

    def write(now: dt.datetime) -> float | None:
        for path, content in zip((certificate, key), make(["localhost"], now=now), strict=True):
            path.write_bytes(content)
        return expiry(certificate.read_bytes())

    def shown() -> float:
        (found,) = (each.value for each in used.readings() if each.name is CERTIFICATE_EXPIRY)
        return found

    first = write(NOW)
    used = Certificate(str(certificate), str(key), events=EventLog(wall=time.time))
    assert shown() == first
    assert first is not None
    assert first > NOW.timestamp()
    second = write(NOW + dt.timedelta(days=30))
    assert shown() == first
    assert used.reload()
    assert shown() == second == first + 30 * 86_400
    certificate.write_bytes(b"no certificate")
    assert not used.reload()
    assert shown() == second


def test_what_cannot_be_read_has_none() -> None:
    """Absent, not 1970."""
    assert expiry(None) is None
    assert expiry(b"no certificate") is None
