"""The number of clients that fit into the limit of open files."""

import resource

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orch.access.address_limits import address_limit
from orch.capacity import CurrentCapacity, connections_per_address, fit, needs, websockets_per_address
from orch.front.admission import REFUSALS_AT_ONCE, Admission, Place
from orch.open_files import limit, raise_limit
from tests.fakes.settings import FakeSettings


def test_what_fits_is_what_was_asked_for() -> None:
    """With enough files nothing is lowered and nothing is reported."""
    capacity = fit(files=100_000, asked=10_000, own=400)
    assert (capacity.websockets, capacity.total, capacity.sentence) == (10_000, 12_500, "")


def test_what_does_not_fit_is_lowered_and_said_with_what_to_do() -> None:
    """Both figures, and how to raise the limit."""
    capacity = fit(files=1024, asked=10_000, own=384)
    assert capacity.is_lowered
    assert capacity.websockets == 512
    assert capacity.sentence.startswith("max_connections is 10,000, but only 512 connections fit into")
    assert "LimitNOFILE=" in capacity.sentence


@given(st.integers(16, 10**7), st.integers(1, 10**6), st.integers(0, 10**5), st.integers(0, 10**5))
def test_clients_never_get_what_is_kept_for_the_service(
    files: int, asked: int, own: int, proxied: int
) -> None:
    """All connections and the reserve fit into the limit together; at least one client is always accepted.

    A WebSocket to a back end has two, and even if all are open, they leave plain HTTP and others theirs.
    """
    capacity = fit(files=files, asked=asked, own=own, proxied=proxied)
    assert capacity.total + capacity.proxied + capacity.reserve <= files
    assert capacity.reserve == min(own, files // 2)
    assert 1 <= capacity.websockets <= asked
    assert 0 <= capacity.proxied <= proxied
    assert capacity.websockets + capacity.proxied < capacity.total
    assert connections_per_address(0, capacity) >= 1


def test_web_sockets_to_back_ends_that_do_not_fit_are_lowered_and_said() -> None:
    """An eighth of the files is theirs, two for each; with enough files they take from nobody."""
    capacity = fit(files=1024, asked=10_000, own=384, proxied=512)
    assert (capacity.proxied, capacity.websockets, capacity.total) == (40, 448, 600)
    assert capacity.proxied_sentence.startswith(
        "gateway.websockets.max_connections is 512, but only 40, which need two files each, fit into the "
        "limit of 1,024 open files"
    )
    assert "LimitNOFILE=" in capacity.proxied_sentence
    capacity = fit(files=100_000, asked=10_000, own=400, proxied=512)
    assert (capacity.proxied, capacity.websockets, capacity.total) == (512, 10_000, 13_012)
    assert capacity.proxied_sentence == ""


def test_the_reserve_grows_with_the_back_ends() -> None:
    """Each instance may have as many connections as its shares say, and they are not clients' to take."""
    one = {"audio-service": {"url": "http://one:1"}}
    two = {"audio-service": {"url": "http://one:1", "instances": [{"url": "http://two:1", "weight": 1}]}}
    reserves = [CurrentCapacity(FakeSettings(services=each), 100_000)().reserve for each in (one, two)]
    assert reserves[1] - reserves[0] == needs(128, 0) - needs(0, 0)


def test_one_address_has_a_share_and_this_machine_all() -> None:
    """Without a setting; with one, that is the number for everyone."""
    assert websockets_per_address(0, 1000) == 250
    assert address_limit(0, 1000, "192.0.2.7") == 250
    assert address_limit(0, 1000, "127.0.0.1") == 1000
    assert address_limit(0, 1000, "::1") == 1000
    assert address_limit(0, 1000, "local") == 1000
    assert address_limit(2, 1000, "127.0.0.1") == 2


def admission(files: int = 64, *, per_address: int = 0) -> Admission:
    """Return an admission to what fits into so many files, with half of them kept."""
    capacity = fit(files=files, asked=10_000, own=files)
    return Admission(lambda: capacity, lambda: per_address, lambda host: host == "127.0.0.1")


def test_beyond_the_capacity_a_few_get_a_response_and_the_rest_are_closed() -> None:
    """A client that disconnects makes room again."""
    door = admission()
    places = [door.enter("127.0.0.1") for _ in range(100)]
    assert places.count(Place.SERVED) == 32
    assert places.count(Place.REFUSED) == REFUSALS_AT_ONCE
    assert places.count(Place.CLOSED) == 100 - 32 - REFUSALS_AT_ONCE
    for place in places:
        door.leave("127.0.0.1", place)
    assert door.enter(None) is Place.SERVED
    assert repr(door) == "<Admission 1 served, 0 refused now>"


def test_one_address_cannot_take_all() -> None:
    """Others still get in; an address that stands for many is not counted so."""
    door = admission(4096)
    taken = [door.enter("192.0.2.7") for _ in range(3000)]
    served = taken.count(Place.SERVED)
    assert served < 2048 / 3
    assert Place.REFUSED_ADDRESS in taken
    assert door.enter("192.0.2.8") is Place.SERVED
    assert door.enter("127.0.0.1") is Place.SERVED


def test_the_soft_limit_of_open_files_is_raised_to_the_hard_one() -> None:
    """Whatever a shell has set it to."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 256), hard))
    try:
        assert raise_limit() == limit()
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (hard, hard)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize("files", [1, 2, 16])
def test_hardly_any_files_are_no_crash(files: int) -> None:
    """Somebody is served, with half of what there is kept."""
    assert fit(files=files, asked=10, own=400).websockets >= 1
