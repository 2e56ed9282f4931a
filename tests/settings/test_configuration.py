"""The settings file at run time."""

import json
from pathlib import Path

import pytest
import trio

from orch.settings import SettingsError, decode
from orch.settings.live import LiveSettings, find_file
from orch.telemetry.events import EventLog


def configuration(path: Path, **environ: str) -> LiveSettings:
    return LiveSettings(path, environ, events=EventLog(wall=lambda: 0.0), wall=lambda: 0.0)


def test_a_file_that_cannot_be_used_stops_the_start(tmp_path: Path) -> None:
    """The service does not start with invalid settings."""
    path = tmp_path / "orchestration.yaml"
    path.write_text("orchestration: {port: 1}")
    with pytest.raises(SettingsError) as caught:
        configuration(path)
    assert caught.value.faults[0].path == "orchestration.port"


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """The message has the path."""
    with pytest.raises(SettingsError, match=r"nothing\.yaml: expected a readable file"):
        configuration(tmp_path / "nothing.yaml")


def test_a_broken_file_changes_nothing_and_says_so(tmp_path: Path) -> None:
    """The current settings stay; the fault is shown until the file is corrected."""
    path = tmp_path / "orchestration.yaml"
    path.write_text("orchestration: {gateway: {timeout: 5}}")
    held = configuration(path)
    path.write_text("orchestration: {gateway: {timeout: soon}}")
    assert held.reload() == ()
    assert held.current.orchestration.gateway.timeout == 5
    assert held.statistics().file.faults[0].path == "orchestration.gateway.timeout"
    path.write_text("orchestration: {gateway: {timeout: 6}}")
    held.reload()
    assert held.current.orchestration.gateway.timeout == 6
    assert held.statistics().file.faults == ()


def test_an_emptied_file_is_not_the_defaults(tmp_path: Path) -> None:
    """Editors empty a file before they write into it; whoever reads it then must not use the defaults."""
    path = tmp_path / "orchestration.yaml"
    path.write_text("")
    settings = configuration(path)  # at the start there is nothing that could get lost
    path.write_text("orchestration: {speech: {max_streams: 3}}")
    settings.reload()
    for text in ("", "\n \n"):
        path.write_text(text)
        assert settings.reload() == ()
        assert settings.current.orchestration.speech.max_streams == 3
        [fault] = settings.statistics().file.faults
        assert (fault.path, "empty" in fault.expected) == (str(path), True)
        with pytest.raises(SettingsError):
            settings.with_changes({}, {"orchestration.speech.max_utterance": 10})
    path.write_text("# the defaults\n")
    settings.reload()
    assert settings.current.orchestration.speech.max_streams != 3
    assert settings.statistics().file.faults == ()


def test_what_needs_a_restart_is_pending_until_it_is_taken_back(tmp_path: Path) -> None:
    """The page shows the pending changes, until there are none."""
    path = tmp_path / "orchestration.yaml"
    path.write_text("# the defaults")
    held = configuration(path)
    path.write_text("orchestration: {frontend: {port: 4000}}")
    held.reload()
    (pending,) = held.statistics().pending
    assert (pending.path, pending.old, pending.new) == ("orchestration.frontend.port", 3000, 4000)
    path.write_text("# the defaults")
    held.reload()
    assert held.statistics().pending == ()


def test_an_operators_change_holds_over_the_file_and_can_be_taken_back(tmp_path: Path) -> None:
    """PATCH /api/config overrides the file until it is reverted; the file is unchanged."""
    path = tmp_path / "orchestration.yaml"
    path.write_text("orchestration: {gateway: {timeout: 5}}")
    held = configuration(path)
    held.adopt(held.with_changes({}, {"orchestration.gateway.timeout": 9}), 1)
    held.reload()
    assert held.current.orchestration.gateway.timeout == 9
    assert held.statistics().sources["orchestration.gateway.timeout"] == "runtime"
    assert held.statistics().runtime == ("orchestration.gateway.timeout",)
    held.adopt(held.with_changes(held.runtime, {"orchestration.gateway.timeout": None}), 2)
    assert held.revision == 2
    assert held.current.orchestration.gateway.timeout == 5
    with pytest.raises(SettingsError):
        held.with_changes({}, {"orchestration.gateway.timeout": "soon"})
    assert held.current.orchestration.gateway.timeout == 5
    assert path.read_text() == "orchestration: {gateway: {timeout: 5}}"


