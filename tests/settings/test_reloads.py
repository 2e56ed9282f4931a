"""What Prometheus reads of the settings, from a file that changes."""

from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from orch.settings import Orchestration, Settings, SettingsError
from orch.settings.live import LiveSettings
from orch.settings.reloads import fingerprint
from orch.telemetry.events import EventLog
from orch.telemetry.names import settings as names
from orch.telemetry.names.metric import Name
from tests.fakes.readings import values


class Clock:
    """A wall clock that a test sets."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def opened(path: Path, clock: Clock) -> LiveSettings:
    return LiveSettings(path, {}, events=EventLog(wall=clock), wall=clock)


def read(live: LiveSettings, name: Name) -> dict[tuple[str, ...], Any]:
    return values(live.readings(), name)


def test_a_file_that_breaks_and_is_mended(tmp_path: Path) -> None:
    """The former settings stay in force, which the gauge says until the file is valid again."""
    path, clock = tmp_path / "o.yaml", Clock()
    path.write_text("orchestration: {shutdown_grace: 5}", encoding="utf-8")
    live = opened(path, clock)
    before = read(live, names.CONFIG_INFO)
    assert read(live, names.CONFIG_RELOAD_OK) == {(): 1}
    assert read(live, names.CONFIG_RELOADS) == {("applied",): 0, ("refused",): 0}
    assert read(live, names.CONFIG_RELOADED_AT) == {(): 1000}
    clock.now = 2000
    path.write_text("orchestration: {shutdown_grace: -5}", encoding="utf-8")
    live.reload()
    assert read(live, names.CONFIG_RELOAD_OK) == {(): 0}
    assert read(live, names.CONFIG_RELOADS) == {("applied",): 0, ("refused",): 1}
    assert read(live, names.CONFIG_RELOADED_AT) == {(): 1000}
    assert read(live, names.CONFIG_INFO) == before
    clock.now = 3000
    path.write_text("orchestration: {shutdown_grace: 7}", encoding="utf-8")
    live.reload()
    assert read(live, names.CONFIG_RELOAD_OK) == {(): 1}
    assert read(live, names.CONFIG_RELOADS) == {("applied",): 1, ("refused",): 1}
    assert read(live, names.CONFIG_RELOADED_AT) == {(): 3000}
    after = read(live, names.CONFIG_INFO)
    assert list(after.values()) == [1]
    assert after != before


def test_what_waits_for_a_restart_is_counted(tmp_path: Path) -> None:
    """Until it is changed back."""
    path, clock = tmp_path / "o.yaml", Clock()
    path.write_text("orchestration: {frontend: {port: 3000}}", encoding="utf-8")
    live = opened(path, clock)
    before = read(live, names.CONFIG_INFO)
    path.write_text("orchestration: {frontend: {port: 3001, compression: true}}", encoding="utf-8")
    live.reload()
    assert read(live, names.CONFIG_PENDING) == {(): 2}
    assert read(live, names.CONFIG_INFO) == before, "what is in force has not changed"
    path.write_text("orchestration: {frontend: {port: 3000}}", encoding="utf-8")
    live.reload()
    assert read(live, names.CONFIG_PENDING) == {(): 0}


def test_a_change_of_another_worker_that_is_refused_here_counts_once(tmp_path: Path) -> None:
    """However often it is offered: an alert on drift has one cause, not one for each heartbeat."""
    path, clock = tmp_path / "o.yaml", Clock()
    path.write_text("{}", encoding="utf-8")
    live = opened(path, clock)
    for revision in (1, 2):
        with pytest.raises(SettingsError):
            live.adopt({"orchestration.shutdown_grace": -1}, revision)
    assert read(live, names.CONFIG_RELOADS) == {("applied",): 0, ("refused",): 1}
    live.adopt({"orchestration.shutdown_grace": 9}, 3)
    assert read(live, names.CONFIG_RELOADS)["applied",] == 1


def test_equal_settings_have_equal_fingerprints_and_secrets_are_not_in_them() -> None:
    """Workers that differ in a value differ; a secret decides nothing, so it cannot be guessed."""
    one, same = Settings(), Settings()
    assert fingerprint(one) == fingerprint(same)
    other = structs.replace(one, orchestration=Orchestration(shutdown_grace=11))
    assert fingerprint(other) != fingerprint(one)
    secrets = [
        fingerprint(structs.replace(one, orchestration=Orchestration(control_token=token)))
        for token in ("a", "another")
    ]
    assert len(set(secrets)) == 1
