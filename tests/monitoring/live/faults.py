"""Faults of the running service and of what watches it, and the alerts that each must raise."""

import resource
import signal
import time
from collections.abc import Callable
from typing import Final

from msgspec import Struct
from websockets.sync.client import connect

from tests.fakes.patience import PATIENCE
from tests.monitoring.live.world import AFAR, World

Act = Callable[[World], None]


class Fault(Struct, frozen=True):
    """A fault: ``inject`` and ``heal`` it; while it lasts, ``alerts`` fire, and afterwards they resolve.

    ``is_there``: from the start, so that its alerts may fire before it is injected. ``fires_within``: the
    seconds that they may take, where these are more than usual. What is pumped to heal it ends when they have
    resolved.
    """

    name: str
    alerts: tuple[str, ...]
    inject: Act
    heal: Act
    is_there: bool = False
    fires_within: float = 0.0


def _calm(world: World) -> None:
    world.calm()


def _instance_down(world: World) -> None:
    world.spare.stop()


def _instance_up(world: World) -> None:
    world.spare.start()


def _all_down(world: World) -> None:
    world.audio.stop()
    world.spare.stop()


def _all_up(world: World) -> None:
    world.audio.start()
    world.spare.start()


def _slow_checks(world: World) -> None:
    world.spare.health_delay = 0.5


def _flap(world: World) -> None:
    def toggle() -> None:
        world.spare.health_status = 500 if world.spare.health_status == 200 else 200
        time.sleep(2)

    world.pump(toggle, 0.1)


def _usual_checks(world: World) -> None:
    world.calm()
    world.spare.health_delay = 0.0
    world.spare.health_status = 200


def _translation_fails(world: World) -> None:
    world.translation.status = 503
    world.pump(world.translate, 0.05, threads=3)


def _translation_usual(world: World) -> None:
    world.calm()
    world.translation.status, world.translation.delay, world.translation.every = 200, 0.0, 1


def _translation_flaky(world: World) -> None:
    world.translation.status, world.translation.every = 0, 2
    world.pump(world.translate, 0.05, threads=3)


def _translation_limits_us(world: World) -> None:
    world.translation.status = 429
    world.pump(world.translate, 0.1, threads=2)


def _translation_slow(world: World) -> None:
    world.translation.delay = 1.2
    world.pump(world.translate, 0.01, threads=24)


def _fallbacks(world: World) -> None:
    world.translation.status = 503
    world.pump(lambda: world.translate("/api/spare"), 0.1, threads=2)


def _no_fallbacks(world: World) -> None:
    """Let requests succeed: with one of them, half a minute after the last failure, fallbacks end."""
    _translation_usual(world)
    world.pump(lambda: world.translate("/api/spare"), 0.5)


def _restart_does_not_help(world: World) -> None:
    world.translation.stop()


def _restart_helped(world: World) -> None:
    world.translation.start()


def _many_connections(world: World) -> None:
    for last in range(2):
        world.open(18, **{"X-Forwarded-For": f"192.0.2.{last}"})
    world.pump(lambda: world.open(4, **{"X-Forwarded-For": "192.0.2.9"}), 0.3)


def _connections_of_one_address(world: World) -> None:
    world.pump(lambda: world.open(4, **{"X-Forwarded-For": AFAR}), 0.05, threads=2)


def _drop(world: World) -> None:
    world.open(26, **{"X-Forwarded-For": "192.0.2.30"})
    time.sleep(14)
    world.calm()


def _reconnects(world: World) -> None:
    def again() -> None:
        with connect(f"ws://{world.address}/ws", open_timeout=PATIENCE, ping_interval=None):
            pass

    world.pump(again, 0.02, threads=4)


def _unknown_messages(world: World) -> None:
    world.pump(lambda: world.say(type="no_such_type"), 0.1, threads=2)


