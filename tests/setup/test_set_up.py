import json
import os
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.fakes.tools import require

ROOT = Path(__file__).parents[2]
SCRIPTS = sorted((ROOT / "scripts").glob("*.sh"))
LOCKS = sorted(path for path in (ROOT / "requirements").iterdir() if path.suffix != ".in")
BASICS = ("bash", "env", "dirname", "cat", "cksum", "id", "rm", "ls", "sed", "grep")
"""What any machine has, whatever else is missing."""


def bare_path(folder: Path, **programs: str) -> dict[str, str]:
    """Return an environment with the basics and ``programs`` (names to shell texts), and nothing else.

    The basics are small scripts, not links: what is written over a link is written into the machine.
    """
    folder.mkdir()
    basics = {name: f'exec {require(name)} "$@"' for name in BASICS}
    for name, text in (basics | programs).items():
        program = folder / name.replace("_", "-")
        assert not program.exists()
        program.write_text(f"#!/bin/sh\n{text}\n")
        program.chmod(stat.S_IRWXU)
    return {"PATH": str(folder), "HOME": str(folder)}


def script(
    name: str, *arguments: str, env: Mapping[str, str], cwd: Path = ROOT
) -> subprocess.CompletedProcess[str]:
    """Run one of the scripts."""
    return subprocess.run(
        [str(cwd / "scripts" / name), *arguments],
        env=env,
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
    )


def test_help_lists_every_target_with_a_sentence() -> None:
    """Steps that only other targets need (they have no sentence) are the exception, and are named here."""
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z][a-z-]*):", makefile, re.MULTILINE))
    shown = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    listed = dict(re.findall(r"^make (\S+) +(\S.+)$", shown, re.MULTILINE))
    assert targets - set(listed) == {"checkers", "static", "tools"}
    assert set(listed) <= targets
    expected = "help install run test lint types test-py test-js test-browser coverage bench soak fuzz clean"
    expected += " check wheel outages lock conformance bench-captions bench-audio bench-bots"
    expected += " dashboards metrics panels bench-analytics test-monitoring"
    assert set(listed) == set(expected.split())
    assert subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True).stdout == shown


def test_every_file_that_is_run_can_be() -> None:
    for path in (*SCRIPTS, ROOT / ".ci" / "run"):
        assert os.access(path, os.X_OK), path
        assert path.read_text().startswith("#!/bin/"), path
        shell = "bash" if path.read_text().startswith("#!/bin/bash") else "sh"
        subprocess.run([shell, "-n", str(path)], check=True)


def test_nothing_names_where_packages_come_from() -> None:
    """Everyone's own registry or mirror is used: the locks have versions and hashes alone."""
    lock = json.loads((ROOT / "package-lock.json").read_text())
    for name, package in lock["packages"].items():
        assert "resolved" not in package, name
        assert not name or package["integrity"].startswith("sha512-"), name
    for path in (
        *SCRIPTS,
        ROOT / "Makefile",
        ROOT / ".ci" / "run",
        ROOT / ".npmrc",
        ROOT / "package.json",
        *LOCKS,
    ):
        assert not re.search(r"https?://(?!localhost|alertmanager:|tempo:)", path.read_text()), path


def test_a_shim_that_does_not_work_is_passed_over(tmp_path: Path) -> None:
    """Version managers put a python3.13 into PATH for which nothing is installed."""
    shims, real = tmp_path / "shims", tmp_path / "real"
    env = bare_path(shims, python3="echo 'command not found' >&2; exit 127")
    real.mkdir()
    (real / "python3").symlink_to(sys.executable)
    found = script("find-python.sh", env={**env, "PATH": f"{shims}:{real}"})
    assert (found.returncode, found.stdout.strip()) == (0, str(real / "python3"))


def test_the_python_that_is_asked_for_comes_first(tmp_path: Path) -> None:
    env = bare_path(tmp_path / "bin")
    found = script("find-python.sh", env={**env, "PYTHON": sys.executable})
    assert found.stdout.strip() == sys.executable


