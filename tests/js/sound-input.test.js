import assert from "node:assert/strict";
import { test } from "node:test";

import { refusal, unavailable } from "../../static/js/audio/sound-errors.js";
import { SoundInput, granted } from "../../static/js/audio/sound-input.js";
import { FakeMediaDevices, FakeStream, FakeTrack, fakeAudio } from "../fakes/js/audio.js";
import { FakeClock, settle } from "../fakes/js/clock.js";
import { TEXTS } from "../fakes/js/texts.js";

const say = ({ key, values }) => TEXTS.en.text(key, values);

function setUp({ fixedRate = null } = {}) {
  const mediaDevices = new FakeMediaDevices();
  const audio = fakeAudio({ fixedRate });
  const clock = new FakeClock();
  const signals = new EventTarget();
  const page = Object.assign(new EventTarget(), { visibilityState: "visible" });
  const microphone = new SoundInput({ mediaDevices, ...audio, scope: { isSecureContext: true, host: "localhost" }, timers: clock.timers, now: clock.now, signals, page });
  const blocks = [];
  const ended = [];
  microphone.addEventListener("block", ({ detail }) => blocks.push(detail));
  microphone.addEventListener("ended", ({ detail }) => ended.push(detail));
  const told = [];
  microphone.addEventListener("stalled", ({ detail }) => told.push(detail.code));
  microphone.addEventListener("resumed", () => told.push("resumed"));
  /** The newest node gives a block every 40 ms. */
  const speak = async (seconds) => {
    for (let number = 0; number < seconds * 25; number += 1) {
      await clock.advance(40);
      audio.nodes.at(-1).give(new ArrayBuffer(1280));
    }
  };
  return { mediaDevices, ...audio, clock, microphone, blocks, ended, told, speak, signals, page };
}

test("no processing is requested, and what was granted is returned", async () => {
  const { microphone, mediaDevices } = setUp();
  const answer = await microphone.start({ deviceId: "d2" });
  const { audio } = mediaDevices.asked[0];
  assert.deepEqual([audio.echoCancellation, audio.noiseSuppression, audio.autoGainControl], [false, false, false]);
  assert.deepEqual(audio.deviceId, { exact: "d2" });
  assert.deepEqual(answer, {
    label: "Built-in", deviceId: "d1", contextRate: 16_000, echoCancellation: "off", noiseSuppression: "off", autoGainControl: "on",
  });
});

test("a setting that the browser does not report is not said", () => {
  assert.deepEqual(granted({ echoCancellation: "all" }), { echoCancellation: "on", noiseSuppression: "not said", autoGainControl: "not said" });
});

test("a browser that cannot run at 16 kHz runs at its own rate, and the first context is closed", async () => {
  const { microphone, contexts, nodes } = setUp({ fixedRate: 44_100 });
  const { contextRate } = await microphone.start();
  assert.equal(contextRate, 44_100);
  assert.deepEqual(contexts.map(({ state }) => state), ["closed", "running"]);
  assert.equal(nodes.at(-1).context, contexts[1]);
});

test("start and stop may be called twice and in any order", async () => {
  const { microphone, mediaDevices } = setUp();
  await microphone.stop();
  const [one, two] = await Promise.all([microphone.start(), microphone.start()]);
  assert.equal(one, two);
  assert.equal(mediaDevices.asked.length, 1);
  await Promise.all([microphone.stop(), microphone.stop()]);
  assert.equal(microphone.isOpen, false);
  assert.equal(mediaDevices.tracks[0].isStopped, true);
  await microphone.start();
  assert.equal(mediaDevices.asked.length, 2);
});

test("stopped while it opens, nothing stays open", async () => {
  const { microphone, mediaDevices, contexts } = setUp();
  const opening = microphone.start();
  await microphone.stop();
  await opening;
  assert.equal(microphone.isOpen, false);
  assert.equal(mediaDevices.tracks[0].isStopped, true);
  assert.equal(contexts.at(-1).state, "closed");
});

test("the last samples are dispatched before stop resolves", async () => {
  const { microphone, nodes, blocks } = setUp();
  await microphone.start();
  nodes[0].give(new ArrayBuffer(1280));
  nodes[0].rest = [new ArrayBuffer(200)];
  await microphone.stop();
  assert.deepEqual(blocks.map(({ byteLength }) => byteLength), [1280, 200]);
});

test("a dead audio thread does not delay stop", async () => {
  const { microphone, nodes, clock } = setUp();
  await microphone.start();
  nodes[0].isDead = true;
  const stopping = microphone.stop();
  await clock.advance(500);
  await stopping;
  assert.equal(microphone.isOpen, false);
});

