from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from orch import cli
from orch.cli import _demo_engine, main
from orch.processes import Children, ProcessSpec
from orch.sandbox.engines import whisper
from orch.sandbox.meeting.__main__ import DEMO
from orch.sandbox.meeting.script_decoding import decode_script
from orch.settings import SettingsError, decode


def test_the_model_of_the_demo_becomes_options_of_the_audio_service(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What cannot be used is refused before anything starts; ``none`` needs no faster-whisper."""
    monkeypatch.setattr(whisper, "is_installed", lambda: True)
    assert _demo_engine("base") == ["--model", "base"]
    with pytest.raises(SettingsError, match="does not exist"):
        _demo_engine(str(tmp_path / "nowhere"))
    with pytest.raises(SettingsError, match=r"model\.bin and config\.json"):
        _demo_engine(str(tmp_path))
    monkeypatch.setattr(whisper, "is_installed", lambda: False)
    assert _demo_engine("none") == ["--engine", "pocketsphinx"]
    with pytest.raises(SettingsError, match="pip install"):
        _demo_engine("base")


class Runs:
    """What the demo would run: the settings of the command line, and the children."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, settings: str = "{}") -> None:
        self.overlay: Mapping[str, Any] = {}
        self.children: Children = {}
        self.companions: Sequence[ProcessSpec] = ()
        self.file = tmp_path / "orchestration.yaml"
        self.file.write_text(settings)
        monkeypatch.setattr(cli, "_run", self._run)

    def _run(
        self,
        _options: object,
        overlay: Mapping[str, Any],
        children: Children,
        _sharing: None,
        companions: Sequence[ProcessSpec],
    ) -> int:
        self.overlay, self.children, self.companions = overlay, children, companions
        return 0

    def demo(self, *options: str) -> int:
        return main(["demo", "--config", str(self.file), *options])


def test_the_demo_starts_as_many_audio_services_as_asked(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Each is a child with a port and a name of its own, and an instance of the settings."""
    runs = Runs(monkeypatch, tmp_path)
    assert runs.demo("--audio-services", "2") == 0
    children = runs.children["audio-service"]
    first, second = children
    assert runs.overlay["services.audio-service.url"] == first
    assert runs.overlay["services.audio-service.instances"] == [{"url": second}]
    assert [spec.name for spec in children.values()] == ["audio-service-1", "audio-service-2"]
    for url, spec in children.items():
        assert spec.argv[spec.argv.index("--port") + 1] == url.rpartition(":")[2]
    assert len(runs.children["translation-service"]) == 1


def test_the_demo_starts_one_audio_service_unless_asked(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It has the service's name; further instances of the settings stay as they are."""
    further = "services: {audio-service: {instances: [{url: 'http://gpu:8000', weight: 3}]}}"
    runs = Runs(monkeypatch, tmp_path, further)
    assert runs.demo() == 0
    (spec,) = runs.children["audio-service"].values()
    assert spec.name == "audio-service"
    assert "services.audio-service.instances" not in runs.overlay
    assert runs.demo("--audio-services", "2") == 0
    second, configured = runs.overlay["services.audio-service.instances"]
    assert second["url"] == list(runs.children["audio-service"])[1]
    assert (configured["url"], configured["weight"]) == ("http://gpu:8000", 3)


@pytest.mark.parametrize("count", ["0", "9", "-1", "two", "1.5", "²"])
def test_a_number_of_audio_services_that_cannot_be_is_refused(
    count: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """With what was expected, before anything starts."""
    with pytest.raises(SystemExit) as exit_:
        main(["demo", f"--audio-services={count}"])
    assert exit_.value.code == 2
    assert f"expected a number from 1 to 8, got {count!r}" in capsys.readouterr().err


def test_several_audio_services_beside_a_configured_one_are_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The demo would start none of them, which the user should know."""
    runs = Runs(monkeypatch, tmp_path, "services: {audio-service: {url: 'http://gpu:8000'}}")
    assert runs.demo("--audio-services", "2") == 2
    assert "services.audio-service.url is set" in capsys.readouterr().err
    assert runs.demo() == 0
    assert "audio-service" not in runs.children


def test_the_demo_has_a_meeting_to_send_bots_to(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Bots read it as a meeting, besides the configured ones, and the Bots page offers its URL."""
    runs = Runs(
        monkeypatch,
        tmp_path,
        "orchestration: {bots: {meeting_origins: [{origin: 'https://m.example', adapter: second}]}}",
    )
    assert runs.demo() == 0
    (program,) = runs.companions
    port = program.argv[program.argv.index("--port") + 1]
    origin = f"http://127.0.0.1:{port}"
    decoded = decode(runs.file.read_text(), {}, overlay=runs.overlay)
    assert decoded.faults == ()
    bots = decoded.settings.orchestration.bots
    assert bots.origins == {origin: "meet", "https://m.example": "second"}
    assert bots.demo_meeting == f"{origin}/{decode_script(DEMO.read_text(), name=DEMO.name).code}"


@pytest.mark.parametrize("bots", ["enabled: false", "demo_meeting: 'https://meet.google.com/abc-defg-hij'"])
def test_the_demo_has_no_meeting_of_its_own_where_it_is_not_wanted(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, bots: str
) -> None:
    """Bots are off, or there is another meeting to try them with."""
    runs = Runs(monkeypatch, tmp_path, f"orchestration: {{bots: {{{bots}}}}}")
    assert runs.demo() == 0
    assert runs.companions == []
    assert not any(key.startswith("orchestration.bots") for key in runs.overlay)
