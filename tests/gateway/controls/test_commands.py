"""What lasts of an operator's commands: the rules, and every order of them."""

from hypothesis import given
from hypothesis import strategies as st

from orch.gateway.controls.commands import PLAIN, Command, Layers, Standing, Standings, changed, size, without

SERVICE, URL = "audio-service", "http://a:1"
URLS = st.sampled_from([URL, "http://b:1"])
COMMANDS = st.builds(
    Command,
    action=st.sampled_from(["drain", "eject", "return", "trip", "reset"]),
    service=st.just(SERVICE),
    instance=URLS,
) | st.builds(
    Command,
    action=st.just("weigh"),
    service=st.just(SERVICE),
    instance=URLS,
    weight=st.none() | st.integers(1, 1000),
)


def command(action: str, weight: int | None = None) -> Command:
    return Command(action=action, service=SERVICE, instance=URL, weight=weight)  # type: ignore[arg-type]


def test_a_drain_and_a_weight_last_apart_from_each_other() -> None:
    """Either may be taken back alone; nothing is left when both are."""
    standings = changed(changed({}, command("drain")), command("weigh", 7))
    assert standings == {SERVICE: {URL: Standing(is_drained=True, weight=7)}}
    assert changed(standings, command("return")) == {SERVICE: {URL: Standing(weight=7)}}
    assert changed(changed(standings, command("weigh")), command("return")) == {}


def test_one_workers_own_wins_until_all_are_commanded() -> None:
    """A command to all takes back what contradicts it on one."""
    layers = Layers({SERVICE: {URL: Standing(weight=3)}}, {})
    layers.own = changed(changed({}, command("weigh", 9)), command("drain"))
    assert layers.of(SERVICE, URL) == Standing(is_drained=True, weight=9)
    layers.own = without(layers.own, command("return"))
    assert layers.of(SERVICE, URL) == Standing(weight=9)
    layers.own = without(layers.own, command("weigh", 3))
    assert layers.of(SERVICE, URL) == Standing(weight=3)
    assert layers.of(SERVICE, "http://other") == PLAIN


@given(st.lists(COMMANDS, max_size=12))
def test_the_last_command_of_each_kind_holds(commands: list[Command]) -> None:
    """Whatever came before; what is over in a moment leaves nothing, and nothing plain is stored."""
    standings: Standings = {}
    for each in commands:
        standings = changed(standings, each)
    for url in (URL, "http://b:1"):
        of_it = [each for each in commands if each.instance == url]
        drains = [each.action == "drain" for each in of_it if each.action in ("drain", "return")]
        weights = [each.weight for each in of_it if each.action == "weigh"]
        expected = Standing(is_drained=[False, *drains][-1], weight=[None, *weights][-1])
        assert Layers(standings, {}).of(SERVICE, url) == expected
    assert size(standings) == sum(len(found) for found in standings.values())
    assert all(each != PLAIN for found in standings.values() for each in found.values())
