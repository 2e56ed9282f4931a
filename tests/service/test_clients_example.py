"""The Python example of docs/clients.md does what it says."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import trio

import orch.client
from tests.fakes.client import clip
from tests.fakes.running import run
from tests.fakes.service import service

ROOT = Path(__file__).parents[2]


def example() -> str:
    """Return the document's example."""
    found = re.search(r"```python\n(.*?)```", (ROOT / "docs" / "clients.md").read_text("utf-8"), re.DOTALL)
    assert found is not None
    return found[1]


@pytest.mark.sandbox
def test_the_example_prints_what_is_said(tmp_path: Path) -> None:
    """A sentence is spoken into the session it joins; it prints the words."""
    assert len(example().strip().splitlines()) <= 20
    script = tmp_path / "example.py"
    with service("demo", tmp_path) as s:
        script.write_text(example().replace("http://localhost:3000", s.url), encoding="utf-8")

        async def main() -> None:
            async with orch.client.connect(s.url) as client:
                await client.create("stand-up")
                running = await trio.lowlevel.open_process(
                    [sys.executable, "-u", str(script)],
                    stdout=subprocess.PIPE,
                    env={"PYTHONPATH": str(ROOT)},
                )
                async with client.speak("stand-up", sample_rate=16_000, source_language="en") as speech:
                    await speech.send(clip("austen-0890"))
                assert running.stdout is not None
                printed = b""
                while b"selfish" not in printed:
                    part = await running.stdout.receive_some()
                    assert part, printed
                    printed += part
                running.terminate()
                await running.wait()

        run(main, virtual=False)
