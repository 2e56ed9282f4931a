"""Changes of what a bot was asked for."""

import msgspec
import pytest

from orch.bots.requests import Languages, LanguagesChange, WebcamChange
from orch.bots.webcam.appearance import Appearance, Mode


def languages(document: str) -> LanguagesChange:
    return msgspec.json.decode(document, type=LanguagesChange)


def webcam(document: str) -> WebcamChange:
    return msgspec.json.decode(document, type=WebcamChange)


def test_languages_that_are_left_out_stay_and_null_is_a_value() -> None:
    """Interface and captions are independent of each other."""
    now = Languages(interface="de", captions="fr", targets=("es",), camera="es")
    assert languages("{}").applied_to(now) == now
    changed = languages('{"captions": null, "targets": ["it", "pt"]}').applied_to(now)
    assert changed == Languages(interface="de", captions=None, targets=("it", "pt"), camera="es")
    assert languages('{"camera": null, "spoken": "en"}').applied_to(now).camera is None
    with pytest.raises(msgspec.ValidationError, match=r"interface"):
        languages('{"interface": null}')


def test_a_camera_is_changed_switched_off_and_on() -> None:
    """How it looks is one thing, whether it is on another."""
    now = Appearance(title="Live", lines=3)
    assert webcam('{"mode": "sidebar"}').applied_to(now) == Appearance(
        title="Live", lines=3, mode=Mode.SIDEBAR
    )
    assert webcam('{"on": false, "lines": 2}').applied_to(now) is None
    assert webcam('{"lines": 2}').applied_to(None) is None
    assert webcam('{"on": true, "lines": 2}').applied_to(None) == Appearance(lines=2)
    with pytest.raises(ValueError, match="lines can be shown"):
        webcam('{"lines": 9}').applied_to(now)