@pytest.mark.parametrize(
    ("python", "sentence"),
    [
        ("exit 1", "Python 3.11 or newer is needed"),
        ("case $2 in *version_info*) exit 0;; *) exit 1;; esac", "apt install python3-venv"),
    ],
)
def test_a_machine_without_a_usable_python_is_told_what_to_install(
    tmp_path: Path, python: str, sentence: str
) -> None:
    env = bare_path(tmp_path / "bin", python3=python)
    found = script("find-python.sh", env=env)
    assert (found.returncode, found.stdout) == (1, "")
    assert sentence in found.stderr
    assert len(found.stderr.splitlines()) == 1


def test_venv_is_installed_where_it_may_be(tmp_path: Path) -> None:
    """Debian's python3 comes without it; as root it is installed, and found."""
    marker = tmp_path / "installed"
    env = bare_path(
        tmp_path / "bin",
        python3=f"case $2 in *version_info*) exit 0;; *) test -f {marker};; esac",
        apt_get=f'case "$*" in *python3-venv*) : >{marker};; esac',
        id="echo 0",
    )
    found = script("find-python.sh", env=env)
    assert (found.returncode, found.stdout.strip()) == (0, str(tmp_path / "bin" / "python3"))


def test_packages_are_installed_without_asking_anyone(tmp_path: Path) -> None:
    """First from the lists that are there; only where that fails are they brought up to date."""
    log = tmp_path / "log"
    env = bare_path(
        tmp_path / "bin",
        apt_get=f'echo "$DEBIAN_FRONTEND $*" >>{log}\n'
        f'case "$*" in update*) : >{log}.fresh;; *) test -f {log}.fresh;; esac',
        id="echo 0",
    )
    assert script("apt-install.sh", "sox", env=env).returncode == 0
    first, update, second = log.read_text().splitlines()
    assert first == second
    assert first.startswith("noninteractive install -y")
    assert first.endswith("sox")
    assert update.split()[0] == "update"


def test_nothing_is_installed_where_it_would_take_a_password(tmp_path: Path) -> None:
    env = bare_path(tmp_path / "bin", apt_get="exit 99", id="echo 1000", sudo="exit 1")
    assert script("apt-install.sh", "sox", env=env).returncode == 1


def test_without_apertium_there_is_one_line_and_the_start_goes_on(tmp_path: Path) -> None:
    env = {**bare_path(tmp_path / "bin"), "APERTIUM_DATADIR": str(tmp_path)}
    ended = script("apertium.sh", env=env)
    assert ended.returncode == 0
    [line] = ended.stdout.splitlines()
    assert line.startswith("Translation needs Apertium")
    assert "apt install apertium apertium-eng-spa apertium-es-pt" in line


PAIRS = tuple(re.findall(r"(apertium-[\w-]+):([\w-]+)", (ROOT / "scripts" / "apertium.sh").read_text()))


def apertium_set_up(folder: Path, *, installed: tuple[str, ...], apt_get: str) -> tuple[Path, dict[str, str]]:
    """Return a checkout and an environment in which these pairs are installed, and root's ``apt-get``."""
    checkout, modes = folder / "checkout", folder / "modes"
    (checkout / "scripts").mkdir(parents=True)
    (checkout / ".venv").mkdir()
    modes.mkdir()
    for path in SCRIPTS:
        shutil.copy(path, checkout / "scripts")
    for package, mode in PAIRS:
        if package in installed:
            (modes / f"{mode}.mode").touch()
    known = "case $2 in apertium-por-cat) exit 100;; esac"
    env = bare_path(folder / "bin", apertium="", id="echo 0", apt_cache=known, apt_get=apt_get)
    return checkout, {**env, "APERTIUM_DATADIR": str(folder)}


def test_missing_pairs_are_installed(tmp_path: Path) -> None:
    """Once a start had only English and Spanish; those who have it get the others at the next start."""
    log = tmp_path / "log"
    checkout, env = apertium_set_up(tmp_path, installed=("apertium-eng-spa",), apt_get=f"echo $* >>{log}")
    ended = script("apertium.sh", env=env, cwd=checkout)
    assert ended.returncode == 0
    installed = log.read_text().split()
    assert set(installed) >= {package for package, _ in PAIRS} - {"apertium-eng-spa"}
    assert "apertium-eng-spa" not in installed
    assert "--no-install-recommends" in installed


