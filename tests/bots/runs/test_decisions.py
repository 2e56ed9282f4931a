"""What is decided about one bot: places, failures, adoption, consent, sound, rules."""

from collections.abc import Iterator
from itertools import product
from typing import get_args

import pytest

from orch.bots.adapters.catalog import ADAPTERS
from orch.bots.announcements import ANNOUNCEMENTS
from orch.bots.caption_blocks import Block
from orch.bots.chromium.errors import (
    BrowserEndedError,
    BrowserMissingError,
    BrowserNotStartedError,
    ConnectionLostError,
    NavigationError,
    PageCrashedError,
    PageHungError,
)
from orch.bots.ends import ENDS, EndReason
from orch.bots.leave_rules import BOT_NAMES, LeaveRules, is_bot
from orch.bots.lifecycle import MAX_RECOVERIES, IllegalTransitionError, Life, Limits, advance, new
from orch.bots.observations import CaptionsSeen, MarksSeen, PeopleSeen, Person, Place, Sound
from orch.bots.requests import Consent, Languages, Rules
from orch.bots.runs import watch as watching
from orch.bots.runs.adoption import adoption
from orch.bots.runs.consent import RETRIES, Progress, Step, announced_in, announcement, is_opt_out, next_step
from orch.bots.runs.failures import failure_of
from orch.bots.runs.places import events_at, is_loss
from orch.bots.runs.rules import leave_rules_of, limits_of
from orch.bots.runs.stored_lives import fitting, life_of, loss, merged, new_life, transition
from orch.bots.runs.watch import SEEN_SPEAKING, Watch
from orch.bots.states import FINAL, STAGES, WITHOUT_BROWSER, Event, State
from orch.settings.bots import Adapter, BotLeaving, BotLimits
from tests.fakes.bot_sessions import life as stored_life

NOW = 1_700_000_000.0
LIMITS = Limits()


def lives() -> Iterator[Life]:
    """Yield a life in each state, as the lifecycle makes them."""
    for state in State:
        placed = None if state in (State.SCHEDULED, State.REQUESTED) else NOW
        admitted = NOW if STAGES.get(state, "meeting") in ("meeting", "recovery") else None
        ends = state in FINAL or state is State.LEAVING
        yield Life(
            state=state,
            since=NOW,
            placed=placed,
            admitted=admitted,
            lost_to=EndReason.BROWSER_CRASHED if state is State.RECOVERING else None,
            reason=EndReason.REMOVED if ends else None,
            stage=STAGES[State.CAPTURING] if ends else None,
        )


@pytest.mark.parametrize("life", list(lives()), ids=lambda life: life.state)
@pytest.mark.parametrize("place", Place)
def test_where_the_page_is_leads_there_by_legal_events(life: Life, place: Place) -> None:
    """Each event can be had; afterwards the same place leads nowhere else."""
    after = life
    for event in events_at(life.state, place):
        after = advance(after, event, NOW + 1)
    assert events_at(after.state, place) == ()
    if life.state in FINAL | {State.LEAVING, State.STARTING} | WITHOUT_BROWSER:
        assert after is life
    elif place is Place.CALL:
        assert STAGES[after.state] == "meeting"
    if is_loss(life.state):
        assert advance(life, Event.CONNECTION_LOST, NOW, EndReason.NETWORK_LOST).state is State.RECOVERING


@pytest.mark.parametrize("life", list(lives()), ids=lambda life: life.state)
@pytest.mark.parametrize("reason", EndReason)
def test_every_reason_that_is_fitted_can_end_a_bot(life: Life, reason: EndReason) -> None:
    """So that no end is refused for its reason, whatever the page shows."""
    if life.state in FINAL:
        with pytest.raises(IllegalTransitionError):
            advance(life, Event.END, NOW, fitting(life, reason))
        return
    ended = advance(life, Event.END, NOW, fitting(life, reason))
    assert ended.state in FINAL
    assert ended.reason is not None
    if life.state is not State.LEAVING:
        assert ended.stage in ENDS[ended.reason].stages


