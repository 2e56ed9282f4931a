"""A bot's sound, camera and microphone in a real Chromium."""

import itertools
import ssl
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import trio

from orch.bots.media.errors import NoPageError
from orch.bots.webcam.canvas import Patch
from tests.fakes.bot_media import Bot, Meetings, bot, meetings
from tests.fakes.patience import PATIENCE

pytestmark = [pytest.mark.process, pytest.mark.real_time, pytest.mark.slow, pytest.mark.browser]

CERTIFICATE = Path(__file__).parents[2] / "data" / "tls" / "localhost.pem"

HISSES = """
code: quz-waxy-lob
entry: {button: join_now}
participants: [{id: ana, name: Ana, is_host: true, camera: true}, {id: bo, name: Bo}]
clips: {hiss: {noise: 0.3, seconds: 0.4}}
"""
#: Seconds of what is said.
LENGTH = 0.4

#: Bytes of a second of sound.
SECOND = 32_000
#: Times that both speak at most, until Chromium has had the time to play what was said when it was said.
ROUNDS = 20

#: The colours at two places of the camera, as another participant receives it.
COLOURS = """() => {
  const video = document.querySelector("#guest-camera");
  if (!video?.videoWidth) return null;
  const paint = new OffscreenCanvas(1280, 720).getContext("2d");
  paint.drawImage(video, 0, 0, 1280, 720);
  return [[100, 600], [1000, 100]].map(([x, y]) => [...paint.getImageData(x, y, 1, 1).data].slice(0, 3));
}"""

DEVICES = """async () => {
  const { mediaDevices } = navigator;
  const listed = (await mediaDevices.enumerateDevices()).map(({ kind, label }) => `${kind} ${label}`);
  const refused = [];
  for (const constraints of [{}, { video: { deviceId: { exact: "another" } } }]) {
    await mediaDevices.getUserMedia(constraints).catch(({ name }) => refused.push(name));
  }
  const stream = await mediaDevices.getUserMedia({ audio: true, video: { deviceId: "orch-camera" } });
  const { deviceId, width, height } = stream.getVideoTracks()[0].clone().getSettings();
  const labels = stream.getTracks().map(({ label }) => label);
  for (const track of stream.getTracks()) track.stop();
  const visible = Object.keys(window).filter((each) => /orch|startMedia|Uplink|TrackSound/.test(each));
  return { listed, refused, deviceId, width, height, labels, visible };
}"""


