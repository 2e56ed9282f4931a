"""What it costs to find out who asks: microseconds a request, for each kind of request.

python -m benchmarks.access
"""

import timeit
from types import SimpleNamespace
from typing import Any

import trio

from orch.access.service import Access
from orch.access.sign_ins import SignIns
from orch.cluster.survey import Survey
from orch.settings import Frontend, Orchestration, Settings

REPEATS = 20_000
TOKEN = "s3cret-token"  # noqa: S105 - a benchmark's own
BROWSER = {
    "host": "localhost:3000",
    "connection": "keep-alive",
    "user-agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/150.0 Safari/537.36",
    "accept": "*/*",
    "origin": "http://localhost:3000",
    "sec-fetch-site": "same-origin",
    "sec-fetch-mode": "cors",
    "sec-fetch-dest": "empty",
    "accept-encoding": "gzip, deflate, br, zstd",
    "accept-language": "en-US,en;q=0.9",
}


def access(token: str, *hosts: str) -> Access:
    """Return what decides, for settings with a token and allowed hosts."""
    frontend = Frontend(allowed_hosts=hosts)
    current = Settings(orchestration=Orchestration(control_token=token, frontend=frontend))
    settings: Any = SimpleNamespace(current=current)
    nothing: Any = None
    return Access(settings=settings, sign_ins=SignIns(store=nothing, survey=Survey(), wall=lambda: 0.0))


def scope(**headers: str) -> dict[str, Any]:
    """Return a browser's request on loopback."""
    pairs = [(name.replace("_", "-").encode(), value.encode()) for name, value in (BROWSER | headers).items()]
    return {
        "type": "http",
        "scheme": "http",
        "http_version": "1.1",
        "client": ("127.0.0.1", 50_000),
        "server": ("127.0.0.1", 3000),
        "headers": pairs,
    }


async def main() -> None:
    """Measure and print."""
    open_, closed, listed = access(""), access(TOKEN), access(TOKEN, "translate.example")
    remote = scope(host="translate.example") | {"client": ("192.0.2.9", 5), "server": ("192.0.2.1", 3000)}
    proxied = scope(host="translate.example", x_forwarded_for="203.0.113.9", x_forwarded_proto="https")
    cases = {
        "local, no token set": (open_, scope()),
        "local, token set and not shown": (closed, scope()),
        "local, token shown": (closed, scope(authorization=f"Bearer {TOKEN}")),
        "remote guest": (listed, remote),
        "guest behind a trusted proxy": (listed, proxied),
    }
    for name, (deciding, asked) in cases.items():
        seconds = min(
            timeit.repeat(
                lambda: deciding.actor(asked, trusts_local=True),  # noqa: B023 - measured within its turn
                number=REPEATS,
                repeat=5,
            )
        )
        await trio.lowlevel.checkpoint()
        print(f"{name:32} {seconds / REPEATS * 1e6:6.2f} µs")


if __name__ == "__main__":
    trio.run(main)
