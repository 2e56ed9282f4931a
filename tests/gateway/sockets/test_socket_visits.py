"""Proxied WebSockets whose client loses its rights: in memory, over two workers, and in the whole service."""

from pathlib import Path
from typing import Any

import httpx2
import pytest
import trio
from trio.testing import wait_all_tasks_blocked
from websockets.exceptions import ConnectionClosed

from orch.access.actors import ACTOR, Actor
from orch.access.sign_ins import CHECK_INTERVAL, SignIns
from tests.fakes.access import FakeSignInStore
from tests.fakes.gateway import GatewayRig, gateway_rig
from tests.fakes.hosted_sockets import back_end
from tests.fakes.patience import PATIENCE
from tests.fakes.proxied_sockets import Peer, Visitor, accepting, echo
from tests.fakes.survey import Wire
from tests.fakes.websocket_client import connect
from tests.fakes.whole import whole
from tests.gateway.sockets.test_sockets_access import (
    BEARER,
    STRANGER,
    TOKEN,
    address,
    echo_with_head,
    refused,
    settings,
)


def visitor(sign_in: str = "", *, is_operator: bool = True, **options: Any) -> Visitor:
    """Return a client with the rights of a sign-in, or of a token."""
    one = Visitor(**options)
    via: Any = "cookie" if sign_in else "token" if is_operator else "none"
    one.scope[ACTOR] = Actor(
        is_operator=is_operator, is_local=False, via=via, address="203.0.113.9", sign_in=sign_in
    )
    return one


async def opened(nursery: trio.Nursery, rig: GatewayRig, one: Visitor) -> Visitor:
    nursery.start_soon(one.run, rig)
    await one.is_open.wait()
    return one


async def test_signing_out_ends_the_sockets_of_that_sign_in() -> None:
    """The client gets 1008, the back end 1001; others go on."""
    got: list[Any] = []

    async def talk(peer: Peer) -> None:
        got.append(await peer.said())

    async with gateway_rig() as rig, trio.open_nursery() as nursery:
        rig.network.servers["a:1"] = accepting(talk)
        one = await opened(nursery, rig, visitor("one"))
        rig.network.servers["a:1"] = accepting(echo)
        other = await opened(nursery, rig, visitor("other"))
        assert rig.gateway.visits.sign_ins == {"one", "other"}
        rig.gateway.visits.sign_out("one")
        assert await one.peer.said() == 1008
        await one.is_over.wait()
        assert got == [1001]
        await other.peer.text("still here")
        assert await other.peer.said() == "still here"
        sockets = rig.gateway.statistics().sockets
        assert (sockets.endings, sockets.codes) == ({"signed_out_gateway": 1}, {"1008": 1})
        assert rig.gateway.visits.sign_ins == {"other"}
        nursery.cancel_scope.cancel()
    assert rig.health.noted == []


async def test_a_changed_token_ends_the_sockets_of_operators_alone() -> None:
    """By token, by cookie; who needs no rights, since the path is public, stays."""
    async with gateway_rig() as rig, trio.open_nursery() as nursery:
        rig.network.servers["a:1"] = accepting(echo)
        one = await opened(nursery, rig, visitor("one"))
        program = await opened(nursery, rig, visitor())
        guest = await opened(nursery, rig, visitor(is_operator=False))
        rig.gateway.visits.sign_out_operators()
        for ended in (one, program):
            assert await ended.peer.said() == 1008
            await ended.is_over.wait()
        await guest.peer.text("still here")
        assert await guest.peer.said() == "still here"
        nursery.cancel_scope.cancel()


async def test_a_handshake_is_refused_when_its_sign_in_ends_meanwhile() -> None:
    """However long the back end takes to accept it; that one sees the end at once."""
    ended = trio.Event()

    async def stall(stream: trio.abc.Stream) -> None:
        while await stream.receive_some(65_536):
            pass
        ended.set()

    async with gateway_rig() as rig, trio.open_nursery() as nursery:
        rig.network.servers["a:1"] = stall
        one = visitor("one")
        nursery.start_soon(one.run, rig)
        await wait_all_tasks_blocked()
        rig.gateway.visits.sign_out("one")
        await one.is_over.wait()
        await ended.wait()
        assert one.status == 401
        assert b"token_required" in one.body
        assert rig.health.noted == []
        assert rig.gateway.statistics().sockets.refused == 1
        assert trio.current_time() < 1


