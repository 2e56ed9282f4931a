/** The recorder of the audio tests: what it asks the browser for, what becomes of the samples, and that nothing stays open. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { SoundRecorder } from "../../static/js/audio/sound-recorder.js";
import { FORMATS } from "../../static/js/models/recording-formats.js";

const WAV16 = FORMATS.find(({ id }) => id === "wav16");
const WAV32 = FORMATS.find(({ id }) => id === "wav32");
const WEBM = FORMATS.find(({ id }) => id === "webm");

/** A browser with one microphone; `made` has everything that was made of it. */
function browser({ refuses = null, settings = {}, fails = null, sampleRate = 48_000, isSecureContext = true } = {}) {
  const made = { constraints: [], contexts: [], nodes: [], recorders: [], stopped: 0 };
  class Track extends EventTarget {
    label = "Headset";
    getSettings = () => settings;
    stop = () => (made.stopped += 1);
  }
  const track = new Track();
  const stream = { getAudioTracks: () => [track], getTracks: () => [track] };
  const mediaDevices = {
    getUserMedia: async (constraints) => {
      made.constraints.push(constraints);
      if (refuses !== null) throw new DOMException("no", refuses);
      return stream;
    },
    enumerateDevices: async () => [
      { kind: "audioinput", deviceId: "a", label: "Headset" },
      { kind: "audioinput", deviceId: "", label: "" },
      { kind: "videoinput", deviceId: "c", label: "Camera" },
    ],
  };
  class AudioContextClass {
    sampleRate = sampleRate;
    state = "running";

    constructor() {
      made.contexts.push(this);
    }

    get audioWorklet() {
      return { addModule: async () => { if (fails !== null) throw fails; } };
    }

    createMediaStreamSource = () => ({ connect() {}, disconnect: () => (made.isDisconnected = true) });
    resume = async () => {};
    close = async () => (this.state = "closed");
  }
  class AudioWorkletNodeClass {
    /** What the worklet was sent; it responds to "flush" as the real one does. */
    port = { onmessage: null, postMessage: () => this.port.onmessage({ data: "flushed" }) };

    constructor(context, name, options) {
      Object.assign(this, { name, options });
      made.nodes.push(this);
    }

    /** The worklet sends a block. */
    deliver(...channels) {
      this.port.onmessage({ data: { channels: channels.map((samples) => Float32Array.from(samples)) } });
    }
  }
  class MediaRecorderClass extends EventTarget {
    static isTypeSupported = (type) => type === WEBM.type;
    state = "recording";

    constructor(given, options) {
      super();
      this.options = options;
      made.recorders.push(this);
    }

    start = (part) => (this.part = part);

    deliver(text) {
      this.dispatchEvent(Object.assign(new Event("dataavailable"), { data: new Blob([text]) }));
    }

    stop() {
      this.state = "inactive";
      this.deliver("end");
      this.dispatchEvent(new Event("stop"));
    }
  }
  const recorder = new SoundRecorder({ mediaDevices, AudioContextClass, AudioWorkletNodeClass, MediaRecorderClass, scope: { isSecureContext, host: "host" } });
  const ended = [];
  recorder.addEventListener("ended", ({ detail }) => ended.push(detail));
  return { recorder, made, track, ended };
}

const view = async (blob) => new DataView(await blob.arrayBuffer());

test("it asks for the device, the rate and the channels, with all processing off", async () => {
  const { recorder, made } = browser({ settings: { sampleRate: 16_000, channelCount: 2, echoCancellation: false, noiseSuppression: true } });
  assert.equal(recorder.granted, null);
  await recorder.start({ deviceId: "a", rate: 16_000, channels: 2, format: WAV16 });
  const [{ audio, video }] = made.constraints;
  assert.equal(video, false);
  assert.deepEqual(audio, { channelCount: { ideal: 2 }, echoCancellation: false, noiseSuppression: false, autoGainControl: false, voiceIsolation: false, deviceId: { exact: "a" }, sampleRate: { ideal: 16_000 } });
  assert.equal(made.nodes[0].options.channelCount, 2);
  const { label, sampleRate, echoCancellation, noiseSuppression, autoGainControl } = recorder.granted;
  assert.deepEqual({ label, sampleRate, echoCancellation, noiseSuppression, autoGainControl }, { label: "Headset", sampleRate: 16_000, echoCancellation: "off", noiseSuppression: "on", autoGainControl: "unknown" });
  await recorder.stop();
  assert.equal(recorder.granted, null);
});

