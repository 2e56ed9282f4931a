"""A real Alertmanager with the committed routes and inhibitions, and the whole service behind its webhook."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final

import httpx2
import msgspec
import pytest
import trio
import yaml

from orch.alerts.planned import CREATOR
from tests.fakes.alertmanager import labels_of
from tests.fakes.patience import PATIENCE
from tests.fakes.ports import free_port
from tests.fakes.tools import require
from tests.fakes.webhooks import Received, responding
from tests.fakes.whole import Whole, whole
from tests.monitoring.test_alertmanager import CONFIGURATION, FOLDER

pytestmark = [pytest.mark.process, pytest.mark.real_time]

TOKEN: Final = "it's from-alertmanager: \u00e9"  # noqa: S105 - of the test
HOSTILE: Final = 'a "quoted" <b> & {{ .Labels }}\nline \\ ' + "x." * 5_000


def configuration(folder: Path, service: str, people: str) -> Path:
    """Write the committed configuration with times of a second, and each receiver of people as a webhook."""
    document = yaml.safe_load(CONFIGURATION.read_text(encoding="utf-8"))
    (folder / "token").write_text(TOKEN, encoding="utf-8")
    document["templates"] = [str(FOLDER / "templates" / "*.tmpl")]
    for route in (document["route"], *document["route"]["routes"]):
        route |= {"group_wait": "0s", "group_interval": "1s"}
    for receiver in document["receivers"]:
        if receiver["name"] == "pages":
            (webhook,) = receiver["webhook_configs"]
            webhook["url"] = webhook["url"].replace("http://orchestration:3000", service)
            webhook["http_config"]["basic_auth"]["password_file"] = str(folder / "token")
        else:
            name = receiver["name"]
            receiver.clear()
            receiver |= {"name": name, "webhook_configs": [{"url": people}]}
    path = folder / "alertmanager.yml"
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    return path


class Peer:
    """A running Alertmanager, and what people were notified of."""

    def __init__(self, url: str, client: httpx2.AsyncClient, notified: list[Received]) -> None:
        self.url = url
        self.client = client
        self._notified = notified

    async def fire(self, *alerts: dict[str, str], lasts: float = 3600) -> None:
        """Send alerts, as Prometheus does; ``lasts`` 0: they are over."""
        now = datetime.now(UTC)
        sent = [
            {
                "labels": labels,
                "annotations": {"summary": f"{labels['alertname']} {HOSTILE}", "runbook_url": "docs/a.md"},
                "startsAt": (now - timedelta(seconds=5)).isoformat(),
                "endsAt": (now + timedelta(seconds=lasts)).isoformat(),
            }
            for labels in alerts
        ]
        response = await self.client.post(f"{self.url}/api/v2/alerts", json=sent)
        assert response.status_code == 200, response.text

    async def alert(self, name: str) -> dict[str, Any]:
        """Return an alert of its list, not an escalated copy."""
        listed = (await self.client.get(f"{self.url}/api/v2/alerts")).json()
        (found,) = [
            each
            for each in listed
            if each["labels"]["alertname"] == name and "escalation" not in each["labels"]
        ]
        return dict(found)

    def receivers(self, name: str) -> set[str]:
        """Return the receivers that were notified of an alert."""
        sent = [msgspec.json.decode(each.body) for each in self._notified]
        return {
            each["receiver"]
            for each in sent
            for alert in each["alerts"]
            if alert["labels"]["alertname"] == name
        }


@asynccontextmanager
async def running(folder: Path, service: str, port: int) -> AsyncIterator[Peer]:
    """Run Alertmanager for the length of the block."""
    notified: list[Received] = []
    url = f"http://127.0.0.1:{port}"
    async with (
        trio.open_nursery() as nursery,
        httpx2.AsyncClient(trust_env=False, timeout=PATIENCE) as client,
    ):
        serve = partial(trio.serve_tcp, responding(200, log=notified), 0, host="127.0.0.1")
        (listener,) = await nursery.start(serve)
        people = f"http://127.0.0.1:{listener.socket.getsockname()[1]}/"
        command = [
            require("prometheus-alertmanager"),
            f"--config.file={configuration(folder, service, people)}",
            f"--storage.path={folder / 'alertmanager'}",
            f"--web.listen-address=127.0.0.1:{port}",
            "--cluster.listen-address=",
        ]
        with (folder / "alertmanager.log").open("wb") as log:
            run = partial(trio.run_process, command, stderr=log, stdout=log, check=False)
            process = await nursery.start(run)
            try:
                await until(lambda: is_ready(client, url))
                yield Peer(url, client, notified)
            finally:
                process.terminate()
                await process.wait()
                nursery.cancel_scope.cancel()


async def is_ready(client: httpx2.AsyncClient, url: str) -> bool:
    try:
        return (await client.get(f"{url}/-/ready")).is_success
    except httpx2.HTTPError:
        return False


async def until(holds: Callable[[], Any]) -> None:
    """Wait for a state that another process announces to nobody."""
    with trio.fail_after(PATIENCE):
        while True:
            found = holds()
            if (await found) if hasattr(found, "__await__") else found:
                return
            await trio.sleep(0.05)


def state_of(it: Whole, name: str) -> str:
    return next((each.state for each in it.parts.alerts.alerts() if each.name == name), "")


def fingerprint_of(it: Whole, name: str) -> str:
    return next(each.fingerprint for each in it.parts.alerts.alerts() if each.name == name)


async def test_alerts_are_received_inhibited_acknowledged_and_escalated(tmp_path: Path) -> None:
    """Through Alertmanager and back, with labels of 10 kB; once it is stopped the service goes on."""
    port = free_port()
    overlay: dict[str, Any] = {
        "orchestration.alerts.alertmanager_url": f"http://127.0.0.1:{port}",
        "orchestration.alerts.webhook_token": TOKEN,
        "orchestration.alerts.poll_interval": 0.5,
        "orchestration.control_token": "control",
    }
    async with whole(tmp_path, **overlay) as it:
        async with running(tmp_path, it.url, port) as peer:
            alerts = it.parts.alerts
            await until(lambda: alerts.statistics().source.state == "reachable")
            await peer.fire(labels_of(path=HOSTILE))
            await until(lambda: alerts.counts.received["firing"] >= 1)
            await peer.fire(
                labels_of("CaptionsLate", severity="warning", service="orchestration"),
                labels_of("HostMemoryLow", severity="warning", service="host", instance="a"),
                labels_of("Watchdog", severity="none", service="monitoring"),
            )
            # What has a cause is inhibited, so that only the list has it.
            await until(lambda: state_of(it, "CaptionsLate") == "inhibited")
            assert state_of(it, "BackendAllInstancesDown") == state_of(it, "HostMemoryLow") == "firing"
            await until(lambda: peer.receivers("BackendAllInstancesDown") == {"pager"})
            await until(lambda: peer.receivers("HostMemoryLow") == {"operators"})
            assert peer.receivers("CaptionsLate") == set()
            assert alerts.statistics().source.watchdog is not None
            assert state_of(it, "Watchdog") == ""

            # A forged notification, and one with the token of operators' API.
            for headers in ({}, {"Authorization": "Basic eDp3cm9uZw=="}):
                forged = await peer.client.post(f"{it.url}/api/alerts/webhook", json={}, headers=headers)
                assert forged.status_code == 401

            # Acknowledged: one silence, of this alert alone, with its label of 10 kB.
            down = fingerprint_of(it, "BackendAllInstancesDown")
            operator = {"Authorization": "Bearer control"}
            path = f"{it.url}/api/alerts/{down}/acknowledgement"
            made = await peer.client.post(path, headers=operator, json={"by": "Ann", "comment": "on it"})
            assert made.json()["acknowledgement"]["silence"] == "made", made.text
            found = await peer.alert("BackendAllInstancesDown")
            assert len(found["status"]["silencedBy"]) == 1
            assert (await peer.alert("HostMemoryLow"))["status"]["silencedBy"] == []
            assert found["labels"]["path"] == HOSTILE

            # Taken back: the silence has ended. Nobody acknowledges it: it is escalated.
            assert (await peer.client.delete(path, headers=operator)).json()["state"] == "firing"
            assert (await peer.alert("BackendAllInstancesDown"))["status"]["silencedBy"] == []
            changed = {"values": {"orchestration.alerts.escalate_after": 1}}
            patched = await peer.client.patch(f"{it.url}/api/config", headers=operator, json=changed)
            assert patched.status_code == 200, patched.text
            await until(lambda: "escalation" in peer.receivers("BackendAllInstancesDown"))
            assert alerts.alert(down).escalated is not None
            assert [each.name for each in alerts.alerts()].count("BackendAllInstancesDown") == 1

            # Over: at once.
            await peer.fire(labels_of(path=HOSTILE), lasts=0)
            await until(lambda: state_of(it, "BackendAllInstancesDown") == "resolved")
            await until(lambda: state_of(it, "CaptionsLate") == "firing")

        # Alertmanager is gone: the page says so, and acknowledgements are accepted.
        await until(lambda: alerts.statistics().source.state == "away")
        late = fingerprint_of(it, "CaptionsLate")
        shown = await alerts.acknowledge(late, by="Ann")
        assert shown.acknowledgement is not None
        assert shown.acknowledgement.silence == "waiting"
        assert any("Alertmanager is away" in each.text for each in it.parts.events.latest(50))


def set_windows(folder: Path, *windows: dict[str, Any]) -> None:
    """Write the settings file, which the service reads when it is saved."""
    services = {"audio-service": {"url": "http://127.0.0.1:9", "maintenance": list(windows)}}
    part = folder / "part.yaml"
    part.write_text(yaml.safe_dump({"services": services}), encoding="utf-8")
    part.replace(folder / "orchestration.yaml")


async def test_a_maintenance_window_is_a_silence_of_that_service_alone(tmp_path: Path) -> None:
    """In Alertmanager itself, until the window is taken back; a person who ends it has the last word."""
    port = free_port()
    overlay: dict[str, Any] = {
        "orchestration.alerts.alertmanager_url": f"http://127.0.0.1:{port}",
        "orchestration.alerts.webhook_token": TOKEN,
        "orchestration.alerts.poll_interval": 0.5,
    }
    begins = datetime.now(UTC) - timedelta(minutes=1)
    window = {"start": begins.strftime("%Y-%m-%dT%H:%M"), "minutes": 60, "title": 'new "disk"\\n'}
    async with whole(tmp_path, **overlay) as it, running(tmp_path, it.url, port) as peer:
        alerts = it.parts.alerts

        def states() -> list[str]:
            return [each.silence for each in alerts.statistics().maintenance]

        async def silences() -> list[dict[str, Any]]:
            found = (await peer.client.get(f"{peer.url}/api/v2/silences")).json()
            return [each for each in found if each["createdBy"] == CREATOR]

        await until(lambda: alerts.statistics().source.state == "reachable")
        await peer.fire(labels_of(), labels_of("HostMemoryLow", severity="warning", service="host"))
        set_windows(tmp_path, window)
        await until(lambda: states() == ["made"])
        (silence,) = await silences()
        ends = begins.replace(second=0, microsecond=0) + timedelta(minutes=60)
        assert datetime.fromisoformat(silence["endsAt"]) == ends
        await until(lambda: state_of(it, "BackendAllInstancesDown") == "silenced")
        assert state_of(it, "HostMemoryLow") == "firing"

        # Taken back: alerts notify again. Set again, and ended by a person: it stays so.
        set_windows(tmp_path)
        await until(lambda: state_of(it, "BackendAllInstancesDown") == "firing")
        assert [each["status"]["state"] for each in await silences()] == ["expired"]
        set_windows(tmp_path, window)
        await until(lambda: states() == ["made"])
        (lasting,) = [each for each in await silences() if each["status"]["state"] == "active"]
        await peer.client.delete(f"{peer.url}/api/v2/silence/{lasting['id']}")
        await until(lambda: states() == ["withdrawn"])
        assert [each["status"]["state"] for each in await silences()] == ["expired", "expired"]
