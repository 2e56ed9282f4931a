"""Recordings and evidence through the API: whole, in part, and never as a page of this origin."""

import base64
import gc
import hashlib
import os
from pathlib import Path

import pytest

from orch.bots.recordings.files import create
from orch.stores.bot_records import EvidenceFile
from orch.stores.bot_store import BotStore
from orch.web.downloads import attachment
from tests.fakes.bot_sessions import NOW, audio_file, requested
from tests.fakes.bots_api import BotsApi, bots_api
from tests.fakes.processes import open_files

pytestmark = pytest.mark.real_time

CONTENT = bytes(range(256)) * 1_000


async def recorded(
    store: BotStore, folder: Path, number: int = 0, *, path: Path | None = None, status: str = "complete"
) -> None:
    await requested(store, *((1,) if number == 0 else ()))
    place = folder / "recordings" / f"{number}.flac"
    place.write_bytes(CONTENT)
    record = audio_file(
        number,
        file_path=str(path or place),
        file_name="../Weekly: 李娜\n.flac",
        file_size=len(CONTENT),
        file_hash=hashlib.sha256(CONTENT).hexdigest(),
        metadata={"speaker_name": "李娜"},
        processing_status=status,
    )
    await store.write([record])


async def test_recordings_are_listed_with_where_they_are(tmp_path: Path) -> None:
    """Not with their paths on the disk."""
    async with bots_api(tmp_path) as (api, _, store):
        await recorded(store, tmp_path)
        _, listed = await api.json("GET", "/api/bots/b1/recording")
        (file,) = listed["files"]
        assert (file["href"], file["speaker_name"], file["file_size"]) == (
            "/api/bots/b1/recording/f0",
            "李娜",
            256_000,
        )
        assert str(tmp_path) not in str(listed)


async def test_an_incomplete_recording_says_what_it_lacks(tmp_path: Path) -> None:
    """As its row does."""
    async with bots_api(tmp_path) as (api, _, store):
        await requested(store, 1)
        lacks = {"kind": "channel", "lost_seconds": 1.5, "reason": "The disk is full."}
        await store.write([audio_file(processing_status="incomplete", metadata=lacks)])
        _, listed = await api.json("GET", "/api/bots/b1/recording")
        (file,) = listed["files"]
        assert {name: file[name] for name in lacks} == lacks
        assert (file["processing_status"], file["speaker_name"]) == ("incomplete", None)


async def test_a_recording_is_sent_whole_or_in_part(tmp_path: Path) -> None:
    """Exactly the bytes that were asked for, with a safe name and type."""
    async with bots_api(tmp_path) as (api, _, store):
        await recorded(store, tmp_path)
        for headers, status, begin, end in (
            ({}, 200, 0, 256_000),
            ({"Range": "bytes=1000-1999"}, 206, 1_000, 2_000),
            ({"Range": "bytes=-5"}, 206, 255_995, 256_000),
            ({"Range": "bytes=255999-"}, 206, 255_999, 256_000),
            ({"Range": "bytes=0-1,5-6"}, 200, 0, 256_000),
            ({"Range": "bytes=9-1"}, 200, 0, 256_000),
            ({"Range": "bytes=0-9", "If-Range": '"other"'}, 200, 0, 256_000),
            ({"Range": "bytes=0-9", "If-Range": "Mon, 30 Nov 2026 00:00:00 GMT"}, 200, 0, 256_000),
        ):
            response = await api.ask("GET", "/api/bots/b1/recording/f0", headers=headers)
            assert response.status_code == status
            assert await response.get_data(as_text=False) == CONTENT[begin:end]
            assert response.headers["Content-Length"] == str(end - begin)
            part = f"bytes {begin}-{end - 1}/256000" if status == 206 else None
            assert response.headers.get("Content-Range") == part
            assert response.headers["Content-Type"] == "audio/flac"
            assert response.headers["Accept-Ranges"] == "bytes"
            assert response.headers["X-Content-Type-Options"] == "nosniff"
            assert response.headers["Content-Disposition"] == (
                "attachment; filename=\"Weekly-.flac\"; filename*=UTF-8''Weekly-%E6%9D%8E%E5%A8%9C.flac"
            )


