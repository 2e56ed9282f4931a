"""Several processes with the same listening sockets: which accepts a connection, and when."""

import socket
from contextlib import ExitStack, closing

import pytest
import trio

from orch.front.listeners import OTHER_WORKER_WAIT, OtherWorkerListener, listeners
from orch.sockets import AddressError, addresses, listen, open_groups, reserve_port
from tests.fakes.patience import PATIENCE

pytestmark = pytest.mark.real_time


def port_of(sock: socket.socket) -> int:
    return int(sock.getsockname()[1])


async def test_another_worker_s_connection_is_accepted_only_after_it_has_waited() -> None:
    """Its own worker has time to accept it; then any other does, and those behind it at once."""
    ((bound,),) = open_groups("127.0.0.1", 0, 1)
    with closing(bound):
        async with OtherWorkerListener(bound.dup()) as listener:
            came = trio.current_time()
            streams = [await trio.open_tcp_stream("127.0.0.1", port_of(bound)) for _ in range(3)]
            accepted = [await listener.accept()]
            assert trio.current_time() - came >= OTHER_WORKER_WAIT
            with trio.fail_after(PATIENCE):
                accepted += [await listener.accept() for _ in range(2)]
            for stream in streams:
                await stream.send_all(b"x")
            assert [await stream.receive_some() for stream in accepted] == [b"x"] * 3
            for stream in (*streams, *accepted):
                await stream.aclose()


async def test_a_connection_that_its_own_worker_accepts_is_left_to_it() -> None:
    """A listener that was woken finds nothing, and waits for the next."""
    ((bound,),) = open_groups("127.0.0.1", 0, 1)
    with closing(bound):
        own, other = listeners([bound], [bound])
        async with own, other, trio.open_nursery() as nursery:
            taken = trio.Event()

            async def wait() -> None:
                async with await other.accept():
                    taken.set()

            nursery.start_soon(wait)
            accepted = trio.Event()

            async def accept() -> None:
                async with await own.accept():
                    accepted.set()
                    await trio.sleep(2 * OTHER_WORKER_WAIT)

            for _ in range(3):
                accepted = trio.Event()
                async with trio.open_nursery() as accepting:
                    accepting.start_soon(accept)
                    await trio.testing.wait_all_tasks_blocked()
                    async with await trio.open_tcp_stream("127.0.0.1", port_of(bound)):
                        await accepted.wait()
            assert not taken.is_set()
            async with await trio.open_tcp_stream("127.0.0.1", port_of(bound)):
                await taken.wait()


async def test_closing_a_listener_ends_its_wait_and_leaves_the_socket_open() -> None:
    """A worker that stops does not close what others hold."""
    ((bound,),) = open_groups("127.0.0.1", 0, 1)
    with closing(bound):
        (listener,) = listeners([], [bound])
        async with trio.open_nursery() as nursery:

            async def wait() -> None:
                with pytest.raises(trio.ClosedResourceError):
                    await listener.accept()

            nursery.start_soon(wait)
            await trio.testing.wait_all_tasks_blocked()
            await listener.aclose()
        with pytest.raises(trio.ClosedResourceError):
            await listener.accept()
        await listener.aclose()
        async with await trio.open_tcp_stream("127.0.0.1", port_of(bound)):
            pass


def test_all_groups_listen_at_the_same_port() -> None:
    """Also where it was chosen, and at every address of the name."""
    groups = open_groups("localhost", 0, 3)
    with ExitStack() as stack:
        sockets = [stack.enter_context(closing(each)) for group in groups for each in group]
        assert len({port_of(each) for each in sockets}) == 1
        assert len({addresses(group) for group in groups}) == 1
        assert addresses(groups[0])[0].startswith(("http://127.0.0.1:", "http://[::1]:"))


def test_a_port_that_another_program_listens_on_is_refused_with_what_to_do() -> None:
    """Even where that one would share it: two services at one port are a mistake."""
    ((bound,),) = open_groups("127.0.0.1", 0, 1)
    with closing(bound), pytest.raises(AddressError, match=r"in use by another program.*PORT="):
        open_groups("127.0.0.1", port_of(bound), 2)


def test_a_host_that_is_not_this_machines_is_refused() -> None:
    """Before anything is started."""
    with pytest.raises(AddressError, match=r"Cannot listen on 192\.0\.2\.1"):
        open_groups("192.0.2.1", 0, 2)


@pytest.mark.parametrize("host", ["a..b", "ä" * 100, "a." * 200])
def test_an_impossible_host_name_is_refused_in_words(host: str) -> None:
    """The encoding of names raises what is no error of an address."""
    with pytest.raises(AddressError, match="is not an address of this machine"):
        open_groups(host, 0, 1)


def test_a_reserved_port_is_for_one_child_at_a_time_and_for_no_stranger() -> None:
    """Also before the child listens and after it has ended; meanwhile connections are refused."""

    def child(port: int, *, is_shared: bool) -> socket.socket:
        return listen(socket.AF_INET, socket.SOCK_STREAM, 0, ("127.0.0.1", port), is_shared=is_shared)

    with closing(reserve_port(0)) as reserved:
        port = port_of(reserved)
        with closing(reserve_port(port)) as other:
            assert port_of(other) != port
        for _ in range(2):
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", port))
            with pytest.raises(OSError, match="in use"):
                child(port, is_shared=False)
            with closing(child(port, is_shared=True)), closing(reserve_port(port)) as other:
                assert port_of(other) != port
                socket.create_connection(("127.0.0.1", port)).close()
