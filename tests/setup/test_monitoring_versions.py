"""``scripts/test-monitoring.sh`` runs tests with the programs that it is given."""

import os
import stat
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.process

ROOT = Path(__file__).parents[2]
TEST = """\
import subprocess

def test_it():
    for name in ("prometheus", "promtool", "prometheus-alertmanager", "amtool"):
        shown = subprocess.run([name, "--version"], capture_output=True, text=True, check=True).stdout
        assert shown == f"{name.removeprefix('prometheus-')} of the test\\n"
"""


def run(folders: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(ROOT / "scripts" / "test-monitoring.sh"), folders, *arguments]
    environment = {"PATH": os.environ["PATH"]}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def program(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    path.chmod(stat.S_IRWXU)


def test_the_tests_run_what_is_in_the_folders(tmp_path: Path) -> None:
    """Upstream's two archives are two folders, and name Alertmanager otherwise than Debian does."""
    for path in ("a b/prometheus", "a b/promtool", "c/alertmanager", "c/amtool"):
        program(tmp_path / path, f"echo {Path(path).name} of the test")
    (tmp_path / "test_it.py").write_text(TEST, encoding="utf-8")
    folders = f"{tmp_path}/a b:{tmp_path}/c"
    ended = run(folders, "--rootdir", str(tmp_path), "-c", os.devnull, str(tmp_path / "test_it.py"))
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "prometheus-alertmanager: alertmanager of the test" in ended.stdout


def test_a_program_that_is_missing_or_does_not_run_is_named(tmp_path: Path) -> None:
    """Otherwise the version of the machine would be tested, and nobody would notice."""
    ended = run("")
    assert (ended.returncode, "usage" in ended.stderr) == (2, True)
    for name in ("prometheus", "promtool", "prometheus-alertmanager"):
        program(tmp_path / name, "echo one")
    ended = run(str(tmp_path))
    assert (ended.returncode, ended.stderr) == (2, f"There is no amtool in {tmp_path}.\n")
    program(tmp_path / "promtool", "echo needs another libc >&2; exit 127")
    ended = run(str(tmp_path))
    assert (ended.returncode, "does not run: needs another libc" in ended.stderr) == (2, True)
