"""The settings file at run time."""

import json
import os
from pathlib import Path

import pytest
import trio
import trio.testing

from orch.settings import SettingsError, decode
from orch.settings.live import LiveSettings
from orch.settings.settings_file import find_file
from orch.telemetry.events import Event, EventLog


class Held(LiveSettings):
    """Settings with the events that they have recorded."""

    def __init__(self, path: Path, environ: dict[str, str]) -> None:
        self._log = EventLog(wall=lambda: 0.0)
        super().__init__(path, environ, events=self._log, wall=lambda: 0.0)

    @property
    def events(self) -> list[Event]:
        """The events, the latest last."""
        return list(reversed(self._log.latest()))


def configuration(path: Path, **environ: str) -> Held:
    return Held(path, environ)


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
        settings.adopt(settings.with_changes({}, {"orchestration.speech.max_utterance": 10}), 1)
        assert settings.current.orchestration.speech.max_streams == 3
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
    path.write_text("# the defaults\n")
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
    held.reload()
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


def test_a_file_that_may_have_been_cut_off_changes_nothing_until_it_ends_with_a_line_break(
    tmp_path: Path,
) -> None:
    """A full disk cuts a file; what is left is often valid. The reason is shown, and SIGHUP applies it."""
    path = tmp_path / "orchestration.yaml"
    whole = "orchestration: {gateway: {timeout: 5}}\nservices: {other: {url: 'http://127.0.0.1:1'}}\n"
    cut = "orchestration: {gateway: {timeout: 6}}"
    path.write_text(whole)
    held = configuration(path)
    path.write_text(cut)
    assert held.reload() == ()
    assert (held.current.orchestration.gateway.timeout, "other" in held.current.services) == (5, True)
    [fault] = held.statistics().file.faults
    assert "expected «services» as before" in fault.expected
    assert "cut off" in held.events[-1].text
    path.write_text(cut + "\n")
    held.reload()
    assert (held.current.orchestration.gateway.timeout, "other" in held.current.services) == (6, False)
    assert held.statistics().file.faults == ()


def test_a_change_of_an_operator_does_not_apply_the_file_as_it_is_being_written(tmp_path: Path) -> None:
    """It is added to what was last applied; the rest of the file follows when that has settled."""
    path = tmp_path / "orchestration.yaml"
    path.write_text("orchestration: {gateway: {timeout: 5}}\n")
    held = configuration(path)
    path.write_text("orchestration: {gateway: {timeout: 7}, speech: ")
    held.adopt(held.with_changes({}, {"orchestration.gateway.retries": 1}), 1)
    assert held.current.orchestration.gateway.timeout == 5
    assert held.current.orchestration.gateway.retries == 1


@pytest.mark.real_time
@pytest.mark.parametrize("how", ["replaced", "in place", "by a link"])
async def test_the_file_is_watched_however_it_is_written(tmp_path: Path, how: str) -> None:
    """Saving in an editor applies the change without a restart, and so does another link to a folder."""
    path = tmp_path / "orchestration.yaml"
    old, new = "# the defaults\n", "orchestration: {gateway: {timeout: 8}}\n"
    if how == "by a link":
        for name, text in (("old", old), ("new", new)):
            (tmp_path / name).mkdir()
            (tmp_path / name / path.name).write_text(text)
        (tmp_path / "data").symlink_to("old")
        path.symlink_to("data/orchestration.yaml")
    else:
        path.write_text(old)
    held = configuration(path)
    applied = trio.Event()
    held.on_applied = lambda changed: applied.set() if changed else None
    async with trio.open_nursery() as nursery:
        await nursery.start(held.watch)
        await trio.testing.wait_all_tasks_blocked()
        if how == "in place":
            path.write_text(new)
        elif how == "replaced":
            (tmp_path / "fresh").write_text(new)
            (tmp_path / "fresh").replace(path)
        else:
            (tmp_path / "fresh").symlink_to("new")
            (tmp_path / "fresh").replace(tmp_path / "data")
        await applied.wait()
        nursery.cancel_scope.cancel()
    assert held.current.orchestration.gateway.timeout == 8


async def test_a_request_applies_what_may_have_been_cut_off(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    """SIGHUP confirms the file, and waits until it has settled; without a request it stays refused."""
    path = tmp_path / "orchestration.yaml"
    path.write_text("services: {}\norchestration: {gateway: {timeout: 5}}\n")
    held = configuration(path)
    path.write_text("orchestration: {gateway: {timeout: 6}}")
    for _ in range(3):
        await held.settle()
    assert held.current.orchestration.gateway.timeout == 5
    [refused] = [event for event in held.events if event.severity == "bad"]
    assert "cut off" in refused.text
    async with trio.open_nursery() as nursery:
        nursery.start_soon(held.serve_requests)
        held.request_reload()
        await trio.sleep(2)
        nursery.cancel_scope.cancel()
    assert held.current.orchestration.gateway.timeout == 6
    assert held.statistics().file.faults == ()


async def test_a_file_that_is_gone_changes_nothing_and_is_shown_until_it_is_back(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    """It is reported once, and the same content, written again, ends the fault."""
    path = tmp_path / "orchestration.yaml"
    path.write_text("orchestration: {gateway: {timeout: 5}}\n")
    held = configuration(path)
    path.unlink()
    for _ in range(3):
        await held.settle()
        [fault] = held.statistics().file.faults
        assert fault.expected == "expected a readable file: No such file or directory"
    assert len(held.events) == 1
    assert held.current.orchestration.gateway.timeout == 5
    path.write_text("orchestration: {gateway: {timeout: 5}}\n")
    await held.settle()
    assert held.statistics().file.faults == ()


def test_settings_that_come_through_a_pipe_stay_as_they_are(tmp_path: Path) -> None:
    """``--config <(…)`` is read once: it is neither lost nor read again, and operators can change values."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    text = "orchestration: {gateway: {timeout: 5}}\n"

    async def hold() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.to_thread.run_sync, lambda: path.write_text(text))
            held = await trio.to_thread.run_sync(configuration, path)
        async with trio.open_nursery() as nursery:
            await nursery.start(held.watch)
            await trio.testing.wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
        held.adopt(held.with_changes({}, {"orchestration.gateway.retries": 1}), 1)
        assert held.current.orchestration.gateway.timeout == 5
        assert held.statistics().file.faults == ()

    trio.run(hold)


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