def _wrong_recoveries(world: World) -> None:
    wrong = {"session_id": "never", "recovery_token": "guess", "epoch": "e", "offset": 0}
    world.pump(lambda: world.say(type="recover_session", **wrong), 0.05, threads=3)


def _guess(world: World) -> None:
    key = {"X-Session-Key": "k" * 32, "X-Forwarded-For": AFAR}
    world.pump(lambda: world.client.get(f"{world.running.url}/api/sessions/s", headers=key), 0.1, threads=2)


def _flood_a_limit(world: World) -> None:
    world.pump(lambda: world.translate("/api/few"), 0.05, threads=2)


def _forged(world: World) -> None:
    wrong = {"Authorization": "Bearer forged"}
    world.pump(lambda: world.post("/api/alerts/webhook", {"alerts": []}, **wrong), 0.3)


def _engine_hangs(world: World) -> None:
    world.audio.delay = world.spare.delay = 30.0
    world.speak(3)


def _engine_slow(world: World) -> None:
    world.audio.delay = world.spare.delay = 3.3
    world.speak(6)


def _engine_usual(world: World) -> None:
    world.calm()
    for engine in (world.audio, world.spare):
        engine.delay, engine.text, engine.status = 0.0, "words", 200


def _no_words(world: World) -> None:
    world.audio.text = world.spare.text = ""
    world.speak(3)


def _engine_refuses(world: World) -> None:
    world.audio.status = world.spare.status = 401
    world.speak(2)


def _translations_of_speech_fail(world: World) -> None:
    world.translation.status = 400
    world.speak(3)


def _translations_of_speech_slow(world: World) -> None:
    world.translation.delay = 0.9
    world.speak(2)


def _stand_still(world: World) -> None:
    def pause() -> None:
        world.running.process.send_signal(signal.SIGSTOP)
        time.sleep(4)
        world.running.process.send_signal(signal.SIGCONT)
        time.sleep(1.5)

    world.pump(pause, 0.1)


def _stand_still_often(world: World) -> None:
    """Stop it for less than a scrape may take: all are answered, and what happens between them is late."""

    def pause() -> None:
        world.running.process.send_signal(signal.SIGSTOP)
        time.sleep(0.4)
        world.running.process.send_signal(signal.SIGCONT)

    world.pump(pause, 0.4)


def _few_descriptors(world: World) -> None:
    pid = world.running.process.pid
    used = sum(float(each["value"][1]) for each in world.watch.query('process_open_fds{job="orchestration"}'))
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (int(used) + 1, 4096))
    world.pump(world.translate, 0.1, threads=4)


def _many_descriptors(world: World) -> None:
    world.calm()
    resource.prlimit(world.running.process.pid, resource.RLIMIT_NOFILE, (4096, 4096))


def _break_settings(world: World) -> None:
    world.config.write_text(world.config.read_text(encoding="utf-8") + "\nnonsense: [", encoding="utf-8")
    world.running.process.send_signal(signal.SIGHUP)


def _mend_settings(world: World) -> None:
    text = world.config.read_text(encoding="utf-8").removesuffix("\nnonsense: [")
    world.config.write_text(text, encoding="utf-8")
    world.running.process.send_signal(signal.SIGHUP)


def _restart_branch(world: World) -> None:
    def again() -> None:
        world.post("/api/tree/gateway/restart")
        time.sleep(1)

    world.pump(again, 0.1)


def _back_up(world: World) -> None:
    (world.home / "var" / "last-backup").touch()


def _nothing(_: World) -> None:
    """Do nothing: it is so from the start."""