async def test_a_range_outside_of_the_file_is_416_and_head_sends_nothing(tmp_path: Path) -> None:
    """With the size; the matching If-Range counts."""
    async with bots_api(tmp_path) as (api, _, store):
        await recorded(store, tmp_path)
        path = "/api/bots/b1/recording/f0"
        response = await api.ask("GET", path, headers={"Range": "bytes=256000-"})
        assert (response.status_code, response.headers["Content-Range"]) == (416, "bytes */256000")
        async with api.stream("HEAD", path) as received:
            head = dict((await received.receive())["headers"])
            assert head[b"content-length"] == b"256000"
            assert (await received.receive())["body"] == b""
        etag = head[b"etag"].decode()
        again = await api.ask("GET", path, headers={"Range": "bytes=0-9", "If-Range": etag})
        assert again.status_code == 206


async def test_a_path_that_leads_elsewhere_is_no_file(tmp_path: Path) -> None:
    """The store may be older than the disk, or somebody else has written to it."""
    async with bots_api(tmp_path) as (api, _, store):
        below = tmp_path / "recordings"
        (tmp_path / "secret.txt").write_text("secret")
        (below / "link").symlink_to(tmp_path / "secret.txt")
        (below / "folder").symlink_to(tmp_path)
        (below / "within").mkdir()
        os.mkfifo(below / "pipe")
        places = [
            below / ".." / "secret.txt",
            below / "link",
            below / "folder" / "secret.txt",
            below / "within",
            below / "pipe",
            below / "missing",
            Path("/etc/passwd"),
            Path("a\0b"),
        ]
        for number, place in enumerate(places):
            await recorded(store, tmp_path, number, path=place)
            status, problem = await api.json("GET", f"/api/bots/b1/recording/f{number}")
            assert (status, problem["code"]) == (404, "unknown_file"), place
        for name in ("f99", "..%2Fsecret.txt", "%00"):
            assert (await api.json("GET", f"/api/bots/b1/recording/{name}"))[0] == 404


@pytest.mark.parametrize("kind", ["recording", "evidence"])
async def test_files_in_a_former_folder_are_sent_and_those_of_no_known_folder_are_not(
    tmp_path: Path, kind: str
) -> None:
    """Rows have the path that the file had when the setting named another folder."""
    async with bots_api(tmp_path) as (api, _, store):
        for number, name in enumerate(("former", "unknown")):
            place = tmp_path / name / "s1" / "log-0.txt"
            place.parent.mkdir(parents=True)
            place.write_bytes(CONTENT)
            await recorded(store, tmp_path, number, path=place)
            hashed = hashlib.sha256(CONTENT).hexdigest()
            evidence = EvidenceFile(
                file_id=f"f{number}",
                session_id="s1",
                kind="log",
                file_path=str(place),
                file_size=len(CONTENT),
                file_hash=hashed,
                at=NOW,
            )
            await store.write([evidence])
        found = await api.ask("GET", f"/api/bots/b1/{kind}/f0")
        assert (found.status_code, await found.get_data(as_text=False)) == (200, CONTENT)
        status, problem = await api.json("GET", f"/api/bots/b1/{kind}/f1")
        assert (status, problem["code"]) == (404, "unknown_file")


async def test_a_file_that_becomes_shorter_ends_the_response_as_broken(tmp_path: Path) -> None:
    """Its client must not take the part for the whole."""
    async with bots_api(tmp_path) as (api, _, store):
        await recorded(store, tmp_path)
        response = await api.ask("GET", "/api/bots/b1/recording/f0")
        assert len(await response.get_data(as_text=False)) == 256_000
        place = tmp_path / "recordings" / "0.flac"
        place.write_bytes(b"")
        response = await api.ask("GET", "/api/bots/b1/recording/f0")
        assert (response.status_code, response.headers["Content-Length"]) == (200, "0")


