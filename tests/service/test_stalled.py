"""A thousand clients stop reading while a thousand others are served."""

from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import monotonic

import pytest

from benchmarks.peers.servers import Process
from benchmarks.peers.use import quantile
from tests.fakes.crowds import Crowd, crowds, need_descriptors
from tests.fakes.service import RunningService, service
from tests.fakes.waiting import wait_until

SESSIONS = [f"s{number}" for number in range(100)]
EACH = 10
DEAF = SERVED = EACH * len(SESSIONS)
#: Of each kind, one after the other, so that whatever else the machine does meets both.
ROUNDS = 3
#: In each session of a round so many messages are said; each is of so many bytes.
NUMBERS, FILLER = 6, 30_000
#: So many times the processor time that the service needs for a message lies between one and the next,
#: whichever session it is in: one that has more to do than it can slows everyone.
PACE = 10
#: What is said before, for the kernel to have taken what it takes for those who do not read. Of what follows,
#: the hub is then given more to keep than it may.
FILLING, FULL = 3, 64_000
OUTBOX = 196_608
#: As many messages of that size as the kernel takes nowhere.
MOST = 50
GRACE = 4
EVICTED = 'orch_websocket_evictions_total{reason="slow_client"}'
#: Seconds that a difference has to be larger than to say anything about the service: what others have to wait
#: for is a time-out, where a client that takes nothing holds them up at all.
NOISE = 0.1
MIB = 2**20
#: Bytes of a connection itself (5.3 KB in benchmarks/RESULTS.md, Hub).
CONNECTION = 5_300
#: What the allocator may hold beyond what is asked of it, and what else a service does meanwhile.
SLACK = 64 * MIB
SETTINGS = f"""\
orchestration:
  websocket: {{outbox_bytes: {OUTBOX}}}
  shutdown_grace: {GRACE}
services:
  audio-service: {{url: "http://127.0.0.1:9"}}
  translation-service: {{url: "http://127.0.0.1:9"}}
"""


class Rounds:
    """Rounds of messages. The mutable state is how many were said in each session so far, and the pace."""

    def __init__(self, speakers: Crowd, served: Crowd) -> None:
        self._speakers = speakers
        self._served = served
        self._said = 0
        self._pace = 0.0

    def find_pace(self, server: Process) -> None:
        """Find how much time the service needs for a message."""
        used = server.cpu()
        self.take()
        self._pace = PACE * (server.cpu() - used) / (NUMBERS * len(SESSIONS))

    def take(self, numbers: int = NUMBERS, filler: int = FILLER) -> float:
        """Say so many messages in each session; return the 99th percentile of the seconds that they took.

        Everyone served has to have all of them, once and in order.
        """
        begin, self._said = self._said, self._said + numbers
        spoken = self._speakers.ask("speak", begin=begin, end=self._said, filler=filler, pace=self._pace)
        assert spoken["unacknowledged"] == 0
        heard = self._served.ask("hear", count=self._said)
        assert (heard["inside"], heard["heard"]) == (SERVED, [self._said])
        # Nobody has lost the connection; a disk that others keep busy may have been announced.
        assert heard["counts"].keys() <= {"degraded", "restored"}
        return quantile(heard["latencies"], 0.99)


def memory(s: RunningService) -> tuple[int, int]:
    """Return the bytes in memory, now and at most so far."""
    lines = Path(f"/proc/{s.process.pid}/status").read_text(encoding="ascii").splitlines()
    found = dict(line.split(":", 1) for line in lines)
    return int(found["VmRSS"].split()[0]) * 1024, int(found["VmHWM"].split()[0]) * 1024


def is_slowed(undisturbed: list[float], disturbed: list[float]) -> bool:
    """Return whether the disturbed rounds took more than twice the others, and not by the machine's doing.

    A machine that has other work may double any one round. So all of them have to be the slower ones: of
    three and three that differ by chance alone, that is one case in twenty, before anything is doubled.
    """
    usual, found = median(undisturbed), median(disturbed)
    return found > 2 * usual + NOISE and min(disturbed) > max(undisturbed)


