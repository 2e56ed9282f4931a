"""Signing in over HTTP and the socket, against a whole service on loopback."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
import trio

from orch.access.sign_ins import CHECK_INTERVAL, FRESH, IDLE, STALE, SignIns
from orch.cluster.survey import Survey
from tests.fakes.access import FakeSignInStore
from tests.fakes.client import Client
from tests.fakes.patience import PATIENCE
from tests.fakes.running import run
from tests.fakes.survey import Wire
from tests.fakes.websocket_client import connect
from tests.fakes.whole import Whole, whole

TOKEN = "s3cret-token"  # noqa: S105 - a test's own

Use = Callable[[Whole, httpx2.AsyncClient], Awaitable[None]]


def using(folder: Path, use: Use, *, token: str = TOKEN, **overlay: Any) -> None:
    """Run ``use`` against a whole service on loopback that has a token."""
    away: dict[str, Any] = {
        f"services.{name}.url": "http://127.0.0.1:9" for name in ("audio-service", "translation-service")
    }
    away["orchestration.control_token"] = token

    async def main() -> None:
        async with (
            whole(folder, **(away | overlay)) as service,
            httpx2.AsyncClient(base_url=service.url, timeout=120) as client,
        ):
            await use(service, client)

    run(main, virtual=False)


async def sign_in(
    client: httpx2.AsyncClient, token: str = TOKEN, next_path: str = "/tree", **more: Any
) -> Any:
    return await client.post("/sign-in", data={"token": token, "next": next_path}, **more)


def test_a_configured_token_is_required_on_loopback_too(tmp_path: Path) -> None:
    """Programs get 401, a browser is redirected to the sign-in page."""

    async def use(_service: Whole, client: httpx2.AsyncClient) -> None:
        refused = await client.patch("/api/config", json={"values": {"orchestration.gateway.timeout": 9}})
        assert (refused.status_code, refused.json()["code"]) == (401, "token_required")
        for path in ("/metrics", "/openapi.json", "/api/tree", "/api/sessions"):
            assert (await client.get(path)).status_code == 401, path
            bearer = {"Authorization": f"Bearer {TOKEN}"}
            assert (await client.get(path, headers=bearer)).status_code == 200, path
        led = await client.get("/settings")
        assert (led.status_code, led.headers["Location"]) == (303, "/sign-in?next=/settings")

    using(tmp_path, use)


def test_the_cookie_replaces_the_token_until_sign_out(tmp_path: Path) -> None:
    """HttpOnly, same-site; pages, the API and the socket accept it; signing out closes open pages."""

    async def use(service: Whole, client: httpx2.AsyncClient) -> None:
        answer = await sign_in(client)
        assert (answer.status_code, answer.headers["Location"]) == (303, "/tree")
        name, _, rest = answer.headers["Set-Cookie"].partition("=")
        value, *parts = rest.split("; ")
        assert name == "orch_sign_in"
        assert len(value) >= 22
        assert {"Path=/", "HttpOnly", "SameSite=Strict"} <= set(parts)
        assert "Secure" not in parts
        cookie = f"{name}={value}"
        assert (await client.get("/tree")).status_code == 200
        change = {"values": {"orchestration.gateway.timeout": 9}}
        assert (await client.patch("/api/config", json=change)).status_code == 200
        evil = {"Origin": "http://evil.example"}
        assert (await client.patch("/api/config", json=change, headers=evil)).status_code == 403
        async with socket_with(service, cookie) as socket:
            await socket.ask("subscribed", type="subscribe", topic="tree")
            await socket.of_type("update")
            assert (await client.post("/sign-out")).status_code == 303
            await socket.closed()
            assert socket.close_code == 4002
        again = await client.get("/api/tree", headers={"Cookie": cookie})
        assert again.status_code == 401
        async with socket_with(service, cookie) as socket:
            await socket.send(type="subscribe", topic="tree")
            assert (await socket.of_type("error"))["code"] == "token_required"
            await socket.ask("subscribed", type="subscribe", topic="counts")

    using(tmp_path, use)


@asynccontextmanager
async def socket_with(service: Whole, cookie: str) -> AsyncIterator[Client]:
    """Connect as a browser that has the cookie."""
    headers = {"Cookie": cookie}
    async with connect(service.socket_url, additional_headers=headers) as socket:
        client = Client(socket)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(client.read)
            await client.of_type("connected")
            yield client
            nursery.cancel_scope.cancel()


async def said(service: Whole, *lines: str) -> str:
    """Return the first line and the body that a request of exactly these lines is answered with."""
    port = int(service.url.rpartition(":")[2])
    async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
        await stream.send_all("\r\n".join([*lines, "", ""]).encode())
        answer = b""
        with trio.fail_after(PATIENCE):
            async for part in stream:
                answer += part
                if b"\r\n\r\n" in answer and b" 101 " in answer[:20]:
                    break
    return answer.decode("latin-1")


def test_over_tls_the_cookie_is_bound_to_the_host(tmp_path: Path) -> None:
    """A trusted proxy reports TLS; the cookie for plain HTTP is not accepted then."""

    async def use(_service: Whole, client: httpx2.AsyncClient) -> None:
        told = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "203.0.113.5"}
        answer = await sign_in(client, headers=told)
        cookie = answer.headers["Set-Cookie"]
        assert cookie.startswith("__Host-orch_sign_in=")
        assert "Secure" in cookie
        value = cookie.partition(";")[0]
        client.cookies.clear()
        assert (await client.get("/api/tree", headers=told | {"Cookie": value})).status_code == 200
        plain = value.removeprefix("__Host-")
        assert (await client.get("/api/tree", headers=told | {"Cookie": plain})).status_code == 401

    using(tmp_path, use)


@pytest.mark.parametrize(
    "elsewhere",
    [
        "//evil.example/",
        "https://evil.example/",
        "/\\evil.example",
        "/\t/evil.example",
        "javascript:x",
        "",
        "/sign-in",
    ],
)
def test_signing_in_redirects_to_no_other_site(tmp_path: Path, elsewhere: str) -> None:
    """Whatever ``next`` a link to the page has."""

    async def use(_service: Whole, client: httpx2.AsyncClient) -> None:
        assert (await sign_in(client, next_path=elsewhere)).headers["Location"] == "/"

    using(tmp_path, use)


def test_wrong_tokens_are_slowed_counted_and_logged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """On the page and as a bearer token alike; also the right one waits, so that waiting tells nothing."""

    async def use(_service: Whole, client: httpx2.AsyncClient) -> None:
        told = {"X-Forwarded-For": "203.0.113.9"}
        for number in range(5):
            if number % 2:
                refused = await sign_in(client, "wrong", headers=told)
            else:
                refused = await client.get("/api/tree", headers=told | {"Authorization": "Bearer wrong"})
            assert refused.status_code == 401
        for slowed in (
            await sign_in(client, headers=told),
            await client.get("/api/tree", headers=told | {"Authorization": f"Bearer {TOKEN}"}),
        ):
            assert slowed.status_code == 429
            assert int(slowed.headers["Retry-After"]) >= 1
        bearer = {"Authorization": f"Bearer {TOKEN}", "X-Forwarded-For": "203.0.113.10"}
        figures = (await client.get("/metrics", headers=bearer)).text
        assert "orch_wrong_tokens_total 5.0" in figures
        assert (await client.get("/livez", headers=told)).status_code == 200

    using(tmp_path, use)
    said = capsys.readouterr().out
    assert said.count("wrong control token") == 5
    assert "203.0.113.9" in said
    assert TOKEN not in said


def test_a_sign_in_survives_a_restart_and_ends_when_the_token_changes(tmp_path: Path) -> None:
    """It is stored under a hash of this token and this cookie."""
    cookies: list[str] = []

    async def begin(_service: Whole, client: httpx2.AsyncClient) -> None:
        cookies.append((await sign_in(client)).headers["Set-Cookie"].partition(";")[0])

    async def is_known(_service: Whole, client: httpx2.AsyncClient) -> None:
        assert (await client.get("/api/tree", headers={"Cookie": cookies[0]})).status_code == 200

    async def is_unknown(_service: Whole, client: httpx2.AsyncClient) -> None:
        assert (await client.get("/api/tree", headers={"Cookie": cookies[0]})).status_code == 401

    using(tmp_path, begin)
    using(tmp_path, is_known)
    using(tmp_path, is_unknown, token="another")


def test_a_foreign_host_name_gets_421_over_http_and_on_the_socket(tmp_path: Path) -> None:
    """A page whose own name resolves to 127.0.0.1 reads nothing, while no token is configured."""

    async def use(service: Whole, client: httpx2.AsyncClient) -> None:
        rebound = {"Host": "rebound.example"}
        for path in ("/", "/api/config", "/livez", "/translation", "/api/audio/models", "/static/x"):
            answer = await client.get(path, headers=rebound)
            assert (answer.status_code, answer.json()["code"]) == (421, "misdirected_request"), path
        assert (await client.get("/api/config")).status_code == 200
        shake = (
            "Upgrade: websocket",
            "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
        )
        upgrade = ("Connection: upgrade", *shake)
        for host, status in (("rebound.example", "421"), ("192.0.2.1:80", "421"), ("localhost", "101")):
            shaken = await said(service, "GET /ws HTTP/1.1", f"Host: {host}", *upgrade)
            assert shaken.split()[1] == status
            absolute = await said(
                service, f"GET http://{host}/api/config HTTP/1.1", "Host: localhost", "Connection: close"
            )
            assert absolute.split()[1] == status.replace("101", "200")
        for lines in (("Host: localhost", "Host: rebound.example"), ("Host:",), ("Host: localhost@rebound",)):
            refused = await said(service, "GET /api/config HTTP/1.1", *lines, "Connection: close")
            assert refused.split()[1] in ("400", "421")

    using(tmp_path, use, token="")


@pytest.mark.limit(10 * IDLE)
async def test_a_sign_in_expires_after_twelve_hours_without_use() -> None:
    """Use extends it; a store that is unavailable does not end it."""
    now = 1_000_000.0
    store = FakeSignInStore()
    sign_ins = SignIns(store=store, survey=Survey(), wall=lambda: now + trio.current_time())
    name = str(sign_ins.name_of(await sign_ins.begin("token"), "token"))
    assert name in store.kept
    for _ in range(5):
        await trio.sleep(IDLE - 1)
        assert await sign_ins.is_valid(name)
    store.is_away = True
    await trio.sleep(FRESH + 1)
    assert await sign_ins.is_valid(name)
    await trio.sleep(STALE)
    assert not await sign_ins.is_valid(name)
    store.is_away = False
    assert await sign_ins.is_valid(name)
    await trio.sleep(IDLE + 1)
    assert not await sign_ins.is_valid(name)


async def test_signing_out_on_one_worker_signs_out_on_all() -> None:
    """At once, open pages included; a worker that was not notified notices at its next check."""
    wire, store = Wire(), FakeSignInStore()
    one, other = (
        SignIns(store=store, survey=wire.worker(name, place), wall=trio.current_time)
        for place, name in enumerate(("w0", "w1"))
    )
    ended: list[str] = []
    other.on_end = ended.append
    name = str(one.name_of(await one.begin("token"), "token"))
    assert await other.is_valid(name)
    await one.end(name)
    assert name in ended
    assert not await one.is_valid(name)
    assert not await other.is_valid(name)
    name = str(one.name_of(await one.begin("token"), "token"))
    assert await other.is_valid(name)
    wire.is_away = True
    async with trio.open_nursery() as nursery:
        await nursery.start(other.watch, lambda: [name])
        await store.delete_sign_in(name)
        ended.clear()
        await trio.sleep(CHECK_INTERVAL + 1)
        assert ended == [name]
        nursery.cancel_scope.cancel()


async def test_a_forged_cookie_is_not_looked_up_in_the_store() -> None:
    """Anyone can send any number of them."""
    sign_ins = SignIns(store=FakeSignInStore(), survey=Survey(), wall=lambda: 0.0)
    cookie = await sign_ins.begin("token")
    assert sign_ins.name_of(cookie, "token")
    identity, _, seal = cookie.partition(".")
    for made_up in (
        "",
        "x",
        identity,
        f"{identity}.",
        f"x{cookie}",
        f"{cookie}x",
        f"{identity}.{seal[::-1]}",
        "\xff.",
    ):
        assert sign_ins.name_of(made_up, "token") is None
    assert sign_ins.name_of(cookie, "another") is None


@pytest.mark.real_time
async def test_changing_the_token_ends_sign_ins_and_operators_connections(tmp_path: Path) -> None:
    """As soon as the file is saved; guests stay connected."""

    def file(token: str) -> str:
        return f"orchestration: {{control_token: {token}}}"

    async with (
        whole(tmp_path, settings=file("old-token")) as service,
        httpx2.AsyncClient(base_url=service.url, timeout=120) as client,
    ):
        answer = await sign_in(client, "old-token")
        cookie = answer.headers["Set-Cookie"].partition(";")[0]
        async with socket_with(service, cookie) as operator, socket_with(service, "a=b") as guest:
            await operator.ask("subscribed", type="subscribe", topic="tree")
            (tmp_path / "orchestration.yaml").write_text(file("new-token"), encoding="utf-8")
            service.parts.settings.reload()
            await operator.closed()
            assert operator.close_code == 4002
            await guest.ask("pong", type="ping")
        assert (await client.get("/api/tree", headers={"Cookie": cookie})).status_code == 401
        for token, status in (("old-token", 401), ("new-token", 200)):
            bearer = {"Authorization": f"Bearer {token}"}
            assert (await client.get("/api/tree", headers=bearer)).status_code == status
