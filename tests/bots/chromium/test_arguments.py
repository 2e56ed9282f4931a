"""The command line and environment of a browser, where it is found, and what its end means."""

from pathlib import PurePosixPath

import pytest

from orch.bots.chromium.arguments import (
    Launch,
    accepted_languages,
    command_line,
    data_limit,
    environment,
    is_sandbox_possible,
)
from orch.bots.chromium.errors import BrowserMissingError
from orch.bots.chromium.failures import LogTail, ended
from orch.bots.chromium.programs import NAMES, PATHS, find_program
from orch.shortages import Shortage

DATA = PurePosixPath("/profiles/a/data")


def line(**more: object) -> tuple[str, ...]:
    return command_line(Launch(program="/bin/chromium", **more), DATA)  # type: ignore[arg-type]


def test_the_profile_the_pipe_and_shared_memory_are_set() -> None:
    """Without them bots share state, listen on a port, or crash in containers."""
    found = line()
    assert found[0] == "/bin/chromium"
    assert {f"--user-data-dir={DATA}", "--remote-debugging-pipe", "--disable-dev-shm-usage"} <= set(found)
    assert not [each for each in found if "remote-debugging-port" in each]


def test_sound_is_real() -> None:
    """Chromium's test signal, a beep, never takes the place of a microphone; playing needs no click."""
    found = line()
    assert not [each for each in found if "fake" in each]
    assert "--autoplay-policy=no-user-gesture-required" in found


def test_the_browser_does_not_hide_that_it_is_automated() -> None:
    """Evading detection is not done."""
    assert not [each for each in line() if "AutomationControlled" in each or "user-agent" in each]


def test_the_sandbox_is_on_unless_it_is_switched_off() -> None:
    """As root it cannot be used."""
    assert "--no-sandbox" not in line()
    assert "--no-sandbox" in line(is_sandboxed=False)
    assert not is_sandbox_possible(0)
    assert is_sandbox_possible(1000)


def test_size_language_memory_and_own_switches() -> None:
    """Own switches come last, where they win."""
    found = line(width=800, height=600, language="pt-BR", heap=256, process_memory=900, extra=("--x",))
    assert {
        "--window-size=800,600",
        "--lang=pt-BR",
        "--accept-lang=pt-BR,pt",
        "--js-flags=--max-old-space-size=256",
    } <= set(found)
    assert found[-1] == "--x"
    assert data_limit(Launch(program="", process_memory=900)) == 900 * 1024 * 1024
    assert data_limit(Launch(program="")) == 0
    assert accepted_languages("de") == "de"


def test_no_switch_is_given_twice() -> None:
    """Chromium takes the last one, so an earlier one would have no effect."""
    names = [each.partition("=")[0] for each in line(is_sandboxed=False)]
    assert len(names) == len(set(names))


def test_the_environment_has_no_secret_and_no_place_outside_of_the_profile() -> None:
    """Tokens and keys stay here; home and temporary files end with the profile."""
    found = environment(
        {"PATH": "/bin", "ORCH_CONTROL_TOKEN": "t", "HOME": "/root", "AWS_KEY": "k", "TMPDIR": "/tmp"},  # noqa: S108
        home=PurePosixPath("/p/home"),
        language="pt-BR",
    )
    assert found["PATH"] == "/bin"
    assert found["HOME"] == found["TMPDIR"] == found["XDG_CONFIG_HOME"] == "/p/home"
    assert found["LANGUAGE"] == "pt_BR"
    assert not {"ORCH_CONTROL_TOKEN", "AWS_KEY", "DISPLAY"} & set(found)


def test_a_configured_program_is_used_or_reported() -> None:
    """Another browser than the configured one would be a surprise."""
    assert find_program("mine", which=lambda name: f"/opt/{name}", is_program=lambda _: True) == "/opt/mine"
    with pytest.raises(BrowserMissingError, match=r"bots\.chromium: mine is no program"):
        find_program("mine", which=lambda _: None, is_program=lambda _: True)


@pytest.mark.parametrize("path", PATHS)
def test_usual_places_come_first(path: str) -> None:
    """Before names on PATH, which may be wrappers."""
    found = find_program("", which=lambda name: f"/bin/{name}", is_program=lambda each: each == path)
    assert found == path


@pytest.mark.parametrize("name", NAMES)
def test_usual_names_come_next(name: str) -> None:
    """Whatever the system calls it."""
    found = find_program(
        "", which=lambda each: f"/bin/{each}" if each == name else None, is_program=lambda _: False
    )
    assert found == f"/bin/{name}"


def test_a_missing_browser_says_what_to_do() -> None:
    """What to install, and the setting."""
    with pytest.raises(BrowserMissingError, match=r"apt-get install chromium.*bots\.chromium"):
        find_program("", which=lambda _: None, is_program=lambda _: False)


@pytest.mark.parametrize(
    ("text", "code", "words", "shortage"),
    [
        ("[F] No usable sandbox! If you are", -5, "user namespaces", None),
        ("Running as root without --no-sandbox is not supported.", 1, "as root", None),
        (
            "chrome: error while loading shared libraries: libnss3.so: cannot open",
            127,
            "(libnss3.so)",
            None,
        ),
        ("write failed: No space left on device (28)", 1, "is full", Shortage.DISK),
        ("pipe: Too many open files (24)", 1, "LimitNOFILE", Shortage.DESCRIPTORS),
        ("Unable to access(W_OK|X_OK) /dev/shm: No such file", -6, "shared memory", Shortage.MEMORY),
        ("pthread_create: Resource temporarily unavailable (11)", -5, "TasksMax", Shortage.PROCESSES),
        ("mmap failed: Cannot allocate memory", -5, "memory", Shortage.MEMORY),
        ("nothing to see", -9, "killed it", None),
        ("nothing to see", -7, "disk", Shortage.DISK),
        ("ZOOM level", 3, "The browser has gone.", None),
        (None, None, "The browser has gone.", None),
    ],
)
def test_the_end_is_explained(
    text: str | None, code: int | None, words: str, shortage: Shortage | None
) -> None:
    """From the last output, and from the signal."""
    found, found_shortage = ended("has gone", code, ["first", text] if text else [])
    assert words in found
    assert found_shortage is shortage


def test_the_last_lines_are_stored_bounded_and_printable() -> None:
    """A browser or page that logs without end costs no memory."""
    log = LogTail(lines=3, width=5)
    for number in range(9):
        log.add("a", f"{number}\x1b\n567890")
    log.add("b", "   ")
    assert log.lines == ("a: 6  56", "a: 7  56", "a: 8  56")