@pytest.mark.timed
def test_a_thousand_that_stop_reading_do_not_slow_a_thousand_that_are_served(
    tmp_path: Path, told: Callable[[str], None]
) -> None:
    """They are disconnected within their limits; the others' messages are as fast as without them."""
    need_descriptors(DEAF + SERVED + 500)
    with service("serve", tmp_path, settings=SETTINGS) as s, crowds(3) as (speakers, served, deaf):
        places = {"addresses": [("127.0.0.1", s.port)], "sessions": SESSIONS}
        speakers.ask("enter", each=1, creates=True, **places)
        served.ask("enter", each=EACH, **places)
        rounds = Rounds(speakers, served)
        rounds.find_pace(Process(s.process.pid))
        before, _ = memory(s)
        undisturbed, disturbed, most = [], [], []
        for number in range(1, ROUNDS + 1):
            undisturbed.append(rounds.take())
            assert deaf.ask("enter", each=EACH, is_slow=True, **places)["inside"] == DEAF
            assert deaf.ask("stall")["stalled"] == DEAF
            rounds.take(FILLING, FULL)
            disturbed.append(rounds.take())
            while s.figure(EVICTED) < number * DEAF:
                rounds.take(FILLING)
            most.append(memory(s)[1])
            ended = deaf.ask("awake")
            # Who reads again in time learns why; the others' connections are just gone.
            assert (ended["left"], ended["codes"].keys() - {"4200"}) == (0, set())
        told(
            f"99 % of what {SERVED} are told takes {median(undisturbed) * 1000:.0f} ms,"
            f" beside {DEAF} that read nothing {median(disturbed) * 1000:.0f} ms;"
            f" {(max(most) - before) / MIB:.0f} MiB for those"
        )
        assert not is_slowed(undisturbed, disturbed), (undisturbed, disturbed)
        # What waits for those of one session is there once, not once for each.
        assert max(most) - before < DEAF * CONNECTION + len(SESSIONS) * OUTBOX + SLACK
        assert most[-1] - most[0] < SLACK
        assert s.figure(EVICTED) == ROUNDS * DEAF
        assert s.figure("orch_websocket_queued_bytes") == 0
        # Those who read again are not all gone at once.
        wait_until(
            lambda: s.figure("orch_websocket_connections") == SERVED + len(SESSIONS), "the served are left"
        )


def test_sigterm_ends_the_service_within_the_grace_though_hundreds_take_nothing(
    tmp_path: Path, told: Callable[[str], None]
) -> None:
    """Clients that read are asked to reconnect; others delay the shutdown no longer than the grace."""
    need_descriptors(1000)
    with service("serve", tmp_path, settings=SETTINGS) as s, crowds(2) as (speakers, deaf):
        places = {"addresses": [("127.0.0.1", s.port)], "sessions": SESSIONS}
        speakers.ask("enter", each=1, creates=True, **places)
        deaf.ask("enter", each=2, is_slow=True, **places)
        assert deaf.ask("stall")["stalled"] == 2 * len(SESSIONS)
        said = 0
        while s.figure("orch_websocket_queued_bytes") < len(SESSIONS) * FULL:
            speakers.ask("speak", begin=said, end=said + 1, filler=FULL)
            said += 1
            assert said < MOST
        assert s.figure("orch_websocket_connections") == 3 * len(SESSIONS)
        began = monotonic()
        assert s.stop() == 0
        seconds = monotonic() - began
        told(f"ended {seconds:.1f} s after SIGTERM, where the grace is {GRACE} s")
        # What is promised is a second after the grace; what a busy machine adds says nothing about that.
        assert seconds < GRACE + 10
        assert deaf.ask("awake")["left"] == 0
