"""Uploads of ended sessions are removed, those of others are not."""

from pathlib import Path
from typing import Any

import httpx2
import pytest
import trio

from orch.problems import ProblemError
from orch.settings.structs import Speech
from orch.web.ended_sessions import EndedSessions
from orch.web.tus import Held
from orch.web.upload_files import UploadFiles
from tests.fakes.patience import PATIENCE
from tests.fakes.running import run
from tests.fakes.whole import whole


class Known:
    """Sessions of which some exist; ``is_away``: the store is unavailable."""

    is_away = False

    def __init__(self, *names: str) -> None:
        self._names = names

    async def exists(self, session_id: str) -> bool:
        await trio.lowlevel.checkpoint()
        if self.is_away:
            raise ProblemError("store_unavailable", "Redis is away.")
        return session_id in self._names


def left(files: UploadFiles, folder: Path) -> tuple[set[str], int]:
    """Return the sessions with uploads, and the number of files."""
    return set(files.sessions()), len(list(folder.iterdir()))


def test_uploads_go_with_their_session(tmp_path: Path) -> None:
    """Incomplete ones and those being written too; nothing while it is not known which sessions exist."""
    folder = tmp_path / "uploads"
    files = UploadFiles(folder, wall=lambda: 0.0)
    sessions = Known("here")
    ended = EndedSessions(sessions, files)

    def upload(session_id: str) -> str:
        return files.create(Held(session_id=session_id, address="", length=10), Speech())

    async def use() -> None:
        await ended.remove_uploads()
        kept, gone, other = upload("here"), upload("gone"), upload("gone")
        with files.open_part("gone", other) as part:
            part.write(b"12345")
            sessions.is_away = True
            await ended.remove_uploads()
            assert left(files, folder) == ({"here", "gone"}, 6)
            sessions.is_away = False
            await ended.remove_uploads()
            part.write(b"67890")
        assert left(files, folder) == ({"here"}, 2)
        for name in (gone, other):
            with pytest.raises(ProblemError, match="No upload"):
                files.find("gone", name)
        assert files.find("here", kept).offset == 0
        await ended.ended("here")
        assert left(files, folder) == (set(), 0)

    run(use, virtual=False)


@pytest.mark.process
@pytest.mark.real_time
def test_a_session_that_ends_leaves_no_upload(tmp_path: Path) -> None:
    """Ended by a request, or by the sweep because nobody used it."""

    async def use() -> None:
        settings: dict[str, Any] = {
            "orchestration.websocket.session_timeout": 3,
            "session_management.cleanup_interval": 0.2,
        }
        async with (
            whole(tmp_path, **settings) as service,
            httpx2.AsyncClient(base_url=service.url, timeout=PATIENCE) as client,
        ):
            found = list(tmp_path.rglob("uploads"))
            assert found == []
            for name in ("ended", "unused"):
                assert (
                    await client.post("/api/sessions/create", json={"session_id": name})
                ).status_code < 300
                headers = {"Tus-Resumable": "1.0.0", "Upload-Length": "10"}
                created = await client.post(f"/api/sessions/{name}/uploads", headers=headers)
                assert created.status_code == 201
            (folder,) = tmp_path.rglob("uploads")
            before = len(list(folder.iterdir()))
            assert (await client.delete("/api/sessions/ended")).status_code == 204
            assert len(list(folder.iterdir())) <= before - 2
            with trio.fail_after(120):
                while list(folder.iterdir()):  # noqa: ASYNC110 - nothing tells of it
                    await trio.sleep(0.05)

    run(use, virtual=False)