@pytest.mark.parametrize("life", list(lives()), ids=lambda life: life.state)
@pytest.mark.parametrize(("is_long", "requested", "opted_out"), list(product((False, True), repeat=3)))
def test_a_bot_without_owner_goes_on_or_ends(
    life: Life, *, is_long: bool, requested: bool, opted_out: bool
) -> None:
    """The first event can be had; who goes on is not final; who left, was asked to, or opted out does not."""
    away = LIMITS.recovery + 1 if is_long else 1.0
    found = adoption(life, LIMITS, NOW + 1, away=away, leave_requested=requested, opted_out=opted_out)
    after = life
    if life.state is State.SCHEDULED:
        assert (found.event, found.runs) == (None, False)
        return
    if found.event is not None:
        after = advance(life, found.event, NOW + 1, found.reason)
    assert found.runs is (
        after.state not in FINAL and (found.event is None or after.state is State.RECOVERING)
    )
    if life.state is State.LEAVING:
        assert after.reason is EndReason.REMOVED
    elif requested and life.state not in FINAL:
        assert after.reason in (EndReason.LEFT_ON_REQUEST, EndReason.CANCELLED)
    elif opted_out and life.admitted is not None and life.state not in FINAL:
        assert after.state is State.ENDED
        assert after.reason is EndReason.RECORDING_REFUSED


def test_a_bot_that_has_recovered_too_often_or_for_too_long_is_not_run_again() -> None:
    """Each for its own reason."""
    often = Life(state=State.CAPTURING, since=NOW, placed=NOW, admitted=NOW, recoveries=MAX_RECOVERIES)
    found = adoption(often, LIMITS, NOW, away=0, leave_requested=False, opted_out=False)
    assert (found.event, found.reason) == (Event.END, EndReason.OWNER_LOST)
    long = Life(state=State.RECOVERING, since=NOW, placed=NOW, lost_to=EndReason.NETWORK_LOST)
    found = adoption(long, LIMITS, NOW + LIMITS.recovery, away=0, leave_requested=False, opted_out=False)
    assert (found.event, found.reason) == (Event.END, EndReason.NETWORK_LOST)


@pytest.mark.parametrize(
    ("error", "has_joined", "reason", "is_loss"),
    [
        (BrowserMissingError("x"), False, EndReason.BROWSER_MISSING, False),
        (BrowserMissingError("x"), True, EndReason.BROWSER_MISSING, False),
        (BrowserNotStartedError("x"), False, EndReason.BROWSER_MISSING, False),
        (BrowserNotStartedError("x"), True, EndReason.BROWSER_CRASHED, True),
        (BrowserEndedError("x"), False, EndReason.BROWSER_CRASHED, True),
        (PageCrashedError("x"), True, EndReason.BROWSER_CRASHED, True),
        (PageHungError("x"), True, EndReason.BROWSER_STALLED, True),
        (ConnectionLostError("x"), True, EndReason.BROWSER_CRASHED, True),
        (NavigationError("x", "r"), False, EndReason.UNREACHABLE, False),
        (NavigationError("x", "r"), True, EndReason.NETWORK_LOST, True),
        (ValueError("secret"), True, EndReason.INTERNAL_ERROR, False),
        (
            ExceptionGroup("", [ExceptionGroup("", [ConnectionLostError("x")]), BrowserEndedError("")]),
            True,
            EndReason.BROWSER_CRASHED,
            True,
        ),
        (ExceptionGroup("", [ExceptionGroup("", [KeyError("k")])]), True, EndReason.INTERNAL_ERROR, False),
        (
            ExceptionGroup("", [ConnectionLostError("x"), KeyError("secret")]),
            True,
            EndReason.INTERNAL_ERROR,
            False,
        ),
    ],
)
def test_an_error_means_one_reason(
    error: Exception, *, has_joined: bool, reason: EndReason, is_loss: bool
) -> None:
    """A fault of ours beside those of the browser is ours, and its text goes into the log alone."""
    found = failure_of(error, has_joined=has_joined)
    assert (found.reason, found.is_loss) == (reason, is_loss)
    assert "secret" not in found.detail


def progresses() -> Iterator[Progress]:
    for announced, failures, asked, answer, opted in product(
        (False, True), (0, len(RETRIES), len(RETRIES) + 1), (False, True), (None, True, False), (False, True)
    ):
        yield Progress(
            is_announced=announced, failures=failures, is_asked=asked, answer=answer, has_opt_out=opted
        )


