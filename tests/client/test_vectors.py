"""What the Python and the JavaScript client must both decide: the same files are read by both tests."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from orch.client.backlog import Backlog
from orch.client.events import HistoryDelivered, Lost, Recovered, decode
from orch.client.reconnect_policy import Backoff, Liveness, Reconnection, Stop
from orch.client.recovery import SessionLog
from orch.client.state import Action, ClientState, Send
from orch.protocol.messages import JoinSession, ReceiveAudio, SessionMessage, Subscribe

FOLDER = Path(__file__).parents[1] / "data" / "recovery"


def cases(name: str) -> list[Any]:
    """Return the cases of a file."""
    text = (FOLDER / f"{name}.json").read_text(encoding="utf-8")
    return [pytest.param(case, id=case["name"]) for case in json.loads(text)["cases"]]


@pytest.mark.parametrize("case", cases("log"))
def test_a_log_delivers_each_message_once_and_in_order(case: dict[str, Any]) -> None:
    """After each step: what is delivered, and how the log stands."""
    start = case["log"]
    log: SessionLog[str] = SessionLog(
        offset=start["offset"], epoch=start["epoch"], is_waiting=start.get("waiting", False)
    )
    for step in case["steps"]:
        if "receive" in step:
            delivered = log.receive(step["receive"], "m")
        elif "continued" in step:
            answer = step["continued"]
            delivered = log.continued(
                offset=answer["offset"],
                messages=[(number, "m") for number in answer["messages"]],
                more=answer["more"],
            )
        else:
            answer = step["answered"]
            delivered = log.answered(
                epoch=answer["epoch"],
                offset=answer["offset"],
                messages=[(number, "m") for number in answer["messages"]],
                more=answer.get("more", False),
            )
        assert [number for number, _ in delivered] == step["delivered"]
        assert (log.offset, log.has_gap) == (step["offset"], step["gap"])


@pytest.mark.parametrize("case", cases("reconnection"))
def test_what_follows_a_loss(case: dict[str, Any]) -> None:
    """From the close code and the service's request; jitter spreads it."""
    reconnection = Reconnection(Backoff(base=1, cap=30, floor=0.1, draw=lambda: float(case["draw"])))
    now = 0.0
    for loss in case["losses"]:
        reconnection.connecting()
        if loss["lived"] is not None:
            reconnection.greeted(now)
            now += loss["lived"]
        asked = ("Restarting.", loss["asked"]) if "asked" in loss else None
        verdict = reconnection.closed(loss["code"], "", now, closing=asked)
        then = "stop" if isinstance(verdict, Stop) else round(verdict.seconds, 3)
        assert then == loss["then"]
        assert verdict.words


@pytest.mark.parametrize("case", cases("liveness"))
def test_when_a_silent_connection_is_pinged_and_when_it_is_dead(case: dict[str, Any]) -> None:
    """Only silence after a question is death."""
    liveness = Liveness(quiet=case["quiet"], now=0)
    steps = sorted(
        [(at, liveness.received) for at in case["heard"]]
        + [(at, liveness.sent) for at in case.get("sent", ())],
        key=lambda step: float(step[0]),
    )
    then: list[list[Any]] = []
    while not then or then[-1][0] != "die":
        if steps and steps[0][0] <= liveness.due_at:
            at, step = steps.pop(0)
            step(at)
            continue
        now = liveness.due_at
        if now > case["until"]:
            break
        done = liveness.look(now)
        assert done is not None
        then.append([done, now])
    assert then == case["then"]


def test_a_suspended_machine_pings_before_it_ends_the_connection() -> None:
    """A ping before the suspension does not count."""
    liveness = Liveness(quiet=20, now=0)
    assert liveness.look(19.9) is None
    assert liveness.look(20) == "ask"
    assert liveness.look(3_600) == "ask"
    assert liveness.look(3_610) == "die"


