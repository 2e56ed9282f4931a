"""Forms that are made to harm, many requests at once, and a machine that has nothing left."""

import errno
import os
import tempfile
from collections import Counter
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import trio

from tests.fakes.pipeline_requests import CLIP, NOTHING, post, problem, running
from tests.fakes.processes import unreaped

pytestmark = [pytest.mark.process, pytest.mark.real_time]

FORM = {"Content-Type": "multipart/form-data; boundary=x"}
PART = b'--x\r\nContent-Disposition: form-data; name="audio"; filename="a.wav"\r\n\r\n'


async def test_forms_with_thousands_of_parts_are_refused(tmp_path: Path) -> None:
    """Fields and files; before a process is started."""
    field = b'--x\r\nContent-Disposition: form-data; name="%d"\r\n\r\n1\r\n'
    file = b'--x\r\nContent-Disposition: form-data; name="audio"; filename="a"\r\n\r\n1\r\n'
    async with running(tmp_path) as (service, client):
        for body in (
            b"".join(field % number for number in range(10_000)),
            b"".join([field % 1] * 10_000),
            b"".join([file] * 10_000),
            b'--x\r\nContent-Disposition: form-data; name="' + b"a" * 200_000 + b'"\r\n\r\n1\r\n',
            b"--x\r\n" + b"A: b\r\n" * 30_000 + b"\r\n1\r\n",
        ):
            whole = PART + CLIP + b"\r\n" + body + b"--x--\r\n"
            response = await client.post("/api/pipeline/process", content=whole, headers=FORM)
            status, code, _ = problem(response)
            assert status in (400, 413), response.text
            assert code in ("invalid_request", "body_too_large"), response.text
        counts = service.parts.pipeline_runs.statistics()
        assert (counts.running, counts.finished, counts.failed) == (0, 0, 0)
        assert (await post(client, "process", CLIP, settings=NOTHING)).status_code == 200


async def test_of_a_hundred_requests_at_once_as_many_are_run_as_the_limit_allows(tmp_path: Path) -> None:
    """The others are told to come again; nothing is left of any of them."""
    before = unreaped()
    answers: Counter[int] = Counter()
    async with running(tmp_path, concurrent_requests=2, max_requests_per_address=2) as (service, client):

        async def one() -> None:
            response = await post(client, "process", CLIP, settings=NOTHING)
            answers[response.status_code] += 1
            assert response.status_code == 200 or int(response.headers["retry-after"]) > 0

        async with trio.open_nursery() as nursery:
            for _ in range(100):
                nursery.start_soon(one)
        counts = service.parts.pipeline_runs.statistics()
        assert answers.keys() <= {200, 429, 503}
        assert answers.total() == 100
        assert answers[200] >= 2
        assert (counts.running, counts.finished, counts.failed) == (0, answers[200], 0)
        assert unreaped() == before


async def test_what_the_machine_lacks_is_a_problem_of_the_service(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the upload's file, at the result's and between the processes; afterwards all is well."""
    before = unreaped()
    async with running(tmp_path) as (service, client):
        for number, words in ((errno.ENOSPC, "disk space"), (errno.EMFILE, "file descriptors")):
            for module, name, call in (
                (tempfile, "TemporaryFile", 1),
                (tempfile, "TemporaryFile", 2),
                (os, "pipe", 1),
            ):
                with monkeypatch.context() as patch:
                    patch.setattr(module, name, failing(getattr(module, name), call, number))
                    refused = await post(client, "process", CLIP, settings=NOTHING)
                assert problem(refused)[:2] == (503, "own_shortage"), (name, call, refused.text)
                assert words in refused.json()["detail"]
                assert int(refused.headers["retry-after"]) > 0
                assert service.parts.pipeline_runs.statistics().running == 0
        assert (await post(client, "process", CLIP, settings=NOTHING)).status_code == 200
    assert unreaped() == before


def failing(function: Callable[..., Any], call: int, number: int) -> Callable[..., Any]:
    """Return the function, whose n-th call fails."""
    calls = count(1)

    def called(*arguments: Any, **named: Any) -> Any:
        if next(calls) == call:
            raise OSError(number, os.strerror(number))
        return function(*arguments, **named)

    return called
