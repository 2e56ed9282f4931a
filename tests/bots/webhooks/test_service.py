"""Webhooks as they run: registered endpoints, events of bots, receivers that verify what they get."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import trio

from orch.bots.webhooks import payloads
from orch.bots.webhooks.exchange import Exchanges
from orch.bots.webhooks.fan_out import Numbers, deliveries_for
from orch.bots.webhooks.payloads import Bot, Event, PayloadError, Trigger
from orch.bots.webhooks.service import OFFERED_LIMIT, WebhookService, rules_of
from orch.bots.webhooks.signature import read_secret, verify
from orch.bots.webhooks.subscriptions import REFRESH_SECONDS
from orch.bots.webhooks.targets import TargetRules
from orch.problems import ProblemError
from orch.settings.bots import BotWebhooks
from orch.stores.bot_records import Life
from orch.stores.bot_scripts.lives import Change
from orch.stores.bot_store import BotStore
from orch.tls.trust import TrustStore
from tests.bots.webhooks.test_payloads import AT, EXAMPLES
from tests.fakes.bot_sessions import NOW, SqliteBotEngine, life, session
from tests.fakes.webhooks import Net, Received, responding
from tests.stores.bots.test_bot_file import Given
from tests.stores.bots.test_subscriptions import subscription

URL = "https://hooks.example/hook"
STATE = payloads.StateChange(old_state="requested", new_state="starting")


def event(**changes: Any) -> Event:
    fields: dict[str, Any] = {
        "idempotency_key": "msg_1",
        "about": Bot(bot_id="b1"),
        "trigger": Trigger.STATE_CHANGE,
        "at": AT,
        "sequence": 7,
        "data": STATE,
    }
    return Event(**(fields | changes))


def test_an_event_goes_to_the_endpoints_that_want_its_trigger() -> None:
    """One body and id for all; to none that is disabled; what nobody wants is not even encoded."""
    first, second, third = subscription(1), subscription(2), subscription(3)
    found = deliveries_for([first, second, third], event(), without={"e2"})
    assert [(each.endpoint_id, each.delivery_id, each.message_id) for each in found] == [
        ("e1", "msg_1_e1", "msg_1"),
        ("e3", "msg_1_e3", "msg_1"),
    ]
    assert {(each.bot_id, each.calendar_id, each.sequence, each.due_at) for each in found} == {
        ("b1", None, 7, AT)
    }
    assert json.loads(found[0].body)["trigger"] == "bot.state_change"
    wrong = event(trigger=Trigger.CHAT_MESSAGES)
    assert deliveries_for([first], wrong) == ()
    with pytest.raises(PayloadError):
        deliveries_for([first], event(data=EXAMPLES[Trigger.TRANSCRIPT]))


def test_a_calendar_s_event_has_no_bot() -> None:
    """The store refuses a delivery that is about both, or about neither."""
    wanted = [subscription(1).__class__(**{**_fields(), "triggers": ("calendar.state_change",)})]
    data = EXAMPLES[Trigger.CALENDAR_STATE]
    (found,) = deliveries_for(
        wanted, event(about=payloads.Calendar(calendar_id="c"), trigger=Trigger.CALENDAR_STATE, data=data)
    )
    assert (found.bot_id, found.calendar_id) == (None, "c")


def _fields() -> dict[str, Any]:
    one = subscription(1)
    return {name: getattr(one, name) for name in one.__struct_fields__}


def test_numbers_grow_whatever_the_clock_does_and_are_forgotten() -> None:
    """Also within a millisecond, and when it is set back; another worker counts on from the time."""
    numbers = Numbers()
    found = [numbers.next("a", now) for now in (10.0, 10.0, 9.0, 10.0, 11.0)]
    assert found == [10_000, 10_001, 10_002, 10_003, 11_000]
    assert numbers.next("b", 10.0) == 10_000
    for number in range(1_000):
        numbers.next(f"bot {number}", 20.0 + number)
    assert len(numbers._last) == 1


def test_the_settings_say_where_webhooks_may_go() -> None:
    """No ports mean the usual ones."""
    assert rules_of(BotWebhooks()) == TargetRules()
    given = rules_of(BotWebhooks(allowed_networks=("10.1.0.0/16",), http=True, ports=(8000,)))
    assert (len(given.networks), given.http, given.ports) == (1, True, frozenset({8000}))


@dataclass
class Scene:
    """A store, the service on it, and what a receiver got."""

    store: BotStore
    service: WebhookService
    got: list[Received] = field(default_factory=list)
    now: float = NOW

    async def received(self, count: int) -> list[dict[str, Any]]:
        """Wait until so many requests have arrived; return their bodies."""
        with trio.fail_after(60):
            while len(self.got) < count:  # noqa: ASYNC110 - on a virtual clock
                await trio.sleep(0.01)
        return [json.loads(each.body) for each in self.got]


class Flaky:
    """A store that is away as long as ``is_away``."""

    def __init__(self, store: BotStore) -> None:
        self._store = store
        self.is_away = False

    def __getattr__(self, name: str) -> Any:
        call: Callable[..., Awaitable[Any]] = getattr(self._store, name)

        async def guarded(*args: Any, **named: Any) -> Any:
            if self.is_away:
                raise ProblemError("store_unavailable", "It is away.")
            return await call(*args, **named)

        return guarded


@asynccontextmanager
async def scene(folder: Path, *, status: int = 200) -> AsyncIterator[tuple[Scene, Flaky]]:
    async with SqliteBotEngine(folder).running() as store, trio.open_nursery() as nursery:
        flaky = Flaky(store)
        net = Net(nursery)
        exchanges = Exchanges(
            lambda: TargetRules(http=True), TrustStore(), resolve=net.resolve, connect=net.connect
        )
        settings = Given("orchestration: {bots: {webhooks: {http: true}}}")
        service = WebhookService(
            flaky,  # type: ignore[arg-type]  # it has what the store has
            settings,
            exchanges=exchanges,
            wall=lambda: made.now,
        )
        made = Scene(store, service)
        net.add("hooks.example", "8.8.8.8", responding(status, log=made.got))
        await nursery.start(service.run)
        yield made, flaky
        nursery.cancel_scope.cancel()


async def test_a_transition_is_stored_with_its_webhooks_and_a_receiver_can_verify_them(
    tmp_path: Path,
) -> None:
    """With both secrets while one is being replaced; the secret is shown once."""
    async with scene(tmp_path) as (made, _):
        api = made.service.subscriptions
        created = await api.create("http://hooks.example/hook", ["bot.state_change"], description="mine")
        assert created.secret is not None
        rotated = await api.rotate(created.endpoint_id)
        assert (rotated.secrets, rotated.secret == created.secret) == (2, False)
        (listed,) = await api.list()
        assert (listed.secret, listed.description, listed.url) == (None, "mine", "http://hooks.example/hook")
        stored: Life = life(1, metadata={"ticket": 17})
        deliveries = made.service.compose(stored, Trigger.STATE_CHANGE, NOW, STATE)
        await made.store.request(Change(stored, webhooks=deliveries), session(1))
        made.service.notify()
        (body,) = await made.received(1)
        assert (body["bot_id"], body["bot_metadata"], body["data"]["new_state"]) == (
            "b1",
            {"ticket": 17},
            "starting",
        )
        headers = dict(made.got[0].headers)
        for secret in (created.secret, rotated.secret):
            verify(headers, made.got[0].body, [read_secret(secret or "")], NOW)
        (shown,) = await api.deliveries(created.endpoint_id)
        assert shown.body == made.got[0].body


async def test_events_of_what_is_captured_are_stored_in_batches_and_arrive_in_order(tmp_path: Path) -> None:
    """Also those that were offered while the store was away; none is stored for a bot that is gone."""
    async with scene(tmp_path) as (made, flaky):
        await made.store.request(Change(life(1)), session(1))
        await made.service.subscriptions.create("http://hooks.example/hook", ["chat_messages.update"])
        assert made.service.wants(Trigger.CHAT_MESSAGES)
        assert not made.service.wants(Trigger.TRANSCRIPT)
        flaky.is_away = True
        for number in range(5):
            data = payloads.ChatMessage(
                message_id=str(number), text="hi", sender_id=None, sender_name=None, to="everyone", at=1.0
            )
            made.service.offer("b1", {}, Trigger.CHAT_MESSAGES, NOW, data)
            made.service.offer("gone", {}, Trigger.CHAT_MESSAGES, NOW, data)
        assert made.service.statistics().waiting == 10
        await trio.sleep(5)
        flaky.is_away = False
        made.now += 60
        bodies = await made.received(5)
        assert [each["data"]["message_id"] for each in bodies] == list("01234")
        assert made.service.statistics().waiting == 0


async def test_what_is_offered_is_bounded_and_what_cannot_be_encoded_is_counted(tmp_path: Path) -> None:
    """The newest is dropped; a bot goes on."""
    async with scene(tmp_path) as (made, flaky):
        await made.service.subscriptions.create("http://hooks.example/hook", ["bot.state_change"])
        flaky.is_away = True
        for _ in range(OFFERED_LIMIT + 3):
            made.service.offer("b1", {}, Trigger.STATE_CHANGE, NOW, STATE)
        assert (made.service.statistics().waiting, made.service.statistics().dropped) == (OFFERED_LIMIT, 3)
        assert made.service.compose(life(1), Trigger.STATE_CHANGE, -1.0, STATE) == ()
        values = {reading.name.name: reading.value for reading in made.service.readings()}
        assert values["orch_webhook_events_dropped_total"] == 4


async def test_an_endpoint_that_another_worker_registers_is_known_soon(tmp_path: Path) -> None:
    """Its deliveries go to the URL that is stored at that moment."""
    async with scene(tmp_path) as (made, _):
        assert not made.service.wants(Trigger.STATE_CHANGE)
        await made.store.subscribe(subscription(1), most=9)
        await trio.sleep(2 * REFRESH_SECONDS)
        assert made.service.wants(Trigger.STATE_CHANGE)


async def test_410_disables_and_a_person_enables_again(tmp_path: Path) -> None:
    """While it is disabled, nothing is stored for it, and by hand nothing is sent; all is said."""
    async with scene(tmp_path, status=410) as (made, _):
        api = made.service.subscriptions
        created = await api.create("http://hooks.example/hook", ["bot.state_change"])
        deliveries = made.service.compose(life(1), Trigger.STATE_CHANGE, NOW, STATE)
        await made.store.request(Change(life(1), webhooks=deliveries), session(1))
        made.service.notify()
        await made.received(1)
        await trio.sleep(2 * REFRESH_SECONDS)
        assert "410" in (await api.get(created.endpoint_id)).disabled_reason
        assert made.service.compose(life(1), Trigger.STATE_CHANGE, NOW, STATE) == ()
        with pytest.raises(ProblemError) as refused:
            await made.service.redeliver(deliveries[0].delivery_id)
        assert refused.value.code == "endpoint_disabled"
        assert (await api.enable(created.endpoint_id)).disabled_at is None
        assert made.service.wants(Trigger.STATE_CHANGE)
        again = await made.service.redeliver(deliveries[0].delivery_id)
        assert again.message_id == deliveries[0].message_id
        await made.received(2)
        assert made.got[0].body == made.got[1].body
        assert len(await api.attempts(deliveries[0].delivery_id)) >= 1


@pytest.mark.parametrize(
    ("call", "code"),
    [
        (lambda api: api.create("https://127.0.0.1/x", ["bot.state_change"]), "bad_webhook_url"),
        (lambda api: api.create("ftp://hooks.example/", ["bot.state_change"]), "bad_webhook_url"),
        (lambda api: api.create(URL, []), "invalid_request"),
        (lambda api: api.create(URL, ["bot.nothing"]), "invalid_request"),
        (lambda api: api.create(URL, ["bot.state_change"], secret="short"), "invalid_request"),
        (lambda api: api.get("e9"), "unknown_endpoint"),
        (lambda api: api.change("e9", url=URL), "unknown_endpoint"),
        (lambda api: api.rotate("e9"), "unknown_endpoint"),
        (lambda api: api.remove("e9"), "unknown_endpoint"),
        (lambda api: api.remove("../e9"), "unknown_endpoint"),
        (lambda api: api.enable("e9"), "unknown_endpoint"),
        (lambda api: api.disable("e9"), "unknown_endpoint"),
        (lambda api: api.delivery("d9"), "unknown_delivery"),
    ],
)
async def test_what_is_wrong_is_a_problem_with_its_code(
    tmp_path: Path, call: Callable[[Any], Awaitable[Any]], code: str
) -> None:
    """And with what was expected."""
    async with scene(tmp_path) as (made, _):
        with pytest.raises(ProblemError) as refused:
            await call(made.service.subscriptions)
        assert refused.value.code == code


async def test_an_endpoint_is_changed_and_there_are_only_so_many(tmp_path: Path) -> None:
    """What is left out stays; the same secret cannot replace itself."""
    async with scene(tmp_path) as (made, _):
        api = made.service.subscriptions
        created = await api.create(URL, ["bot.state_change"])
        changed = await api.change(created.endpoint_id, triggers=["translation.update"] * 2)
        assert (changed.url, changed.triggers) == (URL, ("translation.update",))
        with pytest.raises(ProblemError, match="other than the current"):
            await api.rotate(created.endpoint_id, secret=created.secret)
        known = await api.rotate(created.endpoint_id, overlap=0)
        assert known.secrets == 1
        for _ in range(49):
            await api.create(URL, ["bot.state_change"])
        with pytest.raises(ProblemError) as refused:
            await api.create(URL, ["bot.state_change"])
        assert refused.value.code == "too_many_endpoints"
        await api.remove(created.endpoint_id)
        assert len(made.service.subscriptions.known) == 49
