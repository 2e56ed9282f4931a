/** The host of the pipeline: what was granted, drop-outs, and that a stopped one leaves nothing open. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { grantedProcessing, PipelineNode, underruns } from "../../static/js/audio/pipeline-node.js";
import { processed } from "../../static/js/audio/pipeline-offline.js";

class Node_ extends EventTarget {
  isConnected = false;

  connect(target) {
    this.isConnected = true;
    return target;
  }

  disconnect() {
    this.isConnected = false;
  }
}

/** An AudioContext, and everything that was made of it. */
function browser({ fails = null, settings = {} } = {}) {
  const made = { contexts: [], nodes: [], tracks: [], constraints: [], sent: [] };
  class AudioContext {
    sampleRate = 44_100;
    state = "running";
    currentTime = 0;
    destination = new Node_();

    constructor() {
      made.contexts.push(this);
    }

    get audioWorklet() {
      return { addModule: async () => {} };
    }

    createMediaStreamSource() {
      const node = new Node_();
      made.nodes.push(node);
      return node;
    }

    async resume() {}

    async close() {
      this.state = "closed";
    }
  }
  class AudioWorkletNode extends Node_ {
    port = { postMessage: (message) => made.sent.push(message), onmessage: null };

    constructor(context, name, options) {
      super();
      made.nodes.push(this);
      made.options = options;
      made.worklet = this;
    }
  }
  const track = Object.assign(new EventTarget(), { label: "Mic", stopped: false, stop: () => (track.stopped = true), getSettings: () => settings });
  globalThis.GainNode = class extends Node_ {
    gain = { setTargetAtTime: (value) => (made.volume = value) };
  };
  const mediaDevices = {
    getUserMedia: async (constraints) => {
      if (fails) throw fails;
      made.constraints.push(constraints);
      made.tracks.push(track);
      return { getAudioTracks: () => [track], getTracks: () => [track] };
    },
  };
  const node = new PipelineNode({ name: "settings" }, { mediaDevices, AudioContextClass: AudioContext, AudioWorkletNodeClass: AudioWorkletNode, scope: { isSecureContext: true, host: "here" } });
  return { made, node, track };
}

test("what is absent is unknown, not off", () => {
  assert.deepEqual(grantedProcessing({ echoCancellation: false, noiseSuppression: true, autoGainControl: "remote-only" }), {
    echoCancellation: "off",
    noiseSuppression: "on",
    autoGainControl: "on",
    voiceIsolation: "unknown",
  });
});

test("all four kinds of processing are asked to be off", async () => {
  const { made, node } = browser({ settings: { echoCancellation: false, sampleRate: 48_000 } });
  await node.start({ deviceId: "usb" });
  const [{ audio }] = made.constraints;
  assert.deepEqual([audio.echoCancellation, audio.noiseSuppression, audio.autoGainControl, audio.voiceIsolation, audio.deviceId], [false, false, false, false, { exact: "usb" }]);
  assert.deepEqual([node.granted.label, node.granted.sampleRate, node.granted.echoCancellation, node.granted.voiceIsolation], ["Mic", 48_000, "off", "unknown"]);
  assert.equal(node.sampleRate, 44_100);
});

test("changes reach the audio thread, and what was set before it runs, too", async () => {
  const { made, node } = browser();
  node.listenTo("noise");
  node.tap(["original"]);
  node.change({ name: "other" });
  await node.start();
  assert.deepEqual(made.options.processorOptions, { settings: { name: "other" }, listen: "noise", taps: ["original"] });
  node.change({ name: "third" });
  node.listenTo("vad");
  assert.deepEqual(made.sent, [{ settings: { name: "third" } }, { listen: "vad" }]);
  const reports = [];
  node.addEventListener("report", ({ detail }) => reports.push(detail));
  made.worklet.port.onmessage({ data: { at: 735 } });
  assert.deepEqual(reports, [{ at: 735, sampleRate: 44_100 }]);
});

test("stopped, the device is closed and nothing is connected", async () => {
  const { made, node, track } = browser();
  await node.start();
  await node.stop();
  await node.stop();
  assert.ok(track.stopped);
  assert.deepEqual(made.contexts.map(({ state }) => state), ["closed"]);
  assert.deepEqual(made.nodes.map(({ isConnected }) => isConnected), [false, false]);
  assert.equal(node.isRunning, false);
  assert.equal(node.granted, null);
});

test("a microphone that is refused is explained, and leaves no context open", async () => {
  const { made, node } = browser({ fails: Object.assign(new Error("no"), { name: "NotAllowedError" }) });
  await assert.rejects(node.start(), ({ code }) => code === "denied");
  assert.equal(made.contexts[0].state, "closed");
});

test("a microphone that is unplugged ends it", async () => {
  const { node, track } = browser();
  await node.start();
  const ended = new Promise((resolve) => node.addEventListener("ended", ({ detail }) => resolve(detail)));
  track.dispatchEvent(new Event("ended"));
  assert.equal((await ended).code, "lost");
  assert.equal(node.isRunning, false);
});

test("drop-outs are counted where the browser counts them", () => {
  assert.equal(underruns(null), null);
  assert.equal(underruns({}), null);
  assert.deepEqual(underruns({ playbackStats: { underrunEvents: 2, underrunDuration: 0.1, totalDuration: 9 } }), { events: 2, seconds: 0.1, of: 9 });
});

test("without AudioWorklet it is not supported", () => {
  assert.equal(new PipelineNode({}, { mediaDevices: {}, AudioContextClass: class {}, AudioWorkletNodeClass: undefined }).isSupported, false);
  assert.equal(browser().node.isSupported, true);
});

test("a recording is processed in a worker, which is ended", async () => {
  const workers = [];
  class Worker {
    terminated = false;

    constructor() {
      workers.push(this);
    }

    postMessage(message) {
      queueMicrotask(() => this.onmessage({ data: { progress: 0.5 } }));
      queueMicrotask(() => (message.samples.length === 0 ? this.onerror({ message: "broken" }) : this.onmessage({ data: { samples: message.samples } })));
    }

    terminate() {
      this.terminated = true;
    }
  }
  const progress = [];
  const samples = Float32Array.of(1);
  assert.deepEqual(await processed({ samples, sampleRate: 8000, settings: {} }, { report: (share) => progress.push(share), WorkerClass: Worker }), { samples });
  assert.deepEqual(progress, [0.5]);
  await assert.rejects(processed({ samples: new Float32Array(0), sampleRate: 8000, settings: {} }, { WorkerClass: Worker }), /broken/);
  assert.ok(workers.every(({ terminated }) => terminated));
});
