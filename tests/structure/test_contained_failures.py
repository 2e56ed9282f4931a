"""Every failure that is contained counts: no boundary swallows an exception unseen."""

import ast
from collections.abc import Iterator

from orch.telemetry.names.process import LOOPS
from tests.structure.sources import Source, sources

#: Boundaries of processes that have no metrics of their own.
WITHOUT_METRICS = {"reports of workers"}

#: Where an exception of any class is not contained but becomes something else that is counted or raised, by
#: file, with the reason.
PASSED_ON = {
    "audio/pipeline_process.py": "the reply says so: the run has failed, in orch_pipeline_runs_total",
    "stores/redis/pipeline.py": "the operation fails with store_unavailable, a failure of the store",
    "stores/sqlite/transactions.py": "the operation fails with it, a failure of the store",
    "analytics/insights/writer.py": "insights keep the words of the rules; the reason is logged and shown",
    "bots/runs/attempts.py": "the bot joins again or fails for it, an event of its session",
    "bots/runs/run.py": "the bot fails for internal_error, an event of its session and a line of the log",
    "bots/calendars/ics.py": "the series is unreadable, with the reason, and nothing of it is changed",
    "bots/webhooks/delivery.py": "the attempt has failed: an entry of the delivery's history",
    "health/kept_process.py": "the restart has failed: an observation and an event",
    "health/hooks/command.py": "the restart has failed: an event and a step",
    "health/hooks/http_call.py": "the restart has failed: an event and a step",
    "health/real_prober.py": "the real request has failed: the instance is degraded, with the reason",
    "health/probes.py": "the check has failed: an outcome of orch_health_checks_total",
    "gateway/connection.py": "raised again outside of the nursery",
    "gateway/nurseries.py": "raised again outside of the nursery",
    "gateway/hedging/racing.py": "raised again outside of the nursery",
    "speech/live_transcriber.py": "the request that waits fails, an outcome of the back end",
    "client/client.py": "raised again outside of the nursery",
    "client/speech.py": "raised again outside of the nursery",
    "supervision/branches.py": "the branch is restarted, which is counted",
    "sandbox/engines/speakers.py": "the response has no speaker, and says why",
    "sandbox/serving.py": "a development server without metrics",
    "audio/hosted_pipelines.py": "the service is sent the reason, and notes it",
    "sandbox/engines/pocketsphinx_worker.py": "the process ends with it",
}


def boundaries(source: Source) -> Iterator[str]:
    """Return the names of the boundaries that a module makes."""
    for node in source.nodes(ast.Call):
        if ast.unparse(node.func) == "Boundary":
            assert isinstance(node.args[0], ast.Constant), ast.unparse(node)
            yield str(node.args[0].value)


def uncounted(source: Source) -> Iterator[int]:
    """Return the lines of handlers of any Exception that neither raise nor count at a boundary."""
    for node in source.nodes(ast.ExceptHandler):
        if node.type is None or ast.unparse(node.type) not in ("Exception", "BaseException"):
            continue
        body = ast.Module(node.body, [])
        does = {ast.unparse(call.func) for call in ast.walk(body) if isinstance(call, ast.Call)}
        is_raised = any(isinstance(each, ast.Raise) for each in ast.walk(body))
        is_counted = any(each.endswith(("boundary.count", "boundary.note", "self.note")) for each in does)
        if not is_raised and not is_counted and not does & {"self._fail", "self._unexpected"}:
            yield node.lineno


def test_every_boundary_is_a_label_value_and_every_label_value_a_boundary() -> None:
    """The list is closed, so that each series is there at 0 before anything fails."""
    found = [name for source in sources().values() for name in boundaries(source)]
    assert set(found) == {*LOOPS, *WITHOUT_METRICS}


def test_no_exception_is_swallowed_uncounted() -> None:
    """Whoever catches everything counts it, raises it, or is listed with what becomes of it."""
    found = {name: lines for name, source in sources().items() if (lines := list(uncounted(source)))}
    assert set(found) <= set(PASSED_ON), found
    assert set(PASSED_ON) <= set(found), "listed for nothing"


def test_a_swallowed_exception_is_found() -> None:
    """A search that finds nothing proves nothing."""
    swallowing = "try: f()\nexcept Exception:\n    log.exception('x')"
    counting = "try: f()\nexcept* Exception:\n    self._boundary.count()"
    assert list(uncounted(Source(swallowing))) == [2]
    assert not list(uncounted(Source(counting)))
