from pathlib import Path

import pytest

from orch.cli import _demo_engine
from orch.sandbox.engines import whisper
from orch.settings import SettingsError


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
