"""A bare reverse proxy of aiohttp's server and client: ``python -m … PORT BACKEND_URL``."""

import sys
from collections.abc import AsyncIterator

from aiohttp import ClientSession, TCPConnector, web

BACKEND = sys.argv[2]
SESSION = web.AppKey("session", ClientSession)


async def forward(request: web.Request) -> web.Response:
    """Send the request on, and its response back."""
    async with request.app[SESSION].request(
        request.method,
        f"{BACKEND}/api/{request.match_info['path']}",
        data=await request.read() or None,
        headers={name: value for name, value in request.headers.items() if name.lower() != "host"},
    ) as response:
        return web.Response(
            body=await response.read(), status=response.status, content_type=response.content_type
        )


async def session(app: web.Application) -> AsyncIterator[None]:
    """Keep connections to the back end."""
    async with ClientSession(connector=TCPConnector(limit=64)) as app[SESSION]:
        yield


def main() -> None:
    """Serve."""
    app = web.Application()
    app.cleanup_ctx.append(session)
    app.router.add_route("*", "/api/audio/{path:.*}", forward)
    web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), access_log=None, print=None)


if __name__ == "__main__":
    main()
