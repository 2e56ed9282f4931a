/** The browser's audio parts without a device. */

export class FakeTrack extends EventTarget {
  isStopped = false;
  muted = false;

  constructor(label, settings, kind = "audio") {
    super();
    this.label = label;
    this.settings = settings;
    this.kind = kind;
  }

  getSettings() {
    return this.settings;
  }

  stop() {
    this.isStopped = true;
  }
}

export class FakeStream {
  constructor(tracks) {
    this.tracks = tracks;
  }

  getTracks() {
    return [...this.tracks];
  }

  getAudioTracks() {
    return this.tracks.filter(({ kind }) => kind === "audio");
  }

  getVideoTracks() {
    return this.tracks.filter(({ kind }) => kind === "video");
  }

  removeTrack(track) {
    this.tracks = this.tracks.filter((each) => each !== track);
  }
}

export class FakeMediaDevices extends EventTarget {
  asked = [];
  tracks = [];
  refuse = null;
  settings = { deviceId: "d1", echoCancellation: false, noiseSuppression: false, autoGainControl: true };
  list = [
    { kind: "audioinput", deviceId: "d1", label: "Built-in" },
    { kind: "audiooutput", deviceId: "s1", label: "Speakers" },
    { kind: "audioinput", deviceId: "d2", label: "Headset" },
  ];

  async getUserMedia(constraints) {
    this.asked.push(constraints);
    if (this.refuse) throw Object.assign(new Error("refused"), { name: this.refuse });
    const track = new FakeTrack("Built-in", this.settings);
    this.tracks.push(track);
    return new FakeStream([track]);
  }

  async enumerateDevices() {
    return this.list;
  }
}

/** A node of the graph; `to`: what it is connected to. */
class FakeNode {
  to = null;

  constructor(kind, properties) {
    Object.assign(this, { kind, ...properties });
  }

  connect(node) {
    this.to = node;
    (node.from ??= new Set()).add(this);
  }

  disconnect() {
    this.to?.from.delete(this);
    this.to = null;
  }
}

/** AudioContext and AudioWorkletNode classes; `fixedRate`: connects no source at another rate, as Firefox does. */
export function fakeAudio({ fixedRate = null } = {}) {
  const contexts = [];
  const nodes = [];
  class AudioContextClass extends EventTarget {
    state = "running";
    /** Whether the browser lets it go on when it is asked. */
    mayResume = true;
    modules = [];
    audioWorklet = { addModule: async (url) => this.modules.push(String(url)) };

    constructor({ sampleRate = fixedRate ?? 48_000 } = {}) {
      super();
      this.sampleRate = sampleRate;
      contexts.push(this);
    }

    createMediaStreamSource(stream) {
      if (fixedRate !== null && this.sampleRate !== fixedRate) throw Object.assign(new Error("rate"), { name: "NotSupportedError" });
      return new FakeNode("source", { stream });
    }

    createGain() {
      const changes = [];
      return new FakeNode("gain", { gain: { value: 1, changes, setTargetAtTime: (value) => changes.push(value) } });
    }

    createAnalyser() {
      return new FakeNode("meter", { fftSize: 0, getFloatTimeDomainData: (samples) => samples.fill(0.5) });
    }

    async resume() {
      if (!this.mayResume) throw new Error("interrupted");
      this.state = "running";
    }

    /** The browser pauses it. */
    suspend(state = "suspended") {
      this.state = state;
      this.dispatchEvent(new Event("statechange"));
    }

    async close() {
      this.state = "closed";
    }
  }
  class AudioWorkletNodeClass extends EventTarget {
    /** What the audio thread gives when it is asked for the rest. */
    rest = [];
    port = {
      onmessage: null,
      postMessage: (message) => {
        if (message !== "flush" || this.isDead) return;
        for (const block of this.rest) this.port.onmessage?.({ data: block });
        this.port.onmessage?.({ data: "flushed" });
      },
    };

    constructor(context, name, options) {
      super();
      Object.assign(this, { context, name, options });
      nodes.push(this);
    }

    give(block) {
      this.port.onmessage?.({ data: block });
    }
  }
  return { AudioContextClass, AudioWorkletNodeClass, contexts, nodes };
}
