/**
 * Records a microphone into a file: WAV by an AudioWorklet at the context's rate and our own resampler, other formats
 * by MediaRecorder. The browser's own processing is off; what was granted is in `granted`.
 *
 * Events: `ended` (the device was disconnected, or recording failed; detail: SoundError or Error). What was recorded
 * until then is returned by `stop`.
 */

import { grantedProcessing, PROCESSING } from "./pipeline-node.js";
import { Resampler } from "./kernels/resampler.js";
import { disconnected, refusal, SoundError, unavailable } from "./sound-errors.js";
import { wavFile } from "./wav.js";

const WORKLET = new URL("./worklets/record-worklet.js", import.meta.url);
/** Milliseconds between two parts of MediaRecorder's file. */
const PART = 1_000;

export class SoundRecorder extends EventTarget {
  #browser;
  #stream = null;
  #context = null;
  #writer = null;

  constructor({
    mediaDevices = globalThis.navigator?.mediaDevices,
    AudioContextClass = globalThis.AudioContext,
    AudioWorkletNodeClass = globalThis.AudioWorkletNode,
    MediaRecorderClass = globalThis.MediaRecorder,
    scope = { isSecureContext: globalThis.isSecureContext, host: globalThis.location?.host },
  } = {}) {
    super();
    this.#browser = { mediaDevices, AudioContextClass, AudioWorkletNodeClass, MediaRecorderClass, scope };
  }

  /** For `supportedFormats`. */
  get abilities() {
    const { AudioContextClass, AudioWorkletNodeClass, MediaRecorderClass } = this.#browser;
    return {
      hasWorklets: Boolean(AudioWorkletNodeClass && AudioContextClass && "audioWorklet" in AudioContextClass.prototype),
      isSupported: MediaRecorderClass ? (type) => MediaRecorderClass.isTypeSupported(type) : null,
    };
  }

  /** The SoundError where this page can have no microphone, or null. */
  get unavailable() {
    return unavailable({ ...this.#browser.scope, mediaDevices: this.#browser.mediaDevices });
  }

  /** {label, sampleRate, channelCount, echoCancellation, …} of the open microphone, or null. */
  get granted() {
    const track = this.#stream?.getAudioTracks()[0];
    if (!track) return null;
    const settings = track.getSettings();
    return { label: track.label, sampleRate: settings.sampleRate ?? null, channelCount: settings.channelCount ?? null, ...grantedProcessing(settings) };
  }

  /** For a meter; null while it is closed. */
  get stream() {
    return this.#stream;
  }

  /** [{deviceId, label}]; labels are empty until a microphone was allowed once. */
  async devices() {
    const all = (await this.#browser.mediaDevices?.enumerateDevices?.()) ?? [];
    return all.filter(({ kind, deviceId }) => kind === "audioinput" && deviceId !== "").map(({ deviceId, label }) => ({ deviceId, label }));
  }

  /** Begin. `rate`: Hz or null, the device's own; `format`: of recording-formats.js. Rejects with SoundError. */
  async start({ deviceId = "", rate = null, channels = 1, format }) {
    const error = this.unavailable;
    if (error) throw error;
    const audio = { channelCount: { ideal: channels }, ...Object.fromEntries(PROCESSING.map((name) => [name, false])) };
    if (deviceId) audio.deviceId = { exact: deviceId };
    if (rate !== null) audio.sampleRate = { ideal: rate };
    try {
      this.#stream = await this.#browser.mediaDevices.getUserMedia({ audio, video: false });
      const [track] = this.#stream.getAudioTracks();
      track.addEventListener("ended", () => this.#stream?.getTracks().includes(track) && this.#report(disconnected(track.label)));
      this.#writer = format.type === null ? await this.#openWorklet(rate, channels, format) : this.#openRecorder(format);
    } catch (failure) {
      await this.#close();
      throw failure instanceof SoundError ? failure : refusal(failure);
    }
  }

  /** End. Resolves to the file as a Blob, or null where nothing was recorded. */
  async stop() {
    const writer = this.#writer;
    this.#writer = null;
    try {
      return writer === null ? null : await writer();
    } finally {
      await this.#close();
    }
  }

  #report(error) {
    this.dispatchEvent(new CustomEvent("ended", { detail: error }));
  }

  #openRecorder({ type }) {
    const parts = [];
    const recorder = new this.#browser.MediaRecorderClass(this.#stream, { mimeType: type });
    const stopped = new Promise((resolve) => recorder.addEventListener("stop", resolve, { once: true }));
    recorder.addEventListener("dataavailable", ({ data }) => data.size > 0 && parts.push(data));
    recorder.addEventListener("error", ({ error }) => this.#report(error ?? new Error("Recording failed.")));
    recorder.start(PART);
    return async () => {
      if (recorder.state !== "inactive") recorder.stop();
      await stopped;
      return parts.length === 0 ? null : new Blob(parts, { type: type.split(";")[0] });
    };
  }

  async #openWorklet(rate, channels, { isFloat }) {
    const context = new this.#browser.AudioContextClass();
    this.#context = context;
    await context.audioWorklet.addModule(WORKLET);
    const node = new this.#browser.AudioWorkletNodeClass(context, "record", { numberOfInputs: 1, numberOfOutputs: 0, channelCount: channels, channelCountMode: "explicit" });
    const target = rate ?? context.sampleRate;
    const tracks = Array.from({ length: channels }, () => new Track(context.sampleRate, target));
    let flushed;
    const end = new Promise((resolve) => (flushed = resolve));
    node.port.onmessage = ({ data }) => (data === "flushed" ? flushed() : tracks.forEach((track, index) => track.add(data.channels[index])));
    node.onprocessorerror = () => (flushed(), this.#report(new Error("The audio thread stopped.")));
    const source = context.createMediaStreamSource(this.#stream);
    source.connect(node);
    await context.resume();
    return async () => {
      node.port.postMessage("flush");
      await end;
      source.disconnect();
      const samples = tracks.map((track) => track.end());
      return samples[0].length === 0 ? null : new Blob([wavFile(samples, target, { isFloat })], { type: "audio/wav" });
    };
  }

  async #close() {
    const context = this.#context;
    for (const track of this.#stream?.getTracks() ?? []) track.stop();
    this.#stream = this.#context = this.#writer = null;
    if (context !== null && context.state !== "closed") await context.close();
  }
}

/** One channel: its blocks, at the target rate. */
class Track {
  #resampler;
  #blocks = [];
  #count = 0;

  constructor(rate, target) {
    this.#resampler = rate === target ? null : new Resampler(rate, target);
  }

  add(samples) {
    const block = this.#resampler?.process(samples) ?? samples;
    this.#blocks.push(block);
    this.#count += block.length;
  }

  end() {
    if (this.#resampler !== null) {
      const rest = this.#resampler.flush();
      this.#blocks.push(rest);
      this.#count += rest.length;
    }
    const all = new Float32Array(this.#count);
    let at = 0;
    for (const block of this.#blocks) {
      all.set(block, at);
      at += block.length;
    }
    return all;
  }
}
