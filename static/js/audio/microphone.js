/**
 * A microphone as 16-bit mono PCM at 16 kHz.
 *
 * It is opened with echo cancellation, noise suppression and gain control off: browsers turn them on unasked,
 * and what they leave of a voice is worse to transcribe. What the browser granted is said (`granted`).
 *
 * Events:
 * - `block`   detail: ArrayBuffer, 40 ms of PCM (the last one may be shorter)
 * - `ended`   detail: MicrophoneError; the device went away while it was open
 * - `devices` the list of devices may have changed
 */

import { RATE } from "./kernels/capture.js";

const BLOCK_MS = 40;
/** Stopping waits this long for the audio thread's last samples. */
const FLUSH_LIMIT = 500;

const WORKLET = new URL("./worklets/capture-worklet.js", import.meta.url);

/** Why there is no microphone, and what to do: `code`, `message`, `action`. */
export class MicrophoneError extends Error {
  constructor(code, message, action) {
    super(message);
    this.name = "MicrophoneError";
    this.code = code;
    this.action = action;
  }
}

/** The names of DOMException that getUserMedia rejects with, as words. */
const REFUSALS = {
  NotAllowedError: ["denied", "The browser does not let this page use the microphone.", "Allow it in the browser's address bar or its site settings, then start again."],
  SecurityError: ["denied", "The browser's settings forbid microphones on this page.", "Allow it in the browser's site settings, then start again."],
  NotFoundError: ["no_device", "No microphone was found.", "Plug one in or turn it on in the system's sound settings, then start again."],
  OverconstrainedError: ["device_gone", "The chosen microphone is not there any more.", "Choose another one, or plug it in again."],
  NotReadableError: ["busy", "The microphone could not be opened; another program may be using it.", "Close the other program or choose another microphone, then start again."],
  AbortError: ["busy", "The microphone could not be opened.", "Plug it in again or choose another one, then start again."],
};

/** What a rejected getUserMedia means. */
export function refusal(error) {
  const known = REFUSALS[error.name];
  if (known) return new MicrophoneError(...known);
  return new MicrophoneError("failed", `The microphone could not be opened: ${error.message || error.name}.`, "Start again, or choose another microphone.");
}

/** Why a page may have no microphone at all; null where it may. */
export function unavailable({ isSecureContext, mediaDevices, host }) {
  if (mediaDevices?.getUserMedia) return null;
  if (!isSecureContext) {
    return new MicrophoneError(
      "insecure",
      `Browsers give the microphone only to pages from https:// or from this machine; this one came from http://${host}.`,
      "Open it at http://localhost on the machine it runs on, or have it served over https. A recording can be opened without a microphone.",
    );
  }
  return new MicrophoneError("unsupported", "This browser has no access to microphones.", "Use a current Firefox, Chrome, Edge or Safari. A recording can be opened without a microphone.");
}

/** The three processings as granted: "on", "off" or "not said". */
export function granted(settings) {
  const word = (value) => (value === undefined ? "not said" : value === false ? "off" : "on");
  return {
    echoCancellation: word(settings.echoCancellation),
    noiseSuppression: word(settings.noiseSuppression),
    autoGainControl: word(settings.autoGainControl),
  };
}

export class Microphone extends EventTarget {
  #mediaDevices;
  #AudioContextClass;
  #AudioWorkletNodeClass;
  #scope;
  #timers;
  #deviceChange = () => this.dispatchEvent(new Event("devices"));

  #stream = null;
  #context = null;
  #source = null;
  #node = null;
  #starting = null;
  #stopping = null;