def bursts(pcm: bytes) -> list[float]:
    """Return when each burst of noise begins, in seconds: the first 10 ms above a level after a silence."""
    samples = np.frombuffer(pcm, dtype="<i2").astype(np.float64)
    levels = np.sqrt(np.square(samples[: len(samples) // 160 * 160].reshape(-1, 160)).mean(axis=1))
    loud = np.flatnonzero(levels > 1_000)
    return [float(each) / 100 for index, each in enumerate(loud) if index == 0 or each - loud[index - 1] > 30]


def filled(x: int, y: int, width: int, height: int, colour: tuple[int, int, int]) -> Patch:
    return Patch(x, y, width, height, bytes((*colour, 255)) * (width * height))


async def test_a_meeting_is_heard_and_sees_and_hears_the_bot(tmp_path: Path) -> None:
    """Each track has its own sound without a loss; the camera and what is said arrive at another one."""
    async with meetings() as server, bot(tmp_path) as guest:
        url = await server.add(HISSES) + "?far=separate"
        with pytest.raises(NoPageError):
            await guest.channel.speak(bytes(320))
        await guest.join(url)
        far = await guest.far(server, url)
        await heard_in_turn(guest, server, url)
        assert guest.channel.statistics().lost == 0
        assert {each.layout for each in guest.heard.observations} == {"rotating"}  # type: ignore[union-attr]
        tracks = set(guest.heard.tracks)
        await seen_and_heard(guest, server, url, far)
        await loaded_again(guest, url, tracks)


async def heard_in_turn(guest: Bot, server: Meetings, url: str) -> None:
    """Have both speak in turn: each time its own track has a sound, and it alone, at the time it was said.

    Chromium stretches sound while it has no time for it, so a distance may be longer than it was, now and
    then; none is right if samples are missing, or are of another rate.
    """
    await guest.heard.until(lambda: len(guest.heard.tracks) == 2)
    turns: dict[str, list[Turn]] = {"ana": [], "bo": []}
    for _ in range(ROUNDS):
        for who, before in turns.items():
            before.append(await turn(guest, server, url, who))
        ana, bo = ({each.track for each in before} for before in turns.values())
        assert (len(ana), len(bo), len(ana | bo)) == (1, 1, 2)
        if all(is_right_once(before) for before in turns.values()):
            return
    pytest.fail(f"no distance is right: {turns}")


class Turn(NamedTuple):
    """The track on which something was heard; when it was said, and when it is in the track, in seconds."""

    track: str
    said: float
    heard: float


def is_right_once(turns: list[Turn]) -> bool:
    """Return whether two of them are as far from each other as they were said."""
    pairs = itertools.pairwise(turns)
    return any(abs(later.heard - first.heard - later.said + first.said) < 0.1 for first, later in pairs)


async def turn(guest: Bot, server: Meetings, url: str, who: str) -> Turn:
    """Have somebody speak, and wait until a second after what is heard of it."""
    tracks = guest.heard.tracks
    before = {name: len(pcm) for name, pcm in tracks.items()}
    said = await played(server, url, who)

    def heard() -> dict[str, float]:
        found = {name: bursts(bytes(tracks[name][begin:])) for name, begin in before.items()}
        return {name: before[name] / SECOND + begins[0] for name, begins in found.items() if begins}

    await guest.heard.until(lambda: bool(heard()))
    ends = {name: len(pcm) + SECOND for name, pcm in tracks.items()}
    await guest.heard.until(lambda: all(len(tracks[name]) > end for name, end in ends.items()))
    ((track, begin),) = heard().items()
    return Turn(track, said, begin)


async def played(server: Meetings, url: str, who: str) -> float:
    """Have somebody speak, until the far end's page was in time to play it; return when it was said."""
    code = url.partition("?")[0]
    late, said = LENGTH, 0.0
    while late >= LENGTH:
        count = len(lateness(await server.records(code)))
        said = await server.say(code, who, "hiss")

        def is_known(records: Any, count: int = count) -> bool:
            return len(lateness(records)) > count

        late = lateness(await server.until(server.records, code, is_known))[-1]
    return said


def lateness(records: Any) -> list[float]:
    """Return by how many seconds the far end's page was too late for each clip."""
    return [each["details"]["late"] for each in records if each["what"] == "played"]


async def seen_and_heard(guest: Bot, server: Meetings, url: str, far: object) -> None:
    """Show a picture and a change of it, say something; both arrive at the far end."""
    await guest.channel.show([filled(0, 0, 1280, 720, (0, 160, 0))])
    await guest.channel.show([filled(900, 0, 380, 300, (0, 0, 200))])

    async def colours(_url: str) -> object:
        return await far.call(COLOURS)  # type: ignore[attr-defined]

    await server.until(colours, url, is_shown)
    noise = np.random.default_rng(3).integers(-9_000, 9_000, 12_000).astype("<i2").tobytes()
    with trio.fail_after(PATIENCE):
        await guest.channel.speak(noise)
    assert guest.channel.statistics().spoken == 12_000
    code = url.partition("?")[0]
    await server.until(server.records, code, lambda records: any(each["what"] == "heard" for each in records))
    with trio.move_on_after(0.5):
        await guest.channel.speak(noise * 40)
    assert guest.channel.statistics().spoken < 30_000, "a cancel ends what is said"


def is_shown(found: object) -> bool:
    if not isinstance(found, list):
        return False
    (_, green, blue), (_, other_green, other_blue) = found
    return bool(green > 120 and blue < 60 and other_green < 60 and other_blue > 120)


async def loaded_again(guest: Bot, url: str, before: set[str]) -> None:
    """Load the page again: it connects again, gets the whole frame, and has tracks of its own."""
    drawn = guest.channel.statistics().drawn
    await guest.join(url)
    found = await guest.page.call(DEVICES, in_page_world=True)
    assert found["listed"][:2] == ["audioinput Bot microphone", "videoinput Bot camera"]
    assert found["refused"] == ["TypeError", "OverconstrainedError"]
    assert (found["deviceId"], found["width"], found["height"]) == ("orch-camera", 1280, 720)
    assert found["labels"] == ["Bot microphone", "Bot camera"]
    assert found["visible"] == []
    await guest.heard.until(lambda: not before & set(guest.heard.live))
    with trio.fail_after(PATIENCE):
        while guest.channel.statistics().drawn == drawn:  # noqa: ASYNC110 - the browser's doing
            await trio.sleep(0.05)
    assert guest.channel.statistics().connections == 2
    assert guest.channel.statistics().violations == 0


#: A page of the internet, as far as its browser knows: another network, https, and a strict policy.
STRICT = """<!doctype html><script nonce="a">
const run = async () => {
  const tone = new OscillatorNode(new AudioContext());
  const sent = tone.context.createMediaStreamDestination();
  tone.connect(sent);
  tone.start();
  if (location.pathname === "/elements") {
    const own = await navigator.mediaDevices.getUserMedia({ audio: true });
    for (const stream of [sent.stream, own, own.clone(), new MediaStream([own.getTracks()[0].clone()])]) {
      Object.assign(new Audio(), { srcObject: stream });
    }
    return;
  }
  const [a, b] = [new RTCPeerConnection(), new webkitRTCPeerConnection()];
  a.onicecandidate = ({ candidate }) => candidate && b.addIceCandidate(candidate);
  b.onicecandidate = ({ candidate }) => candidate && a.addIceCandidate(candidate);
  a.addTrack(sent.stream.getTracks()[0], sent.stream);
  await a.setLocalDescription();
  await b.setRemoteDescription(a.localDescription);
  await b.setLocalDescription();
  await a.setRemoteDescription(b.localDescription);
};
run();
</script>"""
POLICY = (
    "default-src 'none'; script-src 'nonce-a'; connect-src 'self'; worker-src 'none'; "
    "require-trusted-types-for 'script'; trusted-types"
)


async def serve_strict(stream: trio.abc.Stream) -> None:
    head = b""
    async with stream:
        while b"\r\n\r\n" not in head:
            part = await stream.receive_some()
            if not part:
                return
            head += part
        data = STRICT.encode()
        start = f"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Security-Policy: {POLICY}\r\n"
        await stream.send_all(
            f"{start}Connection: close\r\nContent-Length: {len(data)}\r\n\r\n".encode() + data
        )


async def test_a_page_of_the_internet_with_a_strict_policy_is_heard(tmp_path: Path) -> None:
    """Neither its policy, nor https, nor Chromium's protection of local servers keeps the sound away.

    Nor does it matter whether it arrives on a connection, or is only played by an element; but the bot's own
    sound, or a copy of it, is never captured.
    """
    certificate = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.load_cert_chain(CERTIFICATE)
    async with trio.open_nursery() as nursery:
        plain = await trio.open_tcp_listeners(0, host="127.0.0.1")
        port = plain[0].socket.getsockname()[1]
        listeners = [trio.SSLListener(each, certificate, https_compatible=True) for each in plain]
        nursery.start_soon(trio.serve_listeners, serve_strict, listeners)
        network = f"--ip-address-space-overrides=127.0.0.1:{port}=public"
        async with bot(tmp_path, network, "--ignore-certificate-errors") as guest:
            for path in ("elements", "connection"):
                await guest.page.open(f"https://127.0.0.1:{port}/{path}")
                guest.heard.tracks.clear()
                await assert_a_tone(guest)
        nursery.cancel_scope.cancel()


async def assert_a_tone(guest: Bot) -> None:
    """Wait for two seconds of the page's only track, and find a tone in it."""
    tracks = guest.heard.tracks
    await guest.heard.until(lambda: any(len(each) > 64_000 for each in tracks.values()))
    assert len(tracks) == 1
    samples = np.frombuffer(bytes(*tracks.values()), dtype="<i2")
    assert np.abs(samples[-8_000:]).max() > 3_000