@pytest.mark.parametrize("require", ["none", "host"])
@pytest.mark.parametrize("announce", [False, True])
def test_nothing_is_captured_before_what_must_happen(require: str, *, announce: bool) -> None:
    """In every combination: announced where it is to be, allowed where the host decides, never refused."""
    consent = Consent(require="host" if require == "host" else "none", announce=announce)
    for progress in progresses():
        step = next_step(consent, progress)
        if step is Step.CAPTURE:
            assert progress.is_announced or not announce
            assert progress.answer is True or require == "none"
        if progress.has_opt_out or progress.answer is False:
            assert step is Step.STOP
        if step is Step.GIVE_UP:
            assert progress.failures > len(RETRIES)


def test_the_announcement_is_in_the_meetings_language_with_its_word() -> None:
    """That which is spoken first, then that of the captions, then the page's; English for all others."""
    assert announced_in(Languages(spoken="de-AT", captions="fr", interface="es")).language == "de"
    assert announced_in(Languages(captions="fr", interface="es")).language == "fr"
    assert announced_in(Languages(interface="zh-CN")).language == "zh"
    assert announced_in(Languages(spoken="eo", interface="eo")).language == "en"
    assert {"en", "de", "es", "fr", "pt", "zh", "ja", "ar"} <= ANNOUNCEMENTS.keys()
    texts = set()
    for row in ANNOUNCEMENTS.values():
        for is_recorded in (False, True):
            text, _ = announcement(Languages(spoken=row.language), is_recorded=is_recorded)
            assert row.word in text
            assert len(text) <= 500
            texts.add(text)
        assert is_opt_out(row.word, row)
        assert is_opt_out(f" «{row.word.upper()}»! ", row)
        assert is_opt_out("opt-out", row)
        assert not is_opt_out(row.captioned, row)
        assert not is_opt_out("", row)
    assert len(texts) == 2 * len(ANNOUNCEMENTS)


def people(*names: str) -> PeopleSeen:
    return PeopleSeen(at=0, people=tuple(Person(id=each, name=each) for each in names))


def test_a_lack_of_sound_counts_only_while_participants_are_seen_speaking() -> None:
    """One mark is no speech; sound that is not silence ends the doubt; another browser begins again."""
    rules = LeaveRules()
    watch = watching.admitted(Watch(), NOW)
    spoken = MarksSeen(at=0, speaking=("ana",))
    for number in range(SEEN_SPEAKING):
        assert watching.deafness(watch, 60) is None
        watch = watching.observed(watch, spoken, rules, NOW + number)
    found = watching.deafness(watch, 60)
    assert found is not None
    assert (found.at, found.reason) == (NOW + 60, EndReason.NO_AUDIO)
    silent = Sound(at=0, track="1", first=0, pcm=b"\0\0")
    assert watching.deafness(watching.observed(watch, silent, rules, NOW), 60) is not None
    rounded = Sound(at=0, track="1", first=0, pcm=b"\1\0\xff\xff")
    assert watching.deafness(watching.observed(watch, rounded, rules, NOW), 60) is not None
    loud = watching.observed(watch, Sound(at=0, track="1", first=0, pcm=b"\0\1"), rules, NOW)
    assert watching.deafness(loud, 60) is None
    assert watching.observed(loud, spoken, rules, NOW).spoken == 0
    assert not watching.rejoined(loud).has_sound
    nobody = watching.observed(watching.admitted(Watch(), NOW), MarksSeen(at=0, speaking=()), rules, NOW)
    assert nobody.spoken == 0