test("a disconnected device closes the microphone, with what to do", async () => {
  const { microphone, mediaDevices, ended } = setUp();
  await microphone.start();
  mediaDevices.tracks[0].dispatchEvent(new Event("ended"));
  await settle();
  assert.equal(microphone.isOpen, false);
  assert.equal(ended[0].code, "lost");
  assert.match(say(ended[0].text), /Built-in/);
  assert.match(say(ended[0].action), /choose another/);
});

test("every rejection has a sentence and what to do, and may be tried again", async () => {
  const { microphone, mediaDevices } = setUp();
  const codes = { NotAllowedError: "denied", NotFoundError: "no_device", NotReadableError: "busy", OverconstrainedError: "device_gone", TypeError: "failed" };
  for (const [name, code] of Object.entries(codes)) {
    mediaDevices.refuse = name;
    await assert.rejects(microphone.start(), (error) => {
      assert.equal(error.code, code);
      assert.match(say(error.text), /\.$/);
      assert.ok(say(error.action).length > 10);
      return true;
    });
  }
  mediaDevices.refuse = null;
  await microphone.start();
  assert.equal(microphone.isOpen, true);
  assert.equal(say(refusal({ name: "Odd", message: "" }).text), "The microphone could not be opened: Odd.");
});

test("a page from an insecure address gets the reason and what to do", () => {
  const error = unavailable({ isSecureContext: false, mediaDevices: undefined, host: "192.168.1.5:3000" });
  assert.equal(error.code, "insecure");
  assert.match(say(error.text), /http:\/\/192\.168\.1\.5:3000/);
  assert.match(say(error.action), /https/);
  assert.equal(unavailable({ isSecureContext: true, mediaDevices: undefined, host: "x" }).code, "unsupported");
  assert.equal(unavailable({ isSecureContext: true, mediaDevices: new FakeMediaDevices(), host: "x" }), null);
});

test("only microphones are listed, and a change of devices is dispatched while it is watched", async () => {
  const { microphone, mediaDevices } = setUp();
  assert.deepEqual(await microphone.devices(), [{ deviceId: "d1", label: "Built-in" }, { deviceId: "d2", label: "Headset" }]);
  let told = 0;
  microphone.addEventListener("devices", () => (told += 1));
  const unwatch = microphone.watchDevices();
  mediaDevices.dispatchEvent(new Event("devicechange"));
  unwatch();
  mediaDevices.dispatchEvent(new Event("devicechange"));
  assert.equal(told, 1);
});

// --- whether it gives sound ------------------------------------------------------------------------------------

test("a context that the browser suspends is resumed at once", async () => {
  for (const state of ["suspended", "interrupted"]) {
    const { microphone, contexts, told, speak } = setUp();
    await microphone.start();
    await speak(1);
    contexts[0].suspend(state);
    await settle();
    assert.deepEqual(told, ["stalled"]);
    assert.equal(contexts[0].state, "running", "it was asked to go on");
    await speak(0.04);
    assert.deepEqual(told, ["stalled", "resumed"]);
    await microphone.stop();
  }
});

test("two seconds without sound are a stall; the device is reopened where resuming does not help", async () => {
  const { microphone, mediaDevices, contexts, told, speak, clock, ended } = setUp();
  await microphone.start({ deviceId: "d2" });
  await speak(3);
  await clock.advance(1_900);
  assert.deepEqual(told, []);
  await clock.advance(700);
  assert.deepEqual(told, ["stalled"]);
  assert.equal(mediaDevices.asked.length, 1);
  await clock.advance(3_500);
  assert.equal(mediaDevices.asked.length, 2);
  assert.deepEqual(mediaDevices.asked[1].audio.deviceId, { exact: "d2" });
  assert.equal(mediaDevices.tracks[0].isStopped, true);
  assert.equal(contexts[0].state, "closed");
  await speak(1);
  assert.deepEqual(told, ["stalled", "resumed"]);
  assert.equal(microphone.isOpen, true);
  await microphone.stop();
  await clock.advance(10_000);
  assert.deepEqual(told, ["stalled", "resumed"], "closed, it is not watched");
  assert.deepEqual(clock.pending, []);
  assert.deepEqual(ended, []);
});

test("a failed audio thread is replaced at once", async () => {
  const { microphone, nodes, told, speak } = setUp();
  await microphone.start();
  await speak(1);
  nodes[0].dispatchEvent(new Event("processorerror"));
  await settle();
  assert.equal(nodes.length, 2);
  await speak(0.04);
  assert.deepEqual(told, ["stalled", "resumed"]);
  await microphone.stop();
});

test("a device that cannot be reopened ends the microphone, with what to do", async () => {
  const { microphone, mediaDevices, clock, ended, told, speak } = setUp();
  await microphone.start();
  await speak(1);
  mediaDevices.refuse = "NotFoundError";
  await clock.advance(8_000);
  assert.deepEqual(told, ["stalled"]);
  assert.equal(ended[0].code, "no_device");
  assert.equal(microphone.isOpen, false);
  mediaDevices.refuse = null;
  await microphone.start();
  assert.equal(microphone.isOpen, true);
  await microphone.stop();
});

