"""What one client can make the service store and send, in all.

    python benchmarks/sums.py [--seconds 5] [--against FOLDER] [--write]

A real `orch serve` with its defaults, on this machine, and one client that does its worst: a connection that
begins sessions and broadcasts into them as fast as it is answered (bytes on the disk); `POST
/api/sessions/create` with the largest `config` (sessions a second, bytes on the disk); and ten `GET
/api/sessions` at once afterwards (bytes of one answer, seconds until all are there). ``--against``: another
checkout, measured first. Read the bytes: the seconds are the machine's.
"""

import argparse
import json
import os
import sys
import tempfile
from collections import Counter
from importlib.metadata import version
from pathlib import Path

import httpx2
import trio
from websockets.exceptions import ConnectionClosed
from websockets.trio.client import connect

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.peers import report
from tests.fakes.service import service

CONFIG = 60_000
MESSAGE = "x" * 900_000
MOST = 8_000_000
"""Bytes broadcast into one session, before the next is begun."""
LISTS = 10


def on_disk(folder: Path) -> int:
    """Return the bytes of the store's files."""
    return sum(
        file.stat().st_size
        for file in (folder / "var").glob("sessions.sqlite3*")
        if "reserve" not in file.name
    )


async def broadcast(url: str, seconds: float) -> Counter[str]:
    """Begin sessions and fill them for so long; return how the service answered."""
    found: Counter[str] = Counter()
    data = MESSAGE
    with trio.move_on_after(seconds):
        try:
            async with connect(url.replace("http", "ws", 1) + "/ws", max_size=None) as client:
                await client.recv()
                while True:
                    await client.send('{"type":"create_session"}')
                    made = await answer(client, found, "session_created")
                    if made is None:
                        continue
                    said = 0
                    while said < MOST:
                        message = {
                            "type": "broadcast",
                            "session_id": made["session_id"],
                            "id": said,
                            "data": data,
                        }
                        await client.send(json.dumps(message))
                        if await answer(client, found, "session_message") is None:
                            data = data[:60_000]  # less at a time, where so much is refused
                        said += len(data)
                    await client.send(json.dumps({"type": "leave_session", "session_id": made["session_id"]}))
        except ConnectionClosed as error:
            found[f"closed with {error.rcvd.code if error.rcvd else 1006}"] += 1
    return found


async def answer(client: object, found: Counter[str], kind: str) -> dict[str, str] | None:
    """Read until an answer of this kind or an error has come; count it."""
    while True:
        heard: dict[str, str] = json.loads(await client.recv())  # type: ignore[attr-defined]
        if heard["type"] in (kind, "error"):
            found[heard.get("code", kind)] += 1
            return heard if heard["type"] == kind else None


async def create(url: str, seconds: float) -> Counter[str]:
    """Begin sessions over HTTP for so long; return how the service answered."""
    found: Counter[str] = Counter()
    body = {"config": {"a": "x" * CONFIG}}
    async with httpx2.AsyncClient(base_url=url, timeout=30) as client:
        with trio.move_on_after(seconds):
            while True:
                made = await client.post("/api/sessions/create", json=body)
                if made.status_code == httpx2.codes.BAD_REQUEST:
                    body = {"config": {"a": "x" * 16_000}}
                found[made.json().get("code", "created")] += 1
    return found


async def lists(url: str) -> tuple[int, float]:
    """Ask for ten lists at once; return the bytes of one, and the seconds until all were there."""
    size = 0
    begun = trio.current_time()

    async def one() -> None:
        nonlocal size
        async with httpx2.AsyncClient(base_url=url, timeout=30) as client:
            size = len((await client.get("/api/sessions")).content)

    async with trio.open_nursery() as nursery:
        for _ in range(LISTS):
            nursery.start_soon(one)
    return size, trio.current_time() - begun


async def measure(folder: Path | None, seconds: float) -> list[tuple[str, str, str]]:
    """Run one checkout's service; return what was measured, and how it answered."""
    environ = {} if folder is None else {"PYTHONPATH": str(folder)}
    with tempfile.TemporaryDirectory() as state:
        running = service("serve", Path(state), environ=environ)
        serving = await trio.to_thread.run_sync(running.__enter__)
        try:
            answers = await broadcast(serving.url, seconds)
            rows = [("broadcasts of one connection, on the disk", _mb(on_disk(Path(state))), _words(answers))]
            before = on_disk(Path(state))
            answers = await create(serving.url, seconds)
            rows += [
                ("sessions created a second", f"{answers['created'] / seconds:,.0f}", _words(answers)),
                ("their configs, on the disk", _mb(on_disk(Path(state)) - before), ""),
            ]
            size, took = await lists(serving.url)
            rows.append(("one list of sessions", _mb(size), f"{LISTS} at once: {took:.2f} s"))
        finally:
            await trio.to_thread.run_sync(running.__exit__, None, None, None)
    return rows


def _mb(size: int) -> str:
    return f"{size / 1e6:,.2f} MB"


def _words(answers: Counter[str]) -> str:
    return ", ".join(f"{count} {code}" for code, count in answers.most_common())


async def compare(options: argparse.Namespace) -> None:
    """Measure, and print."""
    busy, versions = os.getloadavg()[0], [f"trio {version('trio')}"]
    checkouts = ([("before", options.against)] if options.against else []) + [("now", None)]
    rows = [(name, *row) for name, folder in checkouts for row in await measure(folder, options.seconds)]
    told = report.table(("checkout", "what", "how much", "answers"), rows)
    print(told)
    if options.write:
        about = f"{report.machine(busy, versions)} {options.seconds:g} s each."
        report.write(f"Sums: `{report.command()}`", [about, told])


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--against", type=Path, default=None)
    parser.add_argument("--write", action="store_true", help="put the figures into benchmarks/RESULTS.md")
    trio.run(compare, parser.parse_args())


if __name__ == "__main__":
    main()