async def test_an_encrypted_recording_is_sent_decrypted_or_not_at_all(tmp_path: Path) -> None:
    """Whole and in part, with the right key alone; a changed file is not sent."""
    right, wrong = (base64.b64encode(bytes([number]) * 32).decode() for number in (1, 2))
    async with bots_api(tmp_path) as (_, bots, store):
        place = tmp_path / "recordings" / "0.flac.enc"
        output = create(place, bytes([1]) * 32)
        output.write(CONTENT)
        output.close()
        await recorded(store, tmp_path, path=place)
        path = "/api/bots/b1/recording/f0"
        api = BotsApi(tmp_path, bots, store, key=right)
        whole = await api.ask("GET", path)
        assert (whole.headers["Content-Length"], await whole.get_data(as_text=False)) == ("256000", CONTENT)
        part = await api.ask("GET", path, headers={"Range": "bytes=65530-65545"})
        assert (part.status_code, await part.get_data(as_text=False)) == (206, CONTENT[65_530:65_546])
        for key in ("", wrong):
            status, problem = await BotsApi(tmp_path, bots, store, key=key).json("GET", path)
            assert (status, problem["code"]) == (409, "file_locked")
        changed = bytearray(place.read_bytes())
        changed[60] ^= 1
        place.write_bytes(changed)
        status, problem = await api.json("GET", path)
        assert (status, problem["code"]) == (409, "file_damaged")


async def test_a_recording_that_grows_has_no_tag(tmp_path: Path) -> None:
    """A part of it cannot be joined with one from before."""
    async with bots_api(tmp_path) as (api, _, store):
        await recorded(store, tmp_path, status="recording")
        response = await api.ask(
            "GET", "/api/bots/b1/recording/f0", headers={"Range": "bytes=0-9", "If-Range": '"x"'}
        )
        assert (response.status_code, "ETag" in response.headers) == (200, False)


async def evidence(store: BotStore, folder: Path) -> None:
    await requested(store, 1)
    html = b"<script>alert(document.domain)</script>"
    for kind, suffix, content in (
        ("screenshot", "jpg", b"\xff\xd8"),
        ("dom", "html", html),
        ("log", "txt", b"line"),
    ):
        place = folder / "evidence" / f"{kind}.{suffix}"
        place.write_bytes(content)
        await store.write([EvidenceFile(
            file_id=kind, session_id="s1", kind=kind, file_path=str(place),  # type: ignore[arg-type]
            file_size=len(content), file_hash=hashlib.sha256(content).hexdigest(), at=NOW,
        )])  # fmt: skip


async def test_evidence_is_shown_and_its_dom_is_text(tmp_path: Path) -> None:
    """The meeting's page must not run as a page of the service."""
    async with bots_api(tmp_path) as (api, _, store):
        await evidence(store, tmp_path)
        _, listed = await api.json("GET", "/api/bots/b1/evidence")
        kinds = {each["kind"]: each["href"] for each in listed["files"]}
        assert set(kinds) == {"screenshot", "dom", "log"}
        picture = await api.ask("GET", kinds["screenshot"])
        assert (picture.headers["Content-Type"], picture.headers["Content-Disposition"]) == (
            "image/jpeg",
            "inline",
        )
        dom = await api.ask("GET", kinds["dom"])
        assert dom.headers["Content-Type"] == "text/plain; charset=utf-8"
        assert dom.headers["Content-Disposition"] == 'attachment; filename="bot-b1-dom.txt"'
        assert dom.headers["X-Content-Type-Options"] == "nosniff"
        assert b"alert" in await dom.get_data(as_text=False)
        assert (await api.ask("GET", "/api/bots/b1/evidence/nothing")).status_code == 404


async def test_files_are_closed_whatever_became_of_their_responses(tmp_path: Path) -> None:
    """Those that were sent, those that were only asked about, and those that nobody waited for."""
    async with bots_api(tmp_path) as (api, _, store):
        await recorded(store, tmp_path)

        def opened() -> int:
            gc.collect()
            place = str(tmp_path / "recordings" / "0.flac")
            return open_files(os.getpid()).count(place)

        for method in ("GET", "HEAD", "GET"):
            response = await api.ask(method, "/api/bots/b1/recording/f0")
            del response
        assert opened() == 0


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.flac", 'attachment; filename="a.flac"'),
        ('a"b;c\r\nX: y.wav', 'attachment; filename="a-b-cX-y.wav"'),
        ("../../etc/passwd", 'attachment; filename="etc-passwd"'),
        ("", 'attachment; filename="file"'),
        ("李娜", "attachment; filename=\"file\"; filename*=UTF-8''%E6%9D%8E%E5%A8%9C"),
        (".bashrc", 'attachment; filename="bashrc"'),
        ("x" * 300 + ".wav", f'attachment; filename="{"x" * 146}.wav"'),
    ],
)
def test_a_name_is_safe_on_every_disk(name: str, expected: str) -> None:
    """And splits no header."""
    assert attachment(name) == expected
