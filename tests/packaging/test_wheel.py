import json
import os
import re
import signal
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from importlib.metadata import distribution
from pathlib import Path

import httpx2
import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel of this checkout."""
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)],
        check=True,
        capture_output=True,
    )
    [built] = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def outside(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the wheel into ``venv`` in a folder outside the checkout, beside what is locked and no more.

    The locked packages are links to those that the tests run with; pip finds the wheel's requirements met.
    """
    folder = tmp_path_factory.mktemp("outside")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder / "venv")], check=True)
    [packages] = (folder / "venv").glob("lib/python*/site-packages")
    for path in locked_files():
        (packages / path.name).symlink_to(path)
    python = str(folder / "venv/bin/python")
    pip = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        python,
        "install",
        "--quiet",
        "--disable-pip-version-check",
    ]
    subprocess.run([*pip, "--no-index", str(wheel)], check=True, cwd=folder)
    return folder


def locked_files() -> set[Path]:
    """Return the folders and files in site-packages of what the service's lock names for this system."""
    text = (ROOT / "requirements" / "service.lock").read_text(encoding="utf-8")
    wanted = [Requirement(line.split(" \\")[0]) for line in text.splitlines() if re.match(r"\w", line)]
    found = set()
    for each in wanted:
        if each.marker is None or each.marker.evaluate():
            package = distribution(each.name)
            assert each.specifier.contains(package.version), "make test installs what is locked"
            tops = {
                file.parts[0] for file in package.files or () if file.parts[0] not in ("..", "__pycache__")
            }
            found |= {Path(str(package.locate_file(top))) for top in tops}
    return found


def environment() -> dict[str, str]:
    """Return this environment without what would lead back into the checkout or change the defaults."""
    return {
        name: value
        for name, value in os.environ.items()
        if name not in ("PYTHONPATH", "HOST", "PORT") and not name.startswith(("ORCH_", "COV_"))
    }


def orch(outside: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(outside / "venv/bin/orch"), *arguments],
        cwd=outside,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_wheel_carries_what_the_service_reads(wheel: Path) -> None:
    """Templates, static files, schema, fonts, default configuration and licence; no tests."""
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    for folder in ("templates", "static", "config"):
        for path in (ROOT / folder).rglob("*"):
            if path.is_file():
                assert f"orch/{path.relative_to(ROOT)}" in names
    assert any(name.startswith("orch/stores/schema/") and name.endswith(".sql") for name in names)
    for path in (ROOT / "orch" / "bots" / "webcam" / "fonts").iterdir():
        assert str(path.relative_to(ROOT)) in names
    assert any(name.endswith("/licenses/LICENSE") for name in names)
    assert not [name for name in names if "test" in name.split("/")[0]]


def test_the_command_runs_outside_the_checkout(outside: Path) -> None:
    shown = orch(outside, "--help")
    assert (shown.returncode, shown.stderr) == (0, "")
    for command in ("serve", "demo", "check"):
        assert command in shown.stdout


def test_its_own_configuration_is_good(outside: Path) -> None:
    checked = orch(outside, "check")
    assert (checked.returncode, checked.stderr) == (0, "")
    assert str(outside / "venv") in checked.stdout


@pytest.fixture
def served(outside: Path) -> Iterator[str]:
    """Where ``orch serve`` listens. It ends well."""
    process = subprocess.Popen(
        [str(outside / "venv/bin/orch"), "serve", "--port", "0"],
        cwd=outside,
        env=environment(),
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    try:
        lines = []
        for line in process.stderr:
            lines.append(line)
            if '"ready"' in line:
                break
        else:
            pytest.fail("".join(lines))
        yield json.loads(lines[-1])["addresses"][0]
        process.send_signal(signal.SIGTERM)
        process.stderr.read()
        assert process.wait() == 0
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


def test_it_serves_its_pages_outside_the_checkout(served: str) -> None:
    """The page, and each file that the page names."""
    with httpx2.Client(base_url=served, timeout=120) as client:
        page = client.get("/")
        assert page.status_code == 200
        assert page.headers["Content-Type"].startswith("text/html")
        files = set(re.findall(r'(?:src|href)="(/static/[^"]+)"', page.text))
        assert len(files) >= 3
        for file in files:
            assert client.get(file).status_code == 200
        assert client.get("/livez").status_code == 200
        assert client.get("/api/config").json()["file"]["path"].startswith("/")