  constructor({
    mediaDevices = globalThis.navigator?.mediaDevices,
    AudioContextClass = globalThis.AudioContext,
    AudioWorkletNodeClass = globalThis.AudioWorkletNode,
    scope = { isSecureContext: globalThis.isSecureContext, host: globalThis.location?.host },
    timers = { setTimeout: globalThis.setTimeout.bind(globalThis), clearTimeout: globalThis.clearTimeout.bind(globalThis) },
  } = {}) {
    super();
    this.#mediaDevices = mediaDevices;
    this.#AudioContextClass = AudioContextClass;
    this.#AudioWorkletNodeClass = AudioWorkletNodeClass;
    this.#scope = scope;
    this.#timers = timers;
    mediaDevices?.addEventListener?.("devicechange", this.#deviceChange);
  }

  get isOpen() {
    return this.#node !== null;
  }

  /** Why this page can have no microphone, or null. */
  get unavailable() {
    return unavailable({ ...this.#scope, mediaDevices: this.#mediaDevices });
  }

  /** [{deviceId, label}]; labels are empty until a microphone was allowed once. */
  async devices() {
    if (!this.#mediaDevices?.enumerateDevices) return [];
    const all = await this.#mediaDevices.enumerateDevices();
    return all.filter(({ kind, deviceId }) => kind === "audioinput" && deviceId !== "").map(({ deviceId, label }) => ({ deviceId, label }));
  }

  /**
   * Open the microphone. Resolves to {label, deviceId, contextRate, echoCancellation, …} as granted; rejects with
   * MicrophoneError. A second call while it is open or opening is the first one's.
   */
  start({ deviceId = "" } = {}) {
    this.#starting ??= this.#open(deviceId).catch(async (error) => {
      this.#starting = null;
      await this.#close();
      throw error instanceof MicrophoneError ? error : refusal(error);
    });
    return this.#starting;
  }

  /** Close it; the last samples are given before this resolves. May be called at any time. */
  async stop() {
    if (this.#starting === null) return this.#stopping;
    const opening = this.#starting;
    this.#starting = null;
    this.#stopping = (async () => {
      // An opening that fails has closed itself and told its caller.
      await opening.catch(() => null);
      await this.#flush();
      await this.#close();
    })();
    await this.#stopping;
    this.#stopping = null;
    return undefined;
  }

  async #open(deviceId) {
    await this.#stopping;
    if (this.unavailable) throw this.unavailable;
    const audio = { echoCancellation: false, noiseSuppression: false, autoGainControl: false, channelCount: { ideal: 1 } };
    if (deviceId) audio.deviceId = { exact: deviceId };
    // Everything that takes time comes first: once the device is open, what is said is not to be missed.
    this.#context = await this.#prepared({ sampleRate: RATE }).catch((error) => {
      if (error.name === "NotSupportedError") return this.#prepared();
      throw error;
    });
    this.#stream = await this.#mediaDevices.getUserMedia({ audio, video: false });
    const [track] = this.#stream.getAudioTracks();
    await this.#connect();
    await this.#context.resume();
    track.addEventListener("ended", () => this.#ended(track));
    const settings = track.getSettings();
    return { label: track.label, deviceId: settings.deviceId ?? "", contextRate: this.#context.sampleRate, ...granted(settings) };
  }

  /** At 16 kHz where the browser can bring the microphone there itself, else at its own rate. */
  async #connect() {
    try {
      this.#build();
    } catch (error) {
      // Firefox connects no source of another rate, and some devices refuse the rate: the kernel converts.
      if (error.name !== "NotSupportedError") throw error;
      await this.#context.close();
      this.#context = await this.#prepared();
      this.#build();
    }
  }

  /** A context with the worklet in it. */
  async #prepared(options) {
    const context = new this.#AudioContextClass(options);
    await context.audioWorklet.addModule(WORKLET);
    return context;
  }

  #build() {
    this.#source = this.#context.createMediaStreamSource(this.#stream);
    this.#node = new this.#AudioWorkletNodeClass(this.#context, "capture", {
      numberOfInputs: 1,
      numberOfOutputs: 0,
      processorOptions: { blockMs: BLOCK_MS },
    });
    this.#node.port.onmessage = ({ data }) => {
      if (data instanceof ArrayBuffer) this.dispatchEvent(new CustomEvent("block", { detail: data }));
    };
    this.#source.connect(this.#node);
  }

  #ended(track) {
    if (!this.#stream?.getTracks().includes(track) || this.#starting === null) return;
    const label = track.label ? `The microphone “${track.label}”` : "The microphone";
    this.stop().then(() => {
      const error = new MicrophoneError("lost", `${label} was unplugged or taken away.`, "Plug it in again or choose another one, then start again.");
      this.dispatchEvent(new CustomEvent("ended", { detail: error }));
    });
  }

  /** Have the audio thread give what it still holds. */
  #flush() {
    const node = this.#node;
    if (node === null) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = this.#timers.setTimeout(resolve, FLUSH_LIMIT);
      const hear = node.port.onmessage;
      node.port.onmessage = (event) => {
        if (event.data !== "flushed") return hear(event);
        this.#timers.clearTimeout(timer);
        return resolve();
      };
      node.port.postMessage("flush");
    });
  }

  async #close() {
    const context = this.#context;
    for (const track of this.#stream?.getTracks() ?? []) track.stop();
    this.#source?.disconnect();
    if (this.#node) this.#node.port.onmessage = null;
    this.#stream = null;
    this.#source = null;
    this.#node = null;
    this.#context = null;
    if (context && context.state !== "closed") await context.close();
  }
}
