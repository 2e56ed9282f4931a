"""Programs that run beside the service are started again when they end."""

from collections.abc import Callable
from typing import Any

import pytest
import trio
import trio.testing
from structlog.testing import capture_logs

from orch.companions import LASTING, keep_running
from orch.processes import ProcessSpec

SPEC = ProcessSpec(("meeting",), name="demo meeting")


class Program:
    """Runs for the given seconds each, then for good; notes when it was started."""

    def __init__(self, *seconds: float, fails: bool = False) -> None:
        self._seconds = list(seconds)
        self._fails = fails
        self.starts: list[float] = []

    async def run(self, spec: ProcessSpec, *, on_line: Callable[[str, str], None], **_more: Any) -> int:
        assert spec is SPEC
        self.starts.append(trio.current_time())
        if self._fails and len(self.starts) == 1:
            raise FileNotFoundError(2, "No such file or directory")
        on_line("stderr", "here")
        if not self._seconds:
            await trio.sleep_forever()
        await trio.sleep(self._seconds.pop(0))
        return 3


async def test_a_program_that_ends_is_started_again_after_longer_and_longer(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """One that has run for a while is started again soon."""
    program = Program(0, 0, 0, LASTING, 0)
    began = trio.current_time()
    with capture_logs() as lines, trio.move_on_after(100):
        await keep_running(SPEC, run_child=program.run)
    waits = [0, 1, 3, 7, 7 + LASTING + 1, 7 + LASTING + 3]
    assert program.starts == pytest.approx([began + each for each in waits])
    assert [each["event"] for each in lines].count("output") == len(waits)
    ends = [each for each in lines if each["event"] == "program ended"]
    assert ends[0]["reason"] == "process ended with code 3"
    assert ends[0]["program"] == "demo meeting"


async def test_a_program_that_cannot_be_started_ends_nothing(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """The log says why, and it is tried again."""
    program = Program(fails=True)
    with capture_logs() as lines, trio.move_on_after(100):
        await keep_running(SPEC, run_child=program.run)
    assert len(program.starts) == 2
    assert "No such file or directory: meeting" in lines[0]["reason"]