def test_pairs_that_a_release_does_not_have_do_not_keep_the_others_away(tmp_path: Path) -> None:
    log = tmp_path / "log"
    refuse = f'echo $* >>{log}; case "$*" in *por-cat*) exit 100;; esac'
    checkout, env = apertium_set_up(tmp_path, installed=("apertium-eng-spa",), apt_get=refuse)
    assert script("apertium.sh", env=env, cwd=checkout).returncode == 0
    last = log.read_text().splitlines()[-1]
    assert "apertium-es-pt" in last
    assert "apertium-por-cat" not in last


def test_pairs_that_cannot_be_installed_are_tried_once(tmp_path: Path) -> None:
    """Without a network each attempt takes a while; the first line says what to do."""
    log = tmp_path / "log"
    checkout, env = apertium_set_up(
        tmp_path, installed=("apertium-eng-spa",), apt_get=f"echo $* >>{log}; exit 100"
    )
    ended = script("apertium.sh", env=env, cwd=checkout)
    assert ended.returncode == 0
    [line] = ended.stdout.splitlines()
    assert line.startswith(
        "More languages can be read with more pairs of Apertium: apt install apertium-es-pt "
    )
    tries = log.read_text()
    ended = script("apertium.sh", env=env, cwd=checkout)
    assert (ended.returncode, ended.stdout, log.read_text()) == (0, "", tries)


def test_with_all_pairs_nothing_is_done(tmp_path: Path) -> None:
    checkout, env = apertium_set_up(tmp_path, installed=tuple(name for name, _ in PAIRS), apt_get="exit 99")
    ended = script("apertium.sh", env=env, cwd=checkout)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")


def test_a_missing_test_tool_is_an_error(tmp_path: Path) -> None:
    """Never a test less in silence."""
    ended = script("test-tools.sh", env=bare_path(tmp_path / "bin"))
    assert ended.returncode == 1
    assert "apt install chromium chromium-headless-shell apertium" in ended.stderr


def test_tools_that_are_there_are_taken_and_packages_installed_once(tmp_path: Path) -> None:
    """Node is the real one: what asks for its version is a line of JavaScript."""
    checkout = tmp_path / "checkout"
    (checkout / "scripts").mkdir(parents=True)
    for path in SCRIPTS:
        shutil.copy(path, checkout / "scripts")
    (checkout / "package-lock.json").write_text("{}")
    (tmp_path / "modes").mkdir()
    for mode in ("eng-spa", "es-pt", "fr-es"):
        (tmp_path / "modes" / f"{mode}.mode").touch()
    log = tmp_path / "log"
    env = bare_path(
        tmp_path / "bin",
        chromium="",
        apertium="",
        espeak_ng="",
        nginx="",
        caddy="",
        ffmpeg="",
        redis_server="",
        ip="",
        curl="",
        jq="",
        prometheus="",
        promtool="",
        prometheus_alertmanager="",
        amtool="",
        prometheus_node_exporter="",
        prometheus_redis_exporter="",
        prometheus_postgres_exporter="",
        prometheus_blackbox_exporter="",
        node=f'exec {require("node")} "$@"',
        npm=f"echo $* >>{log}; /bin/mkdir -p node_modules",
    )
    for _ in range(2):
        ended = script("test-tools.sh", env={**env, "APERTIUM_DATADIR": str(tmp_path)}, cwd=checkout)
        assert (ended.returncode, ended.stderr) == (0, "")
    assert log.read_text() == "ci --silent\n"