def test_the_list_of_participants_and_speech_feed_the_rules() -> None:
    """Before the admission they mean nothing; of another browser, who was there is not known any more."""
    rules = LeaveRules(everyone_left=2, only_bots=60, silence=100, silence_after=10)
    assert watching.departure(watching.observed(Watch(), people(), rules, NOW), rules) is None
    watch = watching.observed(watching.admitted(Watch(), NOW), people("Ana"), rules, NOW)
    assert watching.departure(watch, rules) is None
    alone = watching.departure(watching.observed(watch, people(), rules, NOW + 5), rules)
    assert alone is not None
    assert (alone.at, alone.reason) == (NOW + 7, EndReason.ALONE)
    bots = watching.departure(watching.observed(watch, people("Bot 2"), rules, NOW, own={"Bot 2"}), rules)
    assert bots is not None
    assert bots.reason is EndReason.ONLY_BOTS
    gone = watching.rejoined(watching.observed(watch, people(), rules, NOW))
    assert watching.departure(gone, rules) is None
    capturing = watching.captures(watch, NOW, is_on=True)
    spoken = watching.observed(
        capturing,
        CaptionsSeen(at=0, blocks=(Block(key="1", speaker="Ana", text="hi"),)),
        rules,
        NOW + 50,
    )
    silent = watching.departure(spoken, rules)
    assert silent is not None
    assert (silent.at, silent.reason) == (NOW + 150, EndReason.SILENCE)
    refused = watching.departure(watching.refused(watch, NOW, is_refused=True), rules)
    assert refused is not None
    assert refused.reason is EndReason.RECORDING_REFUSED


def test_rules_of_the_request_replace_those_of_the_settings() -> None:
    """One by one; names of bots are parts of names, not patterns."""
    limits = limits_of(Rules(lobby=5), BotLimits(longest=99))
    assert (limits.lobby, limits.longest, limits.join) == (5, 99, 60)
    rules = leave_rules_of(Rules(silence=7), BotLeaving(only_bots=8))
    assert (rules.silence, rules.only_bots, rules.bot_names) == (7, 8, BOT_NAMES)
    named = leave_rules_of(Rules(bot_names=("a.b", "")), BotLeaving(bot_names=("x",)))
    assert is_bot("My A.B thing", named)
    assert not is_bot("axb", named)
    assert leave_rules_of(Rules(), BotLeaving(bot_names=("x",))).bot_names == ("x",)
    assert leave_rules_of(Rules(bot_names=()), BotLeaving()).bot_names == ()


def test_a_transition_is_described_without_what_was_entered() -> None:
    """Its event has states and reasons; the webhook is there only if the state differs."""
    life = stored_life(name="secret", meeting_url="https://secret.example", metadata={"a": "secret"})
    found = transition(life, Event.PLACED, NOW)
    assert "secret" not in str(found.event)
    assert found.webhook is not None
    assert (found.webhook.old_state, found.webhook.new_state) == ("requested", "starting")
    assert life_of(found.life).placed is None  # the place is the store's own
    lost = loss(merged(found.life, life_of(found.life), NOW), NOW, EndReason.BROWSER_CRASHED)
    assert lost is not None
    assert lost.life.state == "recovering"
    assert loss(lost.life, NOW, EndReason.BROWSER_CRASHED) is None
    ended = transition(lost.life, Event.END, NOW + 1, reason=EndReason.BROWSER_CRASHED, detail="It died.")
    assert (ended.life.ended_at, ended.event.severity) == (NOW + 1, "error")
    assert ended.event.event_data["detail"] == "It died."
    assert ended.event.event_id != lost.event.event_id or ended.life.revision == lost.life.revision


def test_a_new_life_waits_or_is_scheduled() -> None:
    """What has a field of its own is stored there only."""
    from orch.bots.requests import BotRequest

    request = BotRequest(meeting_url="u", start_at=NOW + 5, metadata={"a": 1}, idempotency_key="k")
    life = new_life(request, bot_id="b", session_id="s", meeting_url="https://m", now=NOW)
    assert (life.state, life.due_at, life.queued_at) == ("scheduled", NOW + 5, None)
    assert not {"metadata", "start_at", "idempotency_key"} & life.settings.keys()
    due = transition(life, Event.DUE, NOW + 6).life
    assert (due.state, due.queued_at) == ("requested", NOW + 6)
    at_once = new_life(BotRequest(meeting_url="u"), bot_id="b", session_id="s", meeting_url="m", now=NOW)
    assert (at_once.state, at_once.queued_at, at_once.due_at) == (new(NOW).state, NOW, None)


def test_the_settings_name_the_adapters_that_there_are() -> None:
    """An origin can have each of them, and no other."""
    assert set(get_args(Adapter)) == set(ADAPTERS)
