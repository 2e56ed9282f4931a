"""Exporting settings as a file, and importing such a file."""

import pytest

from orch.settings import Settings, SettingsError, decode
from orch.settings.export import exported, imported

FILE = """
orchestration:
  gateway: {timeout: 12}
services:
  audio-service:
    url: http://name:hidden-word@audio:5001
    api_key: other-hidden-word
"""


def settings(text: str) -> Settings:
    decoded = decode(text, {})
    assert decoded.faults == ()
    return decoded.settings


def test_what_is_exported_has_no_secret_and_says_what_it_lacks() -> None:
    """Importing the exported file changes nothing."""
    current = settings(FILE)
    text = exported(current)
    assert "hidden-word" not in text
    assert "# left out: services.audio-service.url\n" in text
    assert "# left out: services.audio-service.api_key\n" in text
    assert "timeout: 12" in text
    assert imported(text, current).changes == ()


def test_what_a_file_would_change_is_said_with_when() -> None:
    """Commands, URLs and secrets are not changed; values that are not named stay."""
    current = settings(FILE)
    plan = imported(
        "orchestration:\n  gateway: {timeout: 9}\n  frontend: {port: 4000}\n"
        "services:\n  audio-service: {url: 'http://else:1', api_key: new-hidden-word}\n",
        current,
    )
    outcomes = {change.path: change.outcome for change in plan.changes}
    assert outcomes == {
        "orchestration.gateway.timeout": "applies",
        "orchestration.frontend.port": "waits",
        "services.audio-service.url": "fixed",
        "services.audio-service.api_key": "fixed",
    }
    assert plan.values == {"orchestration.gateway.timeout": 9.0, "orchestration.frontend.port": 4000}
    assert "hidden-word" not in repr(plan)


def test_a_file_that_cannot_be_used_has_all_its_faults_named() -> None:
    """Each with its path."""
    with pytest.raises(SettingsError) as refused:
        imported("orchestration:\n  gateway: {timeout: x, nonsense: 1}\n", settings(FILE))
    assert {fault.path for fault in refused.value.faults} == {
        "orchestration.gateway.timeout",
        "orchestration.gateway.nonsense",
    }