class Checkout:
    """A copy of the set-up alone, whose python only writes down how it was called."""

    def __init__(self, folder: Path) -> None:
        """Copy it into a folder. The file ``unavailable`` there names a lock that pip cannot install."""
        self.folder = folder / "checkout"
        self.unavailable = folder / "unavailable"
        (self.folder / "scripts").mkdir(parents=True)
        for path in SCRIPTS:
            shutil.copy(path, self.folder / "scripts")
        self.log = folder / "log"
        (self.folder / "pyproject.toml").write_text("[project]\n")
        (self.folder / "requirements").mkdir()
        for path in LOCKS:
            shutil.copy(path, self.folder / "requirements")
        python = f"""echo "$*" >>{self.log}
case "$*" in
    "-m venv .venv")
        /bin/mkdir -p .venv/bin
        /bin/cp "$0" .venv/bin/python
        /bin/cp "$0" .venv/bin/orch
        echo "#!$PWD/.venv/bin/python" >.venv/bin/pip;;
    *"--requirement requirements/"*)
        test -f {self.unavailable} || exit 0
        case "$*" in *"$(cat {self.unavailable})") exit 1;; esac;;
esac"""
        self.env = bare_path(folder / "bin", python3=python)

    def install(self, *extra: str) -> list[str]:
        """Run the script and return how Python was called, but for questions about itself."""
        self.log.write_text("")
        ended = script("install.sh", *extra, env=self.env, cwd=self.folder)
        assert ended.returncode == 0, ended.stderr
        calls = self.log.read_text().splitlines()
        return [call for call in calls if call.startswith("-m") and "pip --version" not in call]


PIP = "-m pip install --quiet --disable-pip-version-check "
OURS = PIP + "--no-deps --no-build-isolation --editable ."


SPEAKERS = PIP + "--no-deps --require-hashes --requirement requirements/speakers.txt"


def installing(lock: str) -> list[str]:
    """Return how pip is called for what a lock names, for the model of voices, and for the service itself."""
    model = [SPEAKERS] if lock in ("demo", "test") else []
    return [f"{PIP}--require-hashes --requirement requirements/{lock}.lock", *model, OURS]


def test_what_is_installed_is_not_installed_again(tmp_path: Path) -> None:
    checkout = Checkout(tmp_path)
    assert checkout.install() == ["-m venv .venv", *installing("service")]
    assert checkout.install() == []
    assert checkout.install("test") == installing("test")
    assert checkout.install() == checkout.install("test") == []


def test_the_demo_is_installed_with_its_engines(tmp_path: Path) -> None:
    """It has all of the service, and the tests have all of it."""
    checkout = Checkout(tmp_path)
    assert checkout.install("demo") == ["-m venv .venv", *installing("demo")]
    assert checkout.install() == checkout.install("demo") == []
    assert checkout.install("test") == installing("test")
    (checkout.folder / ".venv" / "installed-demo").unlink()
    assert checkout.install("demo") == []


def test_the_demo_starts_without_the_model_of_voices(tmp_path: Path) -> None:
    """A registry without it costs the labels of speakers, and nothing else; the tests need it."""
    checkout = Checkout(tmp_path)
    checkout.unavailable.write_text("speakers.txt")
    assert checkout.install("demo") == ["-m venv .venv", *installing("demo")]
    ended = script("install.sh", "test", env=checkout.env, cwd=checkout.folder)
    assert ended.returncode != 0


def test_a_machine_without_the_demos_engines_has_the_service(tmp_path: Path) -> None:
    """Some have no wheels of them. Later starts do not try again, which takes long without a network."""
    checkout = Checkout(tmp_path)
    checkout.unavailable.write_text("demo.lock")
    both = [installing("demo")[0], *installing("service")]
    assert checkout.install("demo") == ["-m venv .venv", *both]
    assert checkout.install() == []
    checkout.unavailable.unlink()
    assert checkout.install("demo") == []
    (checkout.folder / ".venv" / "installed-demo").unlink()
    assert checkout.install("demo") == installing("demo")


@pytest.mark.parametrize("changed", ["pyproject.toml", "requirements/test.lock", "requirements/speakers.txt"])
def test_a_change_of_what_is_needed_is_installed(tmp_path: Path, changed: str) -> None:
    checkout = Checkout(tmp_path)
    checkout.install("test")
    with (checkout.folder / changed).open("a") as file:
        file.write("# changed\n")
    assert checkout.install() == installing("service")
    assert checkout.install("test") == installing("test")


def test_a_checkout_that_was_moved_gets_a_new_environment(tmp_path: Path) -> None:
    """Its scripts name their Python by the old path."""
    checkout = Checkout(tmp_path)
    checkout.install()
    checkout.folder = checkout.folder.rename(tmp_path / "moved")
    assert checkout.install() == ["-m venv .venv", *installing("service")]
