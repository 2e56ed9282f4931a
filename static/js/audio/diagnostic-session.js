/**
 * Sound that is measured: a microphone or a file, through the pipeline, at two taps. The measuring runs in a worker.
 *
 * The microphone is opened with all four kinds of processing off; `granted` is what the browser says about each.
 *
 * Events:
 * - `frame`   detail: what a block added (analysis/diagnosis.js)
 * - `ended`   detail: {reason: "file" | "device"}; measuring has ended
 * - `failed`  detail: Error; measuring has ended
 *
 * The mutable state: the worker, the context with its nodes, and the stream of the microphone, all of the present
 * measurement; all are null between two.
 */

const WORKER = new URL("./workers/diagnostic-worker.js", import.meta.url);
const SAMPLES = new URL("./worklets/sample-worklet.js", import.meta.url);
const PLAYBACK = new URL("./worklets/playback-worklet.js", import.meta.url);

/** The four kinds of processing. */
export const CONSTRAINTS = ["echoCancellation", "noiseSuppression", "autoGainControl", "voiceIsolation"];

/** Each kind as granted: "on", "off", "unknown", or another value that the browser gives. What is absent is not off. */
export function grantedProcessing(settings) {
  const word = (value) => (value === undefined || value === null ? "unknown" : value === false ? "off" : value === true ? "on" : `on (${value})`);
  return Object.fromEntries(CONSTRAINTS.map((name) => [name, word(settings[name])]));
}

/** The sample rate in the header of a WAV file, or null. */
export function wavRate(bytes) {
  const view = new DataView(bytes);
  const text = (at) => (at + 4 <= view.byteLength ? String.fromCharCode(...new Uint8Array(bytes, at, 4)) : "");
  if (text(0) !== "RIFF" || text(8) !== "WAVE") return null;
  for (let at = 12; at + 16 <= view.byteLength; at += 8 + view.getUint32(at + 4, true) + (view.getUint32(at + 4, true) % 2)) {
    if (text(at) === "fmt ") return view.getUint32(at + 12, true);
  }
  return null;
}

/** Browsers make contexts of these rates. */
const isPossibleRate = (rate) => rate !== null && rate >= 8_000 && rate <= 96_000;

export class DiagnosticSession extends EventTarget {
  #parts;
  #worker = null;
  #context = null;
  #stream = null;
  #node = null;
  #playback = null;
  #reports = [];

  /** The browser's parts, which a test replaces. */
  constructor({
    makeWorker = () => new Worker(WORKER, { type: "module" }),
    AudioContextClass = globalThis.AudioContext,
    OfflineAudioContextClass = globalThis.OfflineAudioContext,
    AudioWorkletNodeClass = globalThis.AudioWorkletNode,
    mediaDevices = globalThis.navigator?.mediaDevices,
    scope = { isSecureContext: globalThis.isSecureContext },
  } = {}) {
    super();
    this.#parts = { makeWorker, AudioContextClass, OfflineAudioContextClass, AudioWorkletNodeClass, mediaDevices, scope };
  }

  get isOpen() {
    return this.#worker !== null;
  }

  /** Why no microphone can be opened: a name of models/microphone-fault.js, or null. */
  get obstacle() {
    const { mediaDevices, scope, AudioWorkletNodeClass } = this.#parts;
    if (!mediaDevices?.getUserMedia) return scope.isSecureContext ? "NoMicrophones" : "Insecure";
    return AudioWorkletNodeClass === undefined ? "NoWorklets" : null;
  }

