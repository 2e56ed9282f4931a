"""The samples of the document against the whole service."""

import json
import re
from pathlib import Path

import pytest
import trio

from tests.fakes.patience import PATIENCE
from tests.fakes.whole import whole

pytestmark = [pytest.mark.process, pytest.mark.real_time]

DOCUMENT = Path(__file__).parents[3] / "docs" / "bots.md"


async def test_the_samples_of_the_document_run_as_they_are(tmp_path: Path) -> None:
    """Copied from docs/bots.md into a shell, with the address of this service.

    Its browser is a program that ends at once: nothing joins a meeting.
    """
    (samples,) = re.findall(r"```sh\n(.*?)```", DOCUMENT.read_text("utf-8"), re.DOTALL)
    folder = tmp_path / "shell"
    folder.mkdir()
    names = ("profiles", "recordings", "evidence", "spool")
    folders = ", ".join(f"{name}: '{tmp_path}/{name}'" for name in names)
    section = f"chromium: /bin/true, {folders}, meeting_origins: [{{origin: 'MEETING'}}]"
    settings = f"orchestration: {{bots: {{{section}}}}}"
    async with trio.open_nursery() as nursery:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        port = listeners[0].socket.getsockname()[1]
        nursery.start_soon(trio.serve_listeners, lambda stream: stream.aclose(), listeners)
        meeting = f"http://127.0.0.1:{port}"
        async with whole(tmp_path, settings=settings.replace("MEETING", meeting)) as service:
            script = samples.replace("http://localhost:3000", service.url)
            script = script.replace("https://meet.google.com/abc-defg-hij", f"{meeting}/abc-defg-hij")
            assert script.count(service.url) == 1
            with trio.fail_after(PATIENCE):
                await trio.run_process(["bash", "-e"], stdin=script.encode(), cwd=folder)
        nursery.cancel_scope.cancel()

    def read(name: str) -> dict[str, object]:
        document: dict[str, object] = json.loads((folder / f"{name}.json").read_text("utf-8"))
        return document

    assert read("bot")["metadata"] == {"ticket": 17}
    assert read("live")["bot"]["bot_id"] == read("bot")["bot_id"]  # type: ignore[index]
    assert read("left")["state"] in ("leaving", "ended", "failed")
    assert read("events")["events"]