SERVICE: Final = (
    Fault("nothing has been backed up", ("BackupOld",), _nothing, _back_up, is_there=True),
    Fault("an instance of a back end ends", ("BackendInstanceDown",), _instance_down, _instance_up),
    Fault(
        "all instances of a back end end",
        ("BackendAllInstancesDown", "CaptionJourneyFailing", "IncidentOpenLong"),
        _all_down,
        _all_up,
    ),
    Fault("a back end is slow to answer checks", ("BackendDegraded",), _slow_checks, _usual_checks),
    Fault("a back end is healthy and not in turn", ("BackendFlapping",), _flap, _usual_checks),
    Fault(
        "a back end answers 503",
        ("GatewayErrors", "RequestsBudgetBurnFast", "RequestsBudgetBurnSlow"),
        _translation_fails,
        _translation_usual,
    ),
    Fault(
        "each second connection is lost",
        ("RetryStorm", "RetryBudgetSpent"),
        _translation_flaky,
        _translation_usual,
    ),
    Fault("a back end answers 429", ("BackendRateLimitsUs",), _translation_limits_us, _translation_usual),
    Fault(
        "more requests than a slow back end can do",
        ("GatewaySlow", "GatewayShedding", "GatewaySaturated"),
        _translation_slow,
        _translation_usual,
    ),
    Fault("a route with a fallback fails", ("FallbacksServed",), _fallbacks, _no_fallbacks),
    Fault(
        "restarts do not help",
        ("RecoveryFailing", "RecoveryGivenUp"),
        _restart_does_not_help,
        _restart_helped,
    ),
    Fault("a branch is restarted again and again", ("BranchRestarting",), _restart_branch, _calm),
    Fault(
        "more connections than the limit",
        ("ConnectionsNearLimit", "ConnectionsRefused"),
        _many_connections,
        _calm,
    ),
    Fault(
        "too many connections of one address", ("AddressLimitReached",), _connections_of_one_address, _calm
    ),
    Fault("most connections are lost", ("ConnectionsDropSuddenly",), _drop, _calm),
    Fault("clients connect again and again", ("ReconnectStorm",), _reconnects, _calm),
    Fault("a client of another version", ("ProtocolProblems",), _unknown_messages, _calm),
    Fault(
        "clients return to what is gone",
        ("RecoveryRefused", "RecoveryBudgetBurnFast", "RecoveryBudgetBurnSlow"),
        _wrong_recoveries,
        _calm,
    ),
    Fault("keys are guessed", ("SignInFailures",), _guess, _calm),
    Fault("a client floods a limit", ("RateLimitedMany",), _flood_a_limit, _calm),
    Fault("alerts are forged", ("AlertNotificationsRefused",), _forged, _calm),
    Fault(
        "the engine hangs while people speak",
        (
            "NoCaptionsWhileSpeech",
            "SpeechBacklog",
            "SpeechNearLoss",
            "CaptionsBudgetBurnFast",
            "CaptionsBudgetBurnSlow",
        ),
        _engine_hangs,
        _engine_usual,
    ),
    Fault(
        "the engine is slow",
        (
            "CaptionsLate",
            "RealTimeFactorHigh",
            "CaptionLatencyBudgetBurnFast",
            "CaptionLatencyBudgetBurnSlow",
        ),
        _engine_slow,
        _engine_usual,
    ),
    Fault("no words are recognised", ("EmptyTranscripts",), _no_words, _engine_usual),
    Fault("the engine refuses every request", ("SpeechServiceRefusing",), _engine_refuses, _engine_usual),
    Fault(
        "translations of captions fail",
        ("TranslationFailing",),
        _translations_of_speech_fail,
        _translation_usual,
    ),
    Fault(
        "translations of captions are slow",
        ("TranslationSlow",),
        _translations_of_speech_slow,
        _translation_usual,
    ),
    Fault("the process stands still", ("Standstills",), _stand_still, _calm),
    Fault("the process stands still for moments", ("EventLoopLag",), _stand_still_often, _calm),
    Fault(
        "no file descriptor is left",
        ("OutOfResource",),
        _few_descriptors,
        _many_descriptors,
    ),
    Fault("the settings are broken", ("ConfigReloadFailed",), _break_settings, _mend_settings),
)