  /**
   * Measure the microphone. `options` {settings, taps, spectrum}. Resolves to {kind, label, sampleRate, channels,
   * granted}; rejects with an error whose name models/microphone-fault.js knows.
   */
  async openMicrophone(options) {
    this.close();
    if (this.obstacle !== null) throw named(this.obstacle);
    const { AudioContextClass, AudioWorkletNodeClass, mediaDevices } = this.#parts;
    const context = (this.#context = new AudioContextClass());
    try {
      await context.audioWorklet.addModule(SAMPLES);
      // Two channels, so that their phase correlation can be measured; a device with one gives one.
      const audio = { channelCount: { ideal: 2 }, ...Object.fromEntries(CONSTRAINTS.map((name) => [name, false])) };
      const stream = await mediaDevices.getUserMedia({ audio, video: false });
      if (this.#context !== context) {
        for (const track of stream.getTracks()) track.stop();
        throw named("Closed");
      }
      this.#stream = stream;
      const [track] = stream.getAudioTracks();
      track.addEventListener("ended", () => this.#stream === stream && this.#end("device"));
      const { port1, port2 } = new MessageChannel();
      this.#node = new AudioWorkletNodeClass(context, "samples", { numberOfInputs: 1, numberOfOutputs: 0 });
      this.#node.port.postMessage({ target: port1 }, [port1]);
      context.createMediaStreamSource(stream).connect(this.#node);
      this.#begin({ ...options, sampleRate: context.sampleRate, port: port2 }, [port2]);
      await context.resume();
      const settings = track.getSettings?.() ?? {};
      return { kind: "microphone", label: track.label, sampleRate: context.sampleRate, channels: settings.channelCount ?? null, granted: grantedProcessing(settings) };
    } catch (error) {
      if (this.#context === context) this.close();
      throw error;
    }
  }

  /** Measure a file. Resolves to {kind, label, sampleRate, channels, seconds}; rejects where it is no sound. */
  async openFile(file, options) {
    this.close();
    const bytes = await file.arrayBuffer();
    const rate = wavRate(bytes);
    const { OfflineAudioContextClass } = this.#parts;
    const decoder = new OfflineAudioContextClass(1, 1, isPossibleRate(rate) ? rate : 48_000);
    const buffer = await decoder.decodeAudioData(bytes);
    const { numberOfChannels } = buffer;
    const channels = numberOfChannels > 2 ? [mixed(buffer)] : Array.from({ length: numberOfChannels }, (_, index) => buffer.getChannelData(index).slice());
    this.#begin({ ...options, sampleRate: buffer.sampleRate, channels, mixed: numberOfChannels > 2 ? numberOfChannels : null }, channels.map((channel) => channel.buffer));
    return { kind: "file", label: file.name, sampleRate: buffer.sampleRate, fileRate: rate, channels: buffer.numberOfChannels, seconds: buffer.duration };
  }

  change(settings) {
    this.#send({ type: "settings", settings });
  }

  setTap(side, tap) {
    this.#send({ type: "tap", side, tap });
  }

  setSpectrum(spectrum) {
    this.#send({ type: "spectrum", spectrum });
  }

  resetPeaks() {
    this.#send({ type: "reset-peaks" });
  }

  /** Measure the rest of a file at once. */
  rush() {
    this.#send({ type: "rush" });
  }

  /** Play what is at a side's tap; null: nothing. Rejects where the browser cannot. */
  async listen(side) {
    if (!this.isOpen) return;
    if (this.#playback !== null || side === null) {
      this.#send({ type: "listen", side });
      return;
    }
    const { AudioContextClass, AudioWorkletNodeClass } = this.#parts;
    const context = (this.#context ??= new AudioContextClass());
    await context.audioWorklet.addModule(PLAYBACK);
    if (this.#context !== context) return;
    const { port1, port2 } = new MessageChannel();
    this.#playback = new AudioWorkletNodeClass(context, "playback", { numberOfInputs: 0, numberOfOutputs: 1 });
    this.#playback.port.postMessage({ source: port1 }, [port1]);
    this.#playback.connect(context.destination);
    this.#worker.postMessage({ type: "listen", side, port: port2, rate: context.sampleRate }, [port2]);
    await context.resume();
  }

  /** Everything that was measured so far. Resolves to null where nothing is open. */
  report() {
    if (!this.isOpen) return Promise.resolve(null);
    return new Promise((resolve) => {
      this.#reports.push(resolve);
      this.#send({ type: "report" });
    });
  }

  /**
   * What the browser says about drop-outs: {underruns, underrunSeconds} of the output, {dropped} frames of the
   * microphone; null where it does not say.
   */
  get dropOuts() {
    const stats = this.#context?.playbackStats;
    const track = this.#stream?.getAudioTracks()[0]?.stats;
    return {
      underruns: stats?.underrunEvents ?? null,
      underrunSeconds: stats?.underrunDuration ?? null,
      dropped: track?.totalFrames === undefined ? null : track.totalFrames - track.deliveredFrames,
    };
  }

  /** End the measurement. */
  close() {
    for (const track of this.#stream?.getTracks() ?? []) track.stop();
    this.#node?.port.postMessage({ isOpen: false });
    this.#playback?.port.postMessage({ isOpen: false });
    if (this.#context !== null && this.#context.state !== "closed") this.#context.close();
    this.#worker?.terminate();
    for (const resolve of this.#reports.splice(0)) resolve(null);
    this.#stream = null;
    this.#node = null;
    this.#playback = null;
    this.#context = null;
    this.#worker = null;
  }

  #begin(options, transfer) {
    const worker = (this.#worker = this.#parts.makeWorker());
    worker.onmessage = ({ data }) => this.#worker === worker && this.#receive(data);
    worker.onerror = (event) => this.#worker === worker && this.#fail(event.message || "the code that measures was not loaded");
    worker.postMessage({ type: "open", ...options }, transfer);
  }

  #send(message) {
    this.#worker?.postMessage(message);
  }

  #receive(data) {
    if (data.type === "frame") this.dispatchEvent(new CustomEvent("frame", { detail: data }));
    else if (data.type === "report") this.#reports.shift()?.(data.summary);
    else if (data.type === "ended") this.#end("file", data.summary);
    else if (data.type === "failed") this.#fail(data.message);
  }

  #end(reason, summary = null) {
    this.close();
    this.dispatchEvent(new CustomEvent("ended", { detail: { reason, summary } }));
  }

  #fail(message) {
    this.close();
    this.dispatchEvent(new CustomEvent("failed", { detail: new Error(message) }));
  }
}

const named = (name) => Object.assign(new Error(name), { name });

/** All channels of a buffer in one, as their mean. */
function mixed(buffer) {
  const samples = buffer.getChannelData(0).slice();
  for (let channel = 1; channel < buffer.numberOfChannels; channel += 1) {
    const other = buffer.getChannelData(channel);
    for (let n = 0; n < samples.length; n += 1) samples[n] += other[n];
  }
  if (buffer.numberOfChannels > 1) for (let n = 0; n < samples.length; n += 1) samples[n] /= buffer.numberOfChannels;
  return samples;
}
