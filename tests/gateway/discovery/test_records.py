"""Instances from records of DNS, and the settings with them."""

import pytest

from orch.gateway.discovery.merging import merged
from orch.gateway.discovery.records import SrvRecord, of_addresses, of_services
from orch.settings import Instance, Service, Settings, decode


def found(*instances: Instance) -> list[tuple[str, int]]:
    return sorted((each.url, each.weight) for each in instances)


def test_each_address_is_an_instance_like_the_url() -> None:
    """With its port, path, credentials and weight; what leads to no machine is left out."""
    service = Service(url="http://u:p@audio.example:5001/base", weight=3)
    addresses = ["10.0.0.2", "10.0.0.1", "10.0.0.1", "2001:db8::1", "0.0.0.0", "224.0.0.1"]
    assert found(*of_addresses(service, addresses)) == [
        ("http://u:p@10.0.0.1:5001/base", 3),
        ("http://u:p@10.0.0.2:5001/base", 3),
        ("http://u:p@[2001:db8::1]:5001/base", 3),
    ]


def test_srv_records_have_ports_and_weights() -> None:
    """Only those of the most preferred priority; weight 0 is the least; one place listed twice is one."""
    service = Service(url="https://audio.example/v1", dialect="openai")
    records = [
        SrvRecord(10, 0, 8443, "a.example"),
        SrvRecord(10, 5, 443, "b.example"),
        SrvRecord(10, 2, 443, "B.example"),
        SrvRecord(20, 9, 443, "spare.example"),
        SrvRecord(0, 9, 443, ""),
        SrvRecord(0, 9, 0, "zero.example"),
    ]
    assert found(*of_services(service, records)) == [
        ("https://a.example:8443", 1),
        ("https://b.example", 7),
    ]
    assert of_services(service, records[4:]) == ()


def test_what_was_found_takes_the_place_of_the_url() -> None:
    """Further instances of the settings stay, with the weight that they have there."""
    settings = Settings(
        services={
            "a": Service(url="http://name:1", instances=(Instance(url="http://fixed:1", weight=9),)),
            "b": Service(url="http://other:1"),
        }
    )
    one, fixed = Instance(url="http://10.0.0.1:1", weight=2), Instance(url="http://fixed:1")
    result = merged(settings, {"a": (one, fixed), "gone": (one,)})
    assert [(each.url, each.weight) for each in result.services["a"].all_instances()] == [
        ("http://10.0.0.1:1", 2),
        ("http://fixed:1", 9),
    ]
    assert result.services["b"] is settings.services["b"]
    assert merged(settings, {"a": (), "gone": (one,)}) is settings
    assert [each.url for each in merged(settings, {"a": (fixed,)}).services["a"].all_instances()] == [
        "http://fixed:1"
    ]


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ("url: 'http://audio:1', discovery: {dns: srv}", "name"),
        ("url: 'http://10.0.0.1:1', discovery: {dns: addresses}", "name"),
        ("url: 'http://[::1]:1', discovery: {dns: addresses}", "name"),
        ("url: 'unix:/run/a', discovery: {dns: addresses}", "name"),
        ("url: 'https://audio', discovery: {dns: addresses}", "dns"),
        ("url: 'http://audio:1', discovery: {dns: addresses, name: 'a b'}", "name"),
        ("url: 'http://audio:1', discovery: {dns: srv, name: 'a..b'}", "name"),
        ("url: 'http://audio:1', discovery: {dns: mdns}", "dns"),
        ("url: 'http://audio:1', discovery: {max_instances: 0}", "max_instances"),
    ],
)
def test_what_cannot_be_looked_up_is_a_fault(given: str, path: str) -> None:
    faults = decode(f"services: {{a: {{{given}}}}}", {}).faults
    assert [fault.path for fault in faults] == [f"services.a.discovery.{path}"]


@pytest.mark.parametrize(
    "given",
    [
        "url: 'https://audio', discovery: {dns: srv, name: _http._tcp.audio.example.}",
        "url: 'http://audio:1', discovery: {dns: addresses}",
        "url: 'http://10.0.0.1:1', discovery: {dns: addresses, name: audio}",
        "url: 'http://10.0.0.1:1', discovery: {name: 'ignored while off!'}",
    ],
)
def test_what_can_be_looked_up_is_none(given: str) -> None:
    assert decode(f"services: {{a: {{{given}}}}}", {}).faults == ()
