/**
 * The audio pipeline in the browser: a microphone or a file runs through it while one listens and changes it.
 *
 * The context runs at the device's rate. The microphone is opened without the browser's own processing; what the
 * browser granted is in `granted`. Where AudioWorklet is missing, `isSupported` is false: pipeline-offline.js then
 * has the service process a file.
 *
 * Events: `report` (detail as worklets/pipeline-worklet.js sends it, and `sampleRate`), `ended` (the file or the
 * microphone ended; detail: SoundError or null), `failed` (the audio thread stopped; detail: Error).
 */

import { SoundError, disconnected, refusal, unavailable } from "./sound-errors.js";

const WORKLET = new URL("./worklets/pipeline-worklet.js", import.meta.url);
/** A changed volume is reached in about this many seconds. */
const FADE = 0.02;

/** The stages are late by a quarter of a second anyway; with large buffers a busy machine drops nothing. */
const LATENCY = "playback";

/** What browsers do to microphones unless asked not to. */
export const PROCESSING = ["echoCancellation", "noiseSuppression", "autoGainControl", "voiceIsolation"];

/** Each kind of processing as granted: "on", "off" or "unknown"; absent is not off. `settings` of a track. */
export function grantedProcessing(settings) {
  const word = (value) => (value === undefined ? "unknown" : value === false ? "off" : "on");
  return Object.fromEntries(PROCESSING.map((name) => [name, word(settings[name])]));
}

/** The drop-outs of a context: {events, seconds, of: seconds played}, or null where the browser cannot say. */
export function underruns(context) {
  const stats = context?.playbackStats;
  if (!stats || typeof stats.underrunEvents !== "number") return null;
  return { events: stats.underrunEvents, seconds: stats.underrunDuration, of: stats.totalDuration };
}

export class PipelineNode extends EventTarget {
  #settings;
  #mediaDevices;
  #AudioContextClass;
  #AudioWorkletNodeClass;
  #scope;
  #listensTo = "final";
  #taps = [];
  #volume = 0;

  #context = null;
  #node = null;
  #monitor = null;
  #stream = null;
  #source = null;
  #starting = null;

  /** `settings`: complete, as in an exported file. */
  constructor(
    settings,
    {
      mediaDevices = globalThis.navigator?.mediaDevices,
      AudioContextClass = globalThis.AudioContext,
      AudioWorkletNodeClass = globalThis.AudioWorkletNode,
      scope = { isSecureContext: globalThis.isSecureContext, host: globalThis.location?.host },
    } = {},
  ) {
    super();
    this.#settings = settings;
    this.#mediaDevices = mediaDevices;
    this.#AudioContextClass = AudioContextClass;
    this.#AudioWorkletNodeClass = AudioWorkletNodeClass;
    this.#scope = scope;
  }

