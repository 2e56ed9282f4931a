"""Which server supports which protocols, and the faults for unsupported ones."""

import pytest

from orch.settings import decode

SERVED = {"ORCH_FRONTEND__SERVER": "hypercorn", "TLS_CERTIFICATE": "a.pem", "TLS_KEY": "b.pem"}


@pytest.mark.parametrize(
    ("environ", "path"),
    [
        ({"ORCH_FRONTEND__HTTP2": "true"}, "orchestration.frontend.http2"),
        ({"ORCH_FRONTEND__HTTP3": "true"}, "orchestration.frontend.http3"),
        (
            {"ORCH_FRONTEND__HTTP3": "true", "ORCH_FRONTEND__SERVER": "hypercorn"},
            "orchestration.frontend.http3",
        ),
        (SERVED | {"ORCH_FRONTEND__HTTP3": "true", "WORKERS": "2"}, "orchestration.frontend.http3"),
    ],
    ids=["own-2", "own-3", "plain", "workers"],
)
def test_a_protocol_that_cannot_be_spoken_is_a_fault_at_its_setting(
    environ: dict[str, str], path: str
) -> None:
    faults = decode("", environ, name="settings.yaml").faults
    assert path in [fault.path for fault in faults]
    assert all(fault.expected.startswith("expected ") for fault in faults)


def test_hypercorn_speaks_all_with_a_certificate() -> None:
    environ = SERVED | {"ORCH_FRONTEND__HTTP2": "true", "ORCH_FRONTEND__HTTP3": "true"}
    assert not decode("", environ, name="settings.yaml").faults
