"""A reverse proxy of FastAPI and httpx under uvicorn: ``python -m … PORT BACKEND_URL``."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import uvicorn
from fastapi import FastAPI, Request, Response

BACKEND = sys.argv[2]


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Keep connections to the back end."""
    async with httpx.AsyncClient(base_url=BACKEND, limits=httpx.Limits(max_connections=64)) as client:
        app.state.client = client
        yield


async def forward(request: Request, path: str) -> Response:
    """Send the request on, and its response back."""
    response = await request.app.state.client.request(
        request.method,
        f"/api/{path}",
        content=await request.body(),
        headers=[(name, value) for name, value in request.headers.items() if name != "host"],
    )
    return Response(response.content, response.status_code, media_type=response.headers.get("content-type"))


def main() -> None:
    """Serve."""
    app = FastAPI(lifespan=lifespan)
    app.add_api_route("/api/audio/{path:path}", forward, methods=["GET", "POST"])
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), access_log=False, log_level="warning")


if __name__ == "__main__":
    main()
