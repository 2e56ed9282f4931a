"""Which changes apply at once, and which wait for a restart."""

import msgspec

from orch.settings import Settings, changes, decode
from orch.settings.reload_rules import applicable


def settings(text: str) -> Settings:
    decoded = decode(text, {})
    assert decoded.faults == ()
    return decoded.settings


def test_a_change_says_where_from_and_where_to() -> None:
    """A change has the old and the new value."""
    (change,) = changes(settings(""), settings("orchestration: {gateway: {timeout: 5}}"))
    assert (change.path, change.old, change.new, change.reason) == (
        "orchestration.gateway.timeout",
        30,
        5,
        None,
    )


def test_what_is_opened_once_waits_for_a_restart_and_keeps_its_value() -> None:
    """A changed port is not half-applied."""
    new = settings("orchestration: {frontend: {port: 4000}, gateway: {timeout: 5}}")
    (_, port) = sorted(changes(settings(""), new), key=lambda change: change.reason is not None)
    assert port.path == "orchestration.frontend.port"
    assert port.reason
    applied = applicable(settings(""), new)
    assert applied.orchestration.frontend.port == 3000
    assert applied.orchestration.gateway.timeout == 5


def test_equal_settings_have_no_changes() -> None:
    """Saving an unchanged file is not a change."""
    assert changes(settings(""), settings("orchestration: {}")) == ()


def test_a_service_that_appears_is_a_change_of_each_of_its_values() -> None:
    """Each value of a new back end is a change."""
    found = changes(settings(""), settings("services: {third: {url: 'http://x:1'}}"))
    assert {c.path for c in found} >= {"services.third.url", "services.third.weight"}
    assert msgspec.to_builtins(found[0])["reason"] is None


def test_who_is_trusted_applies_at_once() -> None:
    """A leaked token can be replaced while clients stay connected."""
    new = settings(
        "orchestration: {control_token: new, "
        "frontend: {allowed_hosts: [a.example], trusted_hops: 2, port: 4000}}"
    )
    applied = applicable(settings("orchestration: {control_token: old}"), new).orchestration
    assert applied.control_token == "new"  # noqa: S105 - a test's own
    assert applied.frontend.allowed_hosts == ("a.example",)
    assert applied.frontend.trusted_hops == 2
    assert applied.frontend.port == 3000
    waiting = {change.path for change in changes(settings(""), new) if change.reason}
    assert waiting == {"orchestration.frontend.port"}