class Script:
    """Plays one case against the pure client."""

    def __init__(self) -> None:
        self.state = ClientState(Backlog())
        self.now = 0.0
        self.sent: list[dict[str, Any]] = []
        self.last: dict[str, Any] = {}
        self.delivered: list[int] = []
        self.told: list[list[Any]] = []

    def do(self, actions: list[Action]) -> None:
        for action in actions:
            if isinstance(action, Send):
                message = msgspec.to_builtins(action.message)
                self.sent.append(message)
                self.last[message["type"]] = message["id"]
        while (event := self.state.backlog.take()) is not None:
            match event:
                case SessionMessage(offset=int(offset)):
                    self.delivered.append(offset)
                case Recovered(session_id, missed, is_whole):
                    self.told.append(["recovered", session_id, missed] + ([] if is_whole else [False]))
                case HistoryDelivered(session_id, complete):
                    self.told.append(["history", session_id, complete])
                case Lost(session_id, reason):
                    self.told.append(["lost", session_id, reason])
                case _:
                    pass

    def say(self, message: dict[str, Any]) -> None:
        text = json.dumps({"timestamp": 0} | message)
        self.do(self.state.receive(decode(text), len(text), self.now))

    def play(self, step: dict[str, Any]) -> None:
        match step:
            case {"greet": _}:
                self.say(
                    {
                        "type": "connected",
                        "connection_id": "c",
                        "server_time": 0,
                        "ping_interval": 25,
                        "recovery_window": 1,
                    }
                )
            case {"drop": _}:
                self.do(self.state.lost())
            case {"pass": seconds}:
                self.now += seconds
                self.do(self.state.tick(self.now))
            case {"join": _} | {"audio": _}:
                self.do(self.state.request(asked(step))[1])
            case {"subscribe": topic}:
                self.state.follow(topic)
                self.do(self.state.request(Subscribe(topic=topic))[1])
            case {"say": what, **more}:
                self.say(said(what, more, self.last))
            case {"sent": expected}:
                fields = [
                    {key: message[key] for key in wanted}
                    for message, wanted in zip(self.sent, expected, strict=True)
                ]
                assert fields == expected
                self.sent = []
            case {"delivered": expected}:
                assert self.delivered == expected
                self.delivered = []
            case {"told": expected}:
                assert self.told == expected
                self.told = []
            case _:
                raise AssertionError(step)


def asked(step: dict[str, Any]) -> JoinSession | ReceiveAudio:
    """Return the request of a step."""
    match step:
        case {"join": session_id, **more}:
            return JoinSession(session_id=session_id, **more)
        case {"audio": session_id, **more}:
            return ReceiveAudio(session_id=session_id, **more)
        case _:
            raise AssertionError(step)


def numbered(offset: int) -> dict[str, Any]:
    return {
        "type": "session_message",
        "timestamp": 0,
        "session_id": "s",
        "sender": "p",
        "data": 1,
        "offset": offset,
    }


def said(what: str, more: dict[str, Any], last: dict[str, Any]) -> dict[str, Any]:
    """Return the message of a step's ``say``."""
    answer = {"id": last[more["answers"]]} if "answers" in more else {}
    rest = {key: value for key, value in more.items() if key not in ("answers", "messages")}
    if "messages" in more:
        rest["messages"] = [numbered(offset) for offset in more["messages"]]
    joined = {
        "participant_id": "p",
        "recovery_token": "t",
        "config": {},
        "participants": [],
        "participant_count": 1,
    }
    kinds: dict[str, dict[str, Any]] = {
        "m": numbered(more.get("offset", 0)),
        "joined": {"type": "session_joined", "session_id": "s"} | joined,
        "recovered": {"type": "session_recovered", "session_id": "s", "recovered": True},
        "not_recovered": {"type": "session_recovered", "session_id": "s", "recovered": False},
        "history": {
            "type": "session_history",
            "session_id": "s",
            "epoch": "e",
            "complete": True,
            "more": False,
        },
        "left": {"type": "session_left", "session_id": "s"},
        "audio": {"type": "audio_receiving", "session_id": "s"},
        "error": {"type": "error", "detail": "No."},
    }
    return kinds[what] | rest | answer


@pytest.mark.parametrize("case", cases("sessions"))
def test_a_client_against_a_scripted_service(case: dict[str, Any]) -> None:
    """What it sends, delivers and reports, step by step."""
    script = Script()
    for step in case["steps"]:
        script.play(step)