test("a muted track is a stall until it is unmuted, though blocks of silence arrive", async () => {
  const { microphone, mediaDevices, told, speak } = setUp();
  await microphone.start();
  const [track] = mediaDevices.tracks;
  track.muted = true;
  track.dispatchEvent(new Event("mute"));
  await speak(5);
  assert.deepEqual(told, ["muted"]);
  track.muted = false;
  track.dispatchEvent(new Event("unmute"));
  await speak(0.04);
  assert.deepEqual(told, ["muted", "resumed"]);
  await microphone.stop();
});

test("a page that becomes visible resumes a suspended context", async () => {
  const { microphone, contexts, page, signals, speak } = setUp();
  await microphone.start();
  await speak(1);
  for (const wake of [() => page.dispatchEvent(new Event("visibilitychange")), () => signals.dispatchEvent(new Event("pageshow"))]) {
    page.visibilityState = "hidden";
    contexts[0].suspend();
    assert.equal(contexts[0].state, "suspended", "a hidden page is not let");
    page.visibilityState = "visible";
    wake();
    await settle();
    assert.equal(contexts[0].state, "running");
  }
  await microphone.stop();
});

// --- shared sound ----------------------------------------------------------------------------------------------

const shares = () => new FakeStream([new FakeTrack("Tab audio", {})]);
const sources = (node) => [...(node.from ?? [])].map((meter) => [...meter.from][0]).map((fader) => ({ gain: fader.gain.value, changes: fader.gain.changes, stream: [...fader.from][0].stream }));

test("the microphone and shared sound go into one node, each with its own gain", async () => {
  const { microphone, nodes } = setUp();
  const shared = shares();
  await microphone.start({ shared, gains: { microphone: 0.5, shared: 1.5 } });
  assert.deepEqual(sources(nodes[0]).map(({ gain }) => gain), [0.5, 1.5]);
  assert.equal(sources(nodes[0])[1].stream, shared);
  microphone.setGain("shared", 0);
  assert.deepEqual(sources(nodes[0]).map(({ changes }) => changes), [[], [0]]);
  assert.equal(microphone.samples("microphone").length, 2048);
  await microphone.stop();
  assert.equal(shared.getAudioTracks()[0].isStopped, false, "its owner stops it");
  assert.equal(microphone.samples("shared"), null);
});

test("shared sound alone opens no microphone, nor needs one", async () => {
  const { microphone, mediaDevices, nodes } = setUp();
  mediaDevices.refuse = "NotFoundError";
  const granted = await microphone.start({ usesMicrophone: false, shared: shares() });
  assert.equal(mediaDevices.asked.length, 0);
  assert.deepEqual(sources(nodes[0]).map(({ gain }) => gain), [1]);
  assert.deepEqual([granted.label, granted.echoCancellation], ["", "not said"]);
  await microphone.stop();
});

test("without the shared sound the microphone goes on, and it is not mixed in again when the device is reopened", async () => {
  const { microphone, nodes, speak, clock, ended } = setUp();
  await microphone.start({ shared: shares() });
  await speak(1);
  microphone.removeShared();
  assert.equal(sources(nodes[0]).length, 1);
  await speak(1);
  await clock.advance(8_000);
  assert.equal(sources(nodes.at(-1)).length, 1);
  assert.equal(nodes.length, 2);
  assert.deepEqual(ended, []);
  await microphone.stop();
});

test("a reopened device is mixed with the shared sound at the gains of now", async () => {
  const { microphone, nodes, speak, clock } = setUp();
  await microphone.start({ shared: shares(), gains: { microphone: 1, shared: 1 } });
  await speak(1);
  microphone.setGain("microphone", 0.25);
  await clock.advance(8_000);
  assert.deepEqual(sources(nodes[1]).map(({ gain }) => gain), [0.25, 1]);
  await microphone.stop();
});

test("a disconnected device beside shared sound leaves that open", async () => {
  const { microphone, mediaDevices, nodes, ended, blocks } = setUp();
  const words = [];
  microphone.addEventListener("microphone-ended", ({ detail }) => words.push(say(detail.text)));
  await microphone.start({ shared: shares() });
  mediaDevices.tracks[0].dispatchEvent(new Event("ended"));
  await settle();
  assert.match(words[0], /disconnected/);
  assert.deepEqual(ended, []);
  assert.equal(microphone.isOpen, true);
  assert.equal(sources(nodes[0]).length, 1);
  nodes[0].give(new ArrayBuffer(1280));
  assert.equal(blocks.length, 1);
  await microphone.stop();
});