  /** Whether this browser can run the pipeline itself. Pages that are not secure have no worklets. */
  get isSupported() {
    return Boolean(this.#AudioWorkletNodeClass && this.#AudioContextClass && "audioWorklet" in this.#AudioContextClass.prototype);
  }

  get isRunning() {
    return this.#node !== null;
  }

  /** The context's rate in Hz, or null while it is stopped. */
  get sampleRate() {
    return this.#context?.sampleRate ?? null;
  }

  /** {label, sampleRate, channelCount, latency in seconds, echoCancellation, …} of the open microphone, or null. */
  get granted() {
    const track = this.#stream?.getAudioTracks()[0];
    if (!track) return null;
    const settings = track.getSettings();
    return { label: track.label, sampleRate: settings.sampleRate ?? null, channelCount: settings.channelCount ?? null, latency: settings.latency ?? null, ...grantedProcessing(settings) };
  }

  /** Of the running context: see `underruns`. */
  get underruns() {
    return underruns(this.#context);
  }

  /** [{deviceId, label}]; labels are empty until a microphone was allowed once. */
  async devices() {
    const all = (await this.#mediaDevices?.enumerateDevices?.()) ?? [];
    return all.filter(({ kind, deviceId }) => kind === "audioinput" && deviceId !== "").map(({ deviceId, label }) => ({ deviceId, label }));
  }

  /**
   * Run the pipeline on a microphone ({deviceId}), or on a file ({data: ArrayBuffer, loops}). Call it from a click:
   * browsers start sound only then. Resolves when it runs; rejects with SoundError. While it runs, it is restarted.
   */
  async start(input = {}) {
    await this.stop();
    const starting = this.#open(input);
    this.#starting = starting;
    try {
      await starting;
    } catch (error) {
      if (this.#starting === starting) await this.stop();
      throw error instanceof SoundError ? error : refusal(error);
    }
  }

  /** Stop it and close the device. May be called at any time. */
  async stop() {
    const starting = this.#starting;
    this.#starting = null;
    await starting?.catch(() => null);
    const context = this.#context;
    if (this.#node !== null) {
      this.#node.port.onmessage = null;
      this.#node.port.postMessage("stop");
      this.#node.disconnect();
    }
    for (const track of this.#stream?.getTracks() ?? []) track.stop();
    if (this.#source instanceof EventTarget) this.#source.onended = null;
    this.#source?.disconnect();
    this.#context = this.#node = this.#monitor = this.#stream = this.#source = null;
    if (context !== null && context.state !== "closed") await context.close();
  }

  /** Continue with other settings. */
  change(settings) {
    this.#settings = settings;
    this.#node?.port.postMessage({ settings });
  }

  /** Listen to what leaves `stage`. */
  listenTo(stage) {
    this.#listensTo = stage;
    this.#node?.port.postMessage({ listen: stage });
  }

  /** Report the samples that leave these stages, too. */
  tap(stages) {
    this.#taps = [...stages];
    this.#node?.port.postMessage({ taps: this.#taps });
  }

  /** How loud one listens, as a factor; 0 until it is set. */
  set volume(volume) {
    this.#volume = volume;
    this.#monitor?.gain.setTargetAtTime(volume, this.#context.currentTime, FADE);
  }

  async #open({ deviceId = "", data = null, loops = true }) {
    const error = data === null ? unavailable({ ...this.#scope, mediaDevices: this.#mediaDevices }) : null;
    if (error) throw error;
    this.#context = new this.#AudioContextClass({ latencyHint: LATENCY });
    await this.#context.audioWorklet.addModule(WORKLET);
    this.#source = data === null ? await this.#openDevice(deviceId) : await this.#openFile(data, loops);
    this.#node = new this.#AudioWorkletNodeClass(this.#context, "pipeline", {
      numberOfInputs: 1,
      numberOfOutputs: 1,
      outputChannelCount: [1],
      processorOptions: { settings: this.#settings, listen: this.#listensTo, taps: this.#taps },
    });
    this.#node.port.onmessage = ({ data: report }) => this.dispatchEvent(new CustomEvent("report", { detail: { ...report, sampleRate: this.#context.sampleRate } }));
    this.#node.onprocessorerror = () => this.#fail(new Error("The audio thread stopped."));
    this.#monitor = new GainNode(this.#context, { gain: this.#volume });
    this.#source.connect(this.#node).connect(this.#monitor).connect(this.#context.destination);
    await this.#context.resume();
    this.#source.start?.();
  }

  async #openDevice(deviceId) {
    const audio = { channelCount: { ideal: 1 }, ...Object.fromEntries(PROCESSING.map((name) => [name, false])) };
    if (deviceId) audio.deviceId = { exact: deviceId };
    this.#stream = await this.#mediaDevices.getUserMedia({ audio, video: false });
    const [track] = this.#stream.getAudioTracks();
    track.addEventListener("ended", () => this.#stream?.getTracks().includes(track) && this.#end(disconnected(track.label)));
    return this.#context.createMediaStreamSource(this.#stream);
  }

  async #openFile(data, loops) {
    // decodeAudioData takes the buffer away.
    const buffer = await this.#context.decodeAudioData(data.slice(0));
    const source = new AudioBufferSourceNode(this.#context, { buffer, loop: loops });
    source.onended = () => this.#end(null);
    return source;
  }

  async #end(error) {
    await this.stop();
    this.dispatchEvent(new CustomEvent("ended", { detail: error }));
  }

  async #fail(error) {
    await this.stop();
    this.dispatchEvent(new CustomEvent("failed", { detail: error }));
  }
}