test("floats at the device's rate are written as they were delivered", async () => {
  const { recorder, made } = browser({ sampleRate: 44_100 });
  await recorder.start({ rate: null, channels: 2, format: WAV32 });
  made.nodes[0].deliver([0.1, 0.2], [-0.1, -0.2]);
  made.nodes[0].deliver([0.3], [-0.3]);
  const blob = await recorder.stop();
  const file = await view(blob);
  assert.equal(blob.type, "audio/wav");
  assert.deepEqual([file.getUint16(22, true), file.getUint32(24, true)], [2, 44_100]);
  const samples = [0, 1, 2, 3, 4, 5].map((at) => file.getFloat32(58 + 4 * at, true));
  assert.deepEqual(samples, [...Float32Array.of(0.1, -0.1, 0.2, -0.2, 0.3, -0.3)]);
});

test("another rate is resampled: a tone keeps its length and its level", async () => {
  const { recorder, made } = browser({ sampleRate: 48_000 });
  await recorder.start({ rate: 16_000, channels: 1, format: WAV32 });
  const tone = Float32Array.from({ length: 48_000 }, (_, at) => 0.5 * Math.sin((2 * Math.PI * 1_000 * at) / 48_000));
  for (let at = 0; at < tone.length; at += 4_096) made.nodes[0].deliver(tone.subarray(at, at + 4_096));
  const file = await view(await recorder.stop());
  const count = file.getUint32(46, true);
  assert.equal(file.getUint32(24, true), 16_000);
  assert.ok(Math.abs(count - 16_000) <= 1, `${count} samples`);
  let square = 0;
  for (let at = 4_000; at < 12_000; at += 1) square += file.getFloat32(58 + 4 * at, true) ** 2;
  assert.ok(Math.abs(Math.sqrt(square / 8_000) - 0.5 / Math.SQRT2) < 1e-3);
});

test("other formats are MediaRecorder's parts, one after the other", async () => {
  const { recorder, made } = browser();
  assert.deepEqual(recorder.abilities.isSupported(WEBM.type), true);
  await recorder.start({ rate: null, channels: 1, format: WEBM });
  const [media] = made.recorders;
  assert.deepEqual([media.options.mimeType, made.contexts.length], [WEBM.type, 0]);
  media.deliver("one ");
  media.deliver("");
  media.deliver("two ");
  const blob = await recorder.stop();
  assert.deepEqual([blob.type, await blob.text()], ["audio/webm", "one two end"]);
});

test("nothing stays open after the end, nor where nothing was recorded", async () => {
  const { recorder, made } = browser();
  assert.equal(await recorder.stop(), null);
  await recorder.start({ rate: null, channels: 1, format: WAV16 });
  assert.equal(await recorder.stop(), null);
  assert.deepEqual([made.stopped, made.contexts[0].state, made.isDisconnected, recorder.stream], [1, "closed", true, null]);
});

test("a refusal is a SoundError; a fault while it opens closes what was opened", async () => {
  const refused = browser({ refuses: "NotAllowedError" });
  await assert.rejects(refused.recorder.start({ channels: 1, format: WAV16 }), { code: "denied" });
  const failing = browser({ fails: new Error("The module cannot be loaded.") });
  await assert.rejects(failing.recorder.start({ channels: 1, format: WAV16 }), { code: "failed" });
  assert.deepEqual([failing.made.stopped, failing.made.contexts[0].state, failing.recorder.stream], [1, "closed", null]);
  const none = new SoundRecorder({ mediaDevices: undefined, scope: { isSecureContext: false, host: "host" } });
  assert.equal(none.unavailable.code, "insecure");
  await assert.rejects(none.start({ channels: 1, format: WAV16 }), { code: "insecure" });
  assert.deepEqual(await none.devices(), []);
});

test("a device that is disconnected ends the recording; what was recorded is there", async () => {
  const { recorder, made, track, ended } = browser();
  await recorder.start({ rate: null, channels: 1, format: WAV16 });
  made.nodes[0].deliver([0.5, 0.5]);
  track.dispatchEvent(new Event("ended"));
  assert.deepEqual(ended.map(({ code, text }) => [code, text.values]), [["lost", { label: "Headset" }]]);
  assert.equal((await recorder.stop()).size, 44 + 4);
  track.dispatchEvent(new Event("ended"));
  assert.equal(ended.length, 1);
});

test("an audio thread or a MediaRecorder that fails is reported", async () => {
  const worklet = browser();
  await worklet.recorder.start({ rate: null, channels: 1, format: WAV16 });
  worklet.made.nodes[0].onprocessorerror();
  assert.deepEqual(worklet.ended.map(({ message }) => message), ["The audio thread stopped."]);
  const media = browser();
  await media.recorder.start({ rate: null, channels: 1, format: WEBM });
  media.made.recorders[0].dispatchEvent(Object.assign(new Event("error"), { error: new Error("The encoder failed.") }));
  assert.deepEqual(media.ended.map(({ message }) => message), ["The encoder failed."]);
});

test("devices are microphones that the browser names by an id", async () => {
  assert.deepEqual(await browser().recorder.devices(), [{ deviceId: "a", label: "Headset" }]);
});
