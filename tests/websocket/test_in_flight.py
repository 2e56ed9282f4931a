import trio
import trio.testing

from orch.websocket.sessions.in_flight import InFlight


async def test_what_is_under_way_is_bounded_per_session() -> None:
    """A session has its share under way and no more; another is not held up; one message always fits."""
    under_way = InFlight(lambda: 100)
    settled = [await under_way.admit("a", 50), await under_way.admit("a", 50)]
    await under_way.admit("b", 5000)
    let_in: list[int] = []

    async def say(number: int) -> None:
        settled.append(await under_way.admit("a", 60))
        let_in.append(number)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(say, 1)
        nursery.start_soon(say, 2)
        await trio.testing.wait_all_tasks_blocked()
        assert let_in == []
        settled.pop(0)()
        await trio.testing.wait_all_tasks_blocked()
        assert let_in == []
        settled.pop(0)()
        await trio.testing.wait_all_tasks_blocked()
        assert len(let_in) == 1
        settled.pop(0)()
    assert len(let_in) == 2
    settled.pop(0)()
    assert repr(under_way) == "<InFlight 5000 bytes in 1 sessions>"
