import subprocess
import sys

import pytest

from orch.sandbox.engines.pocketsphinx_worker import FRAME

SCRIPT = """
import selectors, signal, time
from orch.sandbox.engines import pocketsphinx_worker as worker

class AllReady(selectors.DefaultSelector):
    "Reports nothing until the input and every running child have something, and then the input first."
    def select(self, timeout=None):
        while len(events := super().select(timeout)) < len(self.get_map()):
            time.sleep(0.01)
        return sorted(events, key=lambda event: event[0].fd)

worker.READ_SIZE = 2 * worker.FRAME.size  # the input is read two frames at a time
worker.decode = lambda decoder, pcm: []
signal.alarm(20)  # a worker that hangs ends, and the test with it
loop = worker.Worker(None)
loop._selector = AllReady()
loop.serve()
"""


@pytest.mark.process
def test_a_job_cancelled_while_its_result_arrives_affects_no_other_job() -> None:
    """Its pipe is closed by then, and the pipe of the next job may have the same descriptor number."""
    with subprocess.Popen([sys.executable, "-c", SCRIPT], stdin=-1, stdout=-1, stderr=-1) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.read(FRAME.size) == FRAME.pack(0, b"R", 0)
        frames = ((1, b"T"), (2, b"T"), (1, b"C"), (3, b"T"), *[(9, b"C")] * 4)
        process.stdin.write(b"".join(FRAME.pack(job, kind, 0) for job, kind in frames))
        process.stdin.flush()
        results = [process.stdout.read(FRAME.size + 2) for _ in range(2)]
        out, errors = process.communicate()
    assert results == [FRAME.pack(job, b"A", 2) + b"[]" for job in (2, 3)]
    assert (out, errors, process.returncode) == (b"", b"", 0)