async def test_no_moment_of_a_socket_s_beginning_outlives_its_sign_in() -> None:
    """Signed out after any number of steps, it is refused, or closed; never left open."""
    outcomes = set()
    async with gateway_rig() as rig:
        rig.network.servers["a:1"] = accepting(echo)
        for steps in range(60):
            one = visitor("one")
            with trio.fail_after(PATIENCE):
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(one.run, rig)
                    for _ in range(steps):
                        await trio.lowlevel.checkpoint()
                    if not rig.gateway.visits.sign_ins:
                        # It has not begun to be served: what finds its actor looks up the sign-in again.
                        nursery.cancel_scope.cancel()
                        continue
                    rig.gateway.visits.sign_out("one")
                    if one.is_open.is_set():
                        outcomes.add(await one.peer.said())
                    await one.is_over.wait()
            if one.sent:
                outcomes.add(one.status)
        assert outcomes == {401, 1008}
        await wait_all_tasks_blocked()
        assert rig.network.open == 0
        assert rig.gateway.statistics().sockets.open == 0


async def test_a_client_that_sends_without_end_is_cut() -> None:
    """What it sends in the middle of a frame passes for five seconds at most."""

    async def deaf(peer: Peer) -> None:
        while await peer.stream.receive_some(65_536):
            pass

    async with gateway_rig() as rig, trio.open_nursery() as nursery:
        rig.network.servers["a:1"] = accepting(deaf)
        one = await opened(nursery, rig, visitor("one"))
        await one.peer.raw(b"\x82\xff" + (10**6).to_bytes(8, "big") + bytes(4))
        await wait_all_tasks_blocked()
        rig.gateway.visits.sign_out("one")
        await one.is_over.wait()
        assert trio.current_time() == pytest.approx(5)
        assert await one.peer.said() == 1008
    assert rig.network.open == 0


async def test_signing_out_on_one_worker_ends_the_sockets_of_another() -> None:
    """At once, or at its next check if it could not be notified; so does a sign-in that has expired."""
    wire, store = Wire(), FakeSignInStore()
    here, there = (
        SignIns(store=store, survey=wire.worker(name, place), wall=trio.current_time)
        for place, name in enumerate(("w0", "w1"))
    )
    async with gateway_rig() as rig, trio.open_nursery() as nursery:
        rig.network.servers["a:1"] = accepting(echo)
        there.on_end = rig.gateway.visits.sign_out
        await nursery.start(there.watch, lambda: rig.gateway.visits.sign_ins)
        name = str(here.name_of(await here.begin("token"), "token"))
        one = await opened(nursery, rig, visitor(name))
        await here.end(name)
        assert await one.peer.said() == 1008
        name = str(here.name_of(await here.begin("token"), "token"))
        assert await there.is_valid(name)
        two = await opened(nursery, rig, visitor(name))
        await store.delete_sign_in(name)
        began = trio.current_time()
        assert await two.peer.said() == 1008
        assert trio.current_time() - began <= CHECK_INTERVAL + 1
        nursery.cancel_scope.cancel()


async def closed_with(socket: Any) -> tuple[int, str]:
    """Return the code and reason that a socket is closed with."""
    with pytest.raises(ConnectionClosed) as caught:
        await socket.recv()
    assert caught.value.rcvd is not None
    return caught.value.rcvd.code, caught.value.rcvd.reason


@pytest.mark.real_time
async def test_the_whole_service_ends_sockets_with_what_opened_them(tmp_path: Path) -> None:
    """The page's Sign out, and a changed token in the settings; neither can open another one."""
    async with (
        back_end(echo_with_head) as back,
        whole(tmp_path, settings=settings(back, token=TOKEN)) as service,
        httpx2.AsyncClient(base_url=service.url, timeout=PATIENCE) as client,
    ):
        answer = await client.post("/sign-in", data={"token": TOKEN, "next": "/"})
        cookie = {**STRANGER, "Cookie": answer.headers["Set-Cookie"].partition(";")[0]}
        url = address(service, "/api/audio/stream")
        async with (
            connect(url, additional_headers=BEARER) as program,
            connect(url, additional_headers=cookie) as page,
        ):
            await page.recv()
            await program.recv()
            assert (await client.post("/sign-out")).status_code == 303
            assert await closed_with(page) == (1008, "You signed out. Sign in again to go on.")
            assert await refused(service, "/api/audio/stream", cookie) == (401, "token_required")
            await program.send("still here")
            assert await program.recv() == "still here"
            changed = settings(back, token="another" * 4)
            (tmp_path / "orchestration.yaml").write_text(changed, encoding="utf-8")
            service.parts.settings.reload()
            assert (await closed_with(program))[0] == 1008
            assert await refused(service, "/api/audio/stream", BEARER) == (401, "token_required")
