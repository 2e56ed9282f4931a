"""The commands of the runbooks that need no containers are run, as they are printed, in a shell."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

import pytest

from tests.fakes.patience import PATIENCE
from tests.fakes.postgres import postgres_server, program
from tests.fakes.prometheus import exporter, prometheus
from tests.fakes.redis import redis_server
from tests.fakes.service import service
from tests.fakes.tools import require
from tests.monitoring.live.engines import Engine
from tests.monitoring.runbook_commands import Places, commands, runnable

pytestmark = [pytest.mark.process, pytest.mark.slow]

ROOT: Final = Path(__file__).parents[2]
TOKEN: Final = "a-token-of-the-test"  # noqa: S105 - of the test
SETTINGS: Final = """\
services:
  audio-service: {{url: "{audio}", restart_command: ["true"]}}
  translation-service: {{url: "{translation}"}}
"""
#: What a request is refused with, as what it ends is not going on.
NOT_NOW: Final = '"code":"no_recovery"'
RECEIVERS: Final = "route: {receiver: nobody}\nreceivers: [{name: nobody}]\n"


@contextmanager
def places(folder: Path) -> Iterator[Places]:
    """Run what the containers have, for the block."""
    for name in ("service", "prometheus"):
        (folder / name).mkdir()
    with ExitStack() as more:
        audio, translation = Engine(), Engine()
        more.callback(audio.stop)
        more.callback(translation.stop)
        (folder / "alertmanager.yml").write_text(RECEIVERS, encoding="utf-8")
        alertmanager = more.enter_context(
            exporter(
                "prometheus-alertmanager",
                f"--config.file={folder}/alertmanager.yml",
                f"--storage.path={folder}/alertmanager",
                "--cluster.listen-address=",
                "--web.listen-address={address}",
            )
        )
        running = more.enter_context(
            service(
                "serve",
                folder / "service",
                settings=SETTINGS.format(audio=audio.url, translation=translation.url),
                environ={"ORCH_CONTROL_TOKEN": TOKEN},
            )
        )
        watching = more.enter_context(prometheus(folder / "prometheus", {"alertmanager": [alertmanager]}))
        redis = more.enter_context(redis_server(folder / "redis"))
        postgres = more.enter_context(postgres_server())
        log = folder / "log"
        log.write_text("".join(f"orchestration-1  | {json.dumps(line)}\n" for line in running.lines))
        yield Places(
            service=f"localhost:{running.port}",
            prometheus=watching.url.removeprefix("http://"),
            alertmanager=alertmanager,
            redis_port=redis.port,
            postgres_port=postgres.port,
            postgres_programs=Path(program("psql")).parent,
            log=log,
        )


def test_commands_of_runbooks_run(tmp_path: Path) -> None:
    """Without an error, and requests with a status of success."""
    for name in ("curl", "jq", "redis-cli", "promtool", "amtool"):
        require(name)
    failed = []
    with places(tmp_path) as here:
        environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "LC_ALL": "C.UTF-8"}
        environment |= {"ORCH_CONTROL_TOKEN": TOKEN, "PGDATABASE": "postgres"}
        chosen = dict.fromkeys(text for each in commands() if (text := runnable(each, here)))
        for text in chosen:
            ran = subprocess.run(
                ["bash", "-o", "pipefail", "-c", text],
                cwd=ROOT,
                env=environment,
                capture_output=True,
                text=True,
                timeout=PATIENCE,
                check=False,
            )
            has_found_nothing = ran.returncode == 1 and "| grep" in text
            has_read_enough = ran.returncode == 128 + signal.SIGPIPE and "| head" in text
            if has_found_nothing or has_read_enough or NOT_NOW in ran.stdout:
                continue
            if ran.returncode or ran.stderr:
                failed.append(f"{text}\n    {ran.returncode}: {ran.stdout[-300:]} {ran.stderr[-300:]}")
    assert len(chosen) > 150
    assert not failed, "\n".join(failed)
