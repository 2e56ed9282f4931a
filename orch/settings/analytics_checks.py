"""Checks the settings of analytics beyond the kinds of their values. Pure."""

from typing import Final

from orch.settings.addresses import is_http_url, unusable_in_header
from orch.settings.analytics import Wording
from orch.settings.restrictions import given
from orch.settings.structs import Fault

_AT: Final = "orchestration.analytics.wording"


def find_wording_faults(wording: Wording) -> list[Fault]:
    """Return the faults in the settings of the server that words insights; none quotes a secret."""
    if not wording.url:
        return []
    faults = []
    if not is_http_url(wording.url):
        expected = "expected http://HOST:PORT/v1 or https://…/v1 without a password or a query"
        faults.append(Fault(f"{_AT}.url", f"{expected}, got {given(f'{_AT}.url', wording.url)}"))
    if not wording.model:
        faults.append(Fault(f"{_AT}.model", "expected the name of a model of that server"))
    if unusable_in_header(wording.api_key.strip()):
        faults.append(Fault(f"{_AT}.api_key", "expected printable ASCII characters"))
    return faults
