"""What may be registered, by whom, and what is left when the store cannot be read: values only."""

import pytest
from msgspec import structs

from orch.gateway.discovery.registration import (
    Registered,
    accepted_url,
    decode,
    instances_of,
    require_owner,
)
from orch.gateway.discovery.registrations import Registrations
from orch.problems import ProblemError
from orch.settings import decode as decode_settings

HERE = "192.0.2.7"


def registered(instance: str = "one", url: str = f"http://{HERE}:5001", **changes: object) -> Registered:
    made = Registered(
        service="audio-service",
        instance=instance,
        url=url,
        weight=1,
        seconds=30,
        registrant=HERE,
        since=0,
        expires=30,
    )
    return structs.replace(made, **changes)


def accepted(url: str, registrant: str = HERE, *networks: str) -> str:
    return accepted_url(url, registrant, networks=networks, own_ports={3000, 3101})


@pytest.mark.parametrize(
    ("url", "registrant", "networks"),
    [
        (f"http://{HERE}:5001", HERE, ()),
        (f"https://{HERE}:5001", HERE, ()),
        (f"http://{HERE}:5001", f"::ffff:{HERE}", ()),
        ("http://10.1.2.3:5001", HERE, ("10.1.0.0/16",)),
        ("http://[2001:db8::1]:5001", "2001:db8::1", ()),
        ("http://127.0.0.1:5001", "127.0.0.1", ()),
        ("http://127.0.0.1:5001", "::1", ()),
        ("http://[::1]:5001", "127.0.0.1", ()),
    ],
)
def test_an_instance_registers_itself_or_one_of_a_listed_network(
    url: str, registrant: str, networks: tuple[str, ...]
) -> None:
    assert accepted(url, registrant, *networks) == url


@pytest.mark.parametrize(
    ("url", "registrant", "networks", "code"),
    [
        ("http://192.0.2.8:5001", HERE, (), "address_refused"),
        ("http://192.0.2.8:5001", HERE, ("10.0.0.0/8",), "address_refused"),
        ("http://127.0.0.1:6379", HERE, (), "address_refused"),
        ("http://127.0.0.1:5001", "", (), "address_refused"),
        ("http://127.0.0.1:3000", "127.0.0.1", ("127.0.0.0/8",), "address_refused"),
        ("http://[::1]:3101", "::1", (), "address_refused"),
        ("http://169.254.169.254", "169.254.169.254", ("0.0.0.0/0",), "address_refused"),
        ("http://[::ffff:169.254.169.254]", HERE, ("0.0.0.0/0", "::/0"), "address_refused"),
        ("http://[fe80::1%25eth0]:1", HERE, ("::/0",), "address_refused"),
        ("http://[64:ff9b::a9fe:a9fe]:1", HERE, ("::/0",), "address_refused"),
        ("http://0.0.0.0:5001", HERE, ("0.0.0.0/0",), "address_refused"),
        ("http://224.0.0.1:5001", HERE, ("0.0.0.0/0",), "address_refused"),
        ("http://240.0.0.1:5001", HERE, ("0.0.0.0/0",), "address_refused"),
        ("http://localhost:5001", "127.0.0.1", (), "invalid_request"),
        ("http://audio.example:5001", HERE, ("0.0.0.0/0",), "invalid_request"),
        ("http://2130706433:80", "127.0.0.1", (), "invalid_request"),
        ("http://0x7f.1:80", "127.0.0.1", (), "invalid_request"),
        (f"http://{HERE}:5001/admin", HERE, (), "invalid_request"),
        (f"http://u:p@{HERE}:5001", HERE, (), "invalid_request"),
        (f"http://{HERE}:5001?x", HERE, (), "invalid_request"),
        ("unix:/run/docker.sock", HERE, (), "invalid_request"),
        ("ftp://192.0.2.7", HERE, (), "invalid_request"),
        ("", HERE, (), "invalid_request"),
    ],
)
def test_nothing_else_can_be_registered(
    url: str, registrant: str, networks: tuple[str, ...], code: str
) -> None:
    """Neither another machine, nor what only this one reaches, nor a name that may lead there later."""
    with pytest.raises(ProblemError) as caught:
        accepted(url, registrant, *networks)
    assert caught.value.code == code