def test_a_change_of_another_worker_that_does_not_go_with_the_file_changes_nothing_and_is_shown(
    tmp_path: Path,
) -> None:
    """The worker continues with its settings, and shows the faults until there are none."""
    path = tmp_path / "orchestration.yaml"
    path.write_text("services: {}")
    held = configuration(path)
    with pytest.raises(SettingsError):
        held.adopt({"services.another.weight": 2}, 5)
    assert held.revision == 0
    assert held.statistics().refused[0].path.startswith("services.another")
    path.write_text("services: {another: {url: 'http://127.0.0.1:5001'}}")
    held.adopt({"services.another.weight": 2}, 5)
    assert held.revision == 5
    assert held.statistics().refused == ()
    assert held.current.services["another"].weight == 2


def test_commands_and_urls_in_the_store_do_not_change_settings(tmp_path: Path) -> None:
    """Write access to the workers' store does not imply running commands on their machines."""
    path = tmp_path / "orchestration.yaml"
    path.write_text("services: {audio-service: {restart_command: [true]}}".replace("[true]", "['true']"))
    held = configuration(path)
    for stored in (
        {"services.audio-service.restart_command": ["touch", "proof"]},
        {"services.audio-service.url": "http://192.0.2.1"},
        {"services.audio-service": {"url": "http://192.0.2.1", "restart_command": ["touch"]}},
        {"orchestration.control_token": "mine"},
    ):
        held.adopt({**stored, "orchestration.gateway.timeout": 9}, held.revision + 1)
        assert [fault.path for fault in held.statistics().refused] == list(stored)
        assert held.current.services["audio-service"].restart_command == ("true",)
        assert "192.0.2.1" not in held.current.services["audio-service"].url
        assert held.current.orchestration.control_token == ""
        assert held.current.orchestration.gateway.timeout == 9
        assert held.runtime == {"orchestration.gateway.timeout": 9}
        with pytest.raises(SettingsError):
            held.with_changes({}, stored)
        assert held.with_changes(stored, {"orchestration.gateway.timeout": 8}) == {
            "orchestration.gateway.timeout": 8
        }
    held.adopt({}, held.revision + 1)
    assert held.statistics().refused == ()


@pytest.mark.real_time
async def test_the_file_is_watched_also_when_an_editor_replaces_it(tmp_path: Path) -> None:
    """Saving in an editor applies the change without a restart."""
    path = tmp_path / "orchestration.yaml"
    path.write_text("")
    held = configuration(path)

    applied = trio.Event()
    held.on_applied = lambda changed: applied.set() if changed else None
    async with trio.open_nursery() as nursery:
        await nursery.start(held.watch)
        await trio.lowlevel.checkpoint()
        while not applied.is_set():  # the watcher needs a moment to begin; writing again is harmless
            fresh = tmp_path / "fresh"
            fresh.write_text("orchestration: {gateway: {timeout: 8}}")
            fresh.replace(path)
            with trio.move_on_after(1):
                await applied.wait()
        nursery.cancel_scope.cancel()
    assert held.current.orchestration.gateway.timeout == 8


def test_the_file_is_the_named_one_or_the_one_here_or_the_one_we_carry(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The named file, then ./config/, then the packaged one."""
    monkeypatch.chdir(tmp_path)
    assert find_file("x.yaml", {"ORCH_CONFIG": "y.yaml"}) == Path("x.yaml")
    assert find_file(None, {"ORCH_CONFIG": "y.yaml"}) == Path("y.yaml")
    assert find_file(None, {}).is_absolute()
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "orchestration.yaml").write_text("")
    assert find_file(None, {}) == Path("config/orchestration.yaml")


@pytest.mark.parametrize(
    "origin",
    ["*", "https://*", "slides.example", "https://a/", "https://a/b", "https://a; script-src *", "'self'"],
)
def test_an_origin_that_may_embed_captions_is_a_whole_one(origin: str) -> None:
    """It becomes a part of the policy that browsers enforce: anything else would allow more than is meant."""
    text = f"orchestration: {{frontend: {{frame_ancestors: ['https://ok.example', {json.dumps(origin)}]}}}}"
    faults = decode(text, {}).faults
    assert [fault.path for fault in faults] == ["orchestration.frontend.frame_ancestors[1]"]
    assert "expected an origin" in faults[0].expected
    valid = (
        "orchestration: {frontend: {frame_ancestors: ['https://*.team.example:8443', 'http://localhost']}}"
    )
    assert not decode(valid, {}).faults