def test_a_name_belongs_to_the_address_that_registered_it() -> None:
    require_owner(None, HERE, is_operator=False)
    require_owner(registered(), HERE, is_operator=False)
    require_owner(registered(), "192.0.2.8", is_operator=True)
    with pytest.raises(ProblemError, match="Another address"):
        require_owner(registered(), "192.0.2.8", is_operator=False)


@pytest.mark.parametrize(
    "body", [b"", b"{}", b"[]", b"null", b"\xff", b'{"service": "audio-service", "instance": "../x"}']
)
def test_what_the_store_has_is_checked(body: bytes) -> None:
    assert decode(body) is None


def test_one_url_registered_twice_is_one_instance() -> None:
    found = instances_of([registered("b", weight=5), registered("a"), registered("c", "http://192.0.2.7:2")])
    assert [(each.url, each.weight) for each in found["audio-service"]] == [
        (f"http://{HERE}:5001", 1),
        ("http://192.0.2.7:2", 1),
    ]


def test_leases_that_ended_while_the_store_was_away_have_time_to_be_renewed() -> None:
    """The length of a lease after the first good reading; what left by itself is gone at once."""
    one, two = registered("one"), registered("two", "http://192.0.2.7:2")
    state = Registrations()
    assert state.read(0, [one, two])
    state.failed("the store is away")
    assert [each.url for each in state.instances("audio-service", 9)] == [one.url, two.url]
    assert state.statistics("audio-service", 500, most=9, every=1, wall=0).age == 500
    assert not state.read(500, [])
    state.forget("audio-service", "two")
    state.read(529, [])
    assert [each.url for each in state.instances("audio-service", 9)] == [one.url]
    assert state.read(530, [])
    assert state.instances("audio-service", 9) == ()


def test_without_an_outage_an_ended_lease_is_the_end() -> None:
    state = Registrations()
    state.read(0, [registered()])
    assert state.read(1, [])
    assert state.instances("audio-service", 9) == ()


def test_instances_over_the_limit_are_left_out() -> None:
    state = Registrations()
    state.read(0, [registered(f"{number}", f"http://192.0.2.7:{number}") for number in range(1, 6)])
    assert len(state.instances("audio-service", 3)) == 3
    found = state.statistics("audio-service", 0, most=3, every=1, wall=0)
    assert found.left_out == 2
    assert [each.url for each in found.leases] == list(found.instances), "leases of what is used"


def test_a_lease_is_shown_with_its_time_left_and_never_less_than_none() -> None:
    one = registered("one")
    state = Registrations()
    state.read(0, [one])
    lefts = [
        state.statistics("audio-service", 0, most=9, every=1, wall=one.expires + late).leases[0].seconds_left
        for late in (-12.0, 0.5)
    ]
    assert lefts == [12.0, 0.0]
    assert state.statistics("other", 0, most=9, every=1, wall=0).leases == ()


@pytest.mark.parametrize(
    ("text", "path"),
    [
        (
            "services: {a: {url: 'http://a', discovery: {networks: ['10.0.0.1/8']}}}",
            "services.a.discovery.networks[0]",
        ),
        (
            "services: {a: {url: 'http://a', api_key: k, discovery: {registry: add}}}",
            "services.a.discovery.registry",
        ),
        ("orchestration: {gateway: {registry_token: short}}", "orchestration.gateway.registry_token"),
        (
            "orchestration: {control_token: 0123456789abcdef, gateway: {registry_token: 0123456789abcdef}}",
            "orchestration.gateway.registry_token",
        ),
    ],
)
def test_settings_that_would_give_away_too_much_are_faults(text: str, path: str) -> None:
    assert path in [fault.path for fault in decode_settings(text, {}).faults]
