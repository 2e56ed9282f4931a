/**
 * A microphone, shared sound (audio/shared-sound.js) or both, mixed, as 16-bit mono PCM at 16 kHz.
 *
 * The microphone is opened with echo cancellation, noise suppression and gain control off: browsers turn them on by
 * default, and they make speech harder to transcribe. What the browser granted is returned by `start` (`granted`).
 *
 * Events:
 * - `block`   detail: ArrayBuffer, 40 ms of PCM (the last one may be shorter)
 * - `ended`   detail: SoundError; the device was disconnected while it was open, and could not be reopened
 * - `microphone-ended` detail: SoundError; the device was disconnected; the shared sound goes on
 * - `stalled` detail: SoundError; it is open and delivers nothing: a call, another program, a failed device
 * - `resumed` it delivers sound again after `stalled`; speech in between was not captured
 * - `devices` the list of devices may have changed, after `watchDevices()`
 */

import { RATE } from "./kernels/rate.js";
import { Mixer } from "./mixer.js";
import { SoundError, disconnected, refusal, stall, unavailable } from "./sound-errors.js";

const BLOCK_MS = 40;
/** Stopping waits this long for the audio thread's last samples. */
const FLUSH_LIMIT = 500;
/** Whether sound arrives is checked this often (ms); after this long without it the microphone has stalled. */
const CHECK_EVERY = 500;
const STALLED_AFTER = 2_000;
/** This long (ms) after an attempt to resume without success, the device is reopened. */
const REOPEN_AFTER = 3_000;

const WORKLET = new URL("./worklets/capture-worklet.js", import.meta.url);

/** The three kinds of processing as granted: "on", "off" or "not said". */
export function granted(settings) {
  const word = (value) => (value === undefined ? "not said" : value === false ? "off" : "on");
  return {
    echoCancellation: word(settings.echoCancellation),
    noiseSuppression: word(settings.noiseSuppression),
    autoGainControl: word(settings.autoGainControl),
  };
}

export class SoundInput extends EventTarget {
  #mediaDevices;
  #AudioContextClass;
  #AudioWorkletNodeClass;
  #scope;
  #timers;

  #stream = null;
  #context = null;
  #mixer = null;
  #node = null;
  #starting = null;
  #stopping = null;
  #wanted = { deviceId: "", usesMicrophone: true, shared: null, gains: {} };
  #now;
  #blockAt = 0;
  #checkTimer = null;
  #resumeTriedAt = null;
  #isReopening = false;
  #isStalled = false;
  #signals;
  #page;

  constructor({
    mediaDevices = globalThis.navigator?.mediaDevices,
    AudioContextClass = globalThis.AudioContext,
    AudioWorkletNodeClass = globalThis.AudioWorkletNode,
    scope = { isSecureContext: globalThis.isSecureContext, host: globalThis.location?.host },
    timers = { setTimeout: globalThis.setTimeout.bind(globalThis), clearTimeout: globalThis.clearTimeout.bind(globalThis) },
    now = () => performance.now(),
    signals = globalThis.window ?? null,
    page = globalThis.document ?? null,
  } = {}) {
    super();
    this.#mediaDevices = mediaDevices;
    this.#AudioContextClass = AudioContextClass;
    this.#AudioWorkletNodeClass = AudioWorkletNodeClass;
    this.#scope = scope;
    this.#timers = timers;
    this.#now = now;
    this.#signals = signals;
    this.#page = page;
  }

  get isOpen() {
    return this.#node !== null;
  }

  /** The SoundError where this page can have no microphone, or null. */
  get unavailable() {
    return unavailable({ ...this.#scope, mediaDevices: this.#mediaDevices });
  }

  /** Dispatch `devices` when the list may have changed. Returns the function that ends it. */
  watchDevices() {
    const changed = () => this.dispatchEvent(new Event("devices"));
    this.#mediaDevices?.addEventListener?.("devicechange", changed);
    return () => this.#mediaDevices?.removeEventListener?.("devicechange", changed);
  }

  /** [{deviceId, label}]; labels are empty until a microphone was allowed once. */
  async devices() {
    if (!this.#mediaDevices?.enumerateDevices) return [];
    const all = await this.#mediaDevices.enumerateDevices();
    return all.filter(({ kind, deviceId }) => kind === "audioinput" && deviceId !== "").map(({ deviceId, label }) => ({ deviceId, label }));
  }

  /**
   * Open the microphone, and mix `shared` in, a MediaStream that its owner closes; without `usesMicrophone`, that
   * alone. `gains`: {microphone, shared} as factors. Resolves to {label, deviceId, contextRate, echoCancellation, …}
   * as granted; rejects with SoundError. A second call while it is open or opening returns the first one's promise.
   */
  start({ deviceId = "", usesMicrophone = true, shared = null, gains = {} } = {}) {
    this.#wanted = { deviceId, usesMicrophone, shared, gains: { ...gains } };
    this.#starting ??= this.#open().catch(async (error) => {
      this.#starting = null;
      await this.#close();
      throw error instanceof SoundError ? error : refusal(error);
    });
    return this.#starting;
  }

  /** Close it. The last samples are dispatched before this resolves. May be called at any time. */
  async stop() {
    if (this.#starting === null) return this.#stopping;
    const opening = this.#starting;
    this.#starting = null;
    this.#unwatch();
    this.#stopping = (async () => {
      // A failed opening has closed itself, and its caller has the error.
      await opening.catch(() => null);
      await this.#flush();
      await this.#close();
      this.#unwatch();
    })();
    await this.#stopping;
    this.#stopping = null;
    return undefined;
  }

  /** Set the gain of "microphone" or "shared", as a factor. */
  setGain(name, gain) {
    this.#wanted.gains[name] = gain;
    this.#mixer?.setGain(name, gain);
  }

  /** The last samples of "microphone" or "shared" behind its gain, or null where it is not open. */
  samples(name) {
    return this.#mixer?.samples(name) ?? null;
  }

  /** Go on without the shared sound. */
  removeShared() {
    this.#wanted.shared = null;
    this.#mixer?.remove("shared");
  }

  async #open() {
    await this.#stopping;
    const { usesMicrophone } = this.#wanted;
    if (usesMicrophone && this.unavailable) throw this.unavailable;
    // Slow steps come first: once the device is open, no speech may be missed.
    this.#context = await this.#prepared({ sampleRate: RATE }).catch((error) => {
      if (error.name === "NotSupportedError") return this.#prepared();
      throw error;
    });
    const track = usesMicrophone ? await this.#openDevice() : null;
    await this.#connect();
    await this.#context.resume();
    track?.addEventListener("ended", () => this.#ended(track));
    track?.addEventListener("mute", () => this.#stream?.getTracks().includes(track) && this.#stall("muted"));
    track?.addEventListener("unmute", this.#resume);
    this.#watch();
    const settings = track?.getSettings() ?? {};
    return { label: track?.label ?? "", deviceId: settings.deviceId ?? "", contextRate: this.#context.sampleRate, ...granted(settings) };
  }

  /** Open the device. Resolves to its track. */
  async #openDevice() {
    const { deviceId } = this.#wanted;
    const audio = { echoCancellation: false, noiseSuppression: false, autoGainControl: false, channelCount: { ideal: 1 } };
    if (deviceId) audio.deviceId = { exact: deviceId };
    this.#stream = await this.#mediaDevices.getUserMedia({ audio, video: false });
    return this.#stream.getAudioTracks()[0];
  }

  /** Connect at 16 kHz where the browser resamples the microphone itself, else at the microphone's own rate. */
  async #connect() {
    try {
      this.#build();
    } catch (error) {
      // Firefox connects no source of another rate, and some devices reject the rate: the kernel resamples.
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
    this.#node = new this.#AudioWorkletNodeClass(this.#context, "capture", {
      numberOfInputs: 1,
      numberOfOutputs: 0,
      processorOptions: { blockMs: BLOCK_MS },
    });
    this.#node.port.onmessage = ({ data }) => {
      if (!(data instanceof ArrayBuffer)) return;
      this.#blockAt = this.#now();
      if (this.#isStalled && !this.#isMuted) this.#resumed();
      this.dispatchEvent(new CustomEvent("block", { detail: data }));
    };
    this.#node.addEventListener?.("processorerror", () => this.#reopen());
    this.#context.addEventListener?.("statechange", this.#contextChanged);
    const { shared, gains } = this.#wanted;
    this.#mixer = new Mixer(this.#context, this.#node);
    if (this.#stream !== null) this.#mixer.add("microphone", this.#stream, gains.microphone);
    if (shared !== null) this.#mixer.add("shared", shared, gains.shared);
  }

  // --- detecting a stall ----------------------------------------------------------------------------------

  get #isMuted() {
    return this.#stream?.getAudioTracks()[0]?.muted === true;
  }

  #watch() {
    this.#blockAt = this.#now();
    this.#resumeTriedAt = null;
    this.#signals?.addEventListener("pageshow", this.#resume);
    this.#page?.addEventListener("visibilitychange", this.#resume);
    this.#timers.clearTimeout(this.#checkTimer);
    this.#checkTimer = this.#timers.setTimeout(this.#check, CHECK_EVERY);
  }

  #unwatch() {
    this.#isStalled = false;
    this.#timers.clearTimeout(this.#checkTimer);
    this.#checkTimer = null;
    this.#signals?.removeEventListener("pageshow", this.#resume);
    this.#page?.removeEventListener("visibilitychange", this.#resume);
  }

  #check = () => {
    if (this.#checkTimer === null) return;
    this.#checkTimer = this.#timers.setTimeout(this.#check, CHECK_EVERY);
    const now = this.#now();
    if (now - this.#blockAt < STALLED_AFTER) return;
    this.#stall("stalled");
    if (this.#resumeTriedAt === null) this.#resume();
    else if (now - this.#resumeTriedAt >= REOPEN_AFTER) this.#reopen();
  };

  /** Resume the audio thread: the browser may have suspended it, and resumes it on request or when the page is visible. */
  #resume = () => {
    const context = this.#context;
    if (context === null || this.#isReopening || this.#page?.visibilityState === "hidden") return;
    this.#resumeTriedAt ??= this.#now();
    // Rejected during a call: it is tried again at the next check.
    if (context.state !== "running" && context.state !== "closed") context.resume().catch(() => null);
  };

  #contextChanged = ({ target }) => {
    if (target !== this.#context || target.state === "running" || target.state === "closed") return;
    this.#stall("stalled");
    this.#resume();
  };

  #stall(code) {
    if (this.#isStalled || this.#starting === null) return;
    this.#isStalled = true;
    this.dispatchEvent(new CustomEvent("stalled", { detail: stall(code, this.#wanted) }));
  }

  #resumed() {
    this.#isStalled = false;
    this.#resumeTriedAt = null;
    this.dispatchEvent(new Event("resumed"));
  }

  /** Close and reopen it. Where that fails, it has ended. */
  async #reopen() {
    const starting = this.#starting;
    if (this.#isReopening || starting === null) return;
    this.#isReopening = true;
    this.#stall("stalled");
    try {
      await this.#close();
      if (this.#starting !== starting) return;
      await this.#open();
      // Stopped meanwhile: `stop` has closed the stream that was open then.
      if (this.#starting !== starting) await this.#close();
    } catch (error) {
      if (this.#starting !== starting) return;
      this.#starting = null;
      this.#unwatch();
      await this.#close();
      this.dispatchEvent(new CustomEvent("ended", { detail: error instanceof SoundError ? error : refusal(error) }));
    } finally {
      this.#isReopening = false;
    }
  }

  #ended(track) {
    if (!this.#stream?.getTracks().includes(track) || this.#starting === null) return;
    const error = disconnected(track.label);
    if (this.#wanted.shared !== null) {
      this.#wanted.usesMicrophone = false;
      this.#mixer?.remove("microphone");
      this.#stream = null;
      this.dispatchEvent(new CustomEvent("microphone-ended", { detail: error }));
      return;
    }
    this.stop().then(() => this.dispatchEvent(new CustomEvent("ended", { detail: error })));
  }

  /** Request the samples that the audio thread still holds. */
  #flush() {
    const node = this.#node;
    if (node === null) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = this.#timers.setTimeout(resolve, FLUSH_LIMIT);
      const receive = node.port.onmessage;
      node.port.onmessage = (event) => {
        if (event.data !== "flushed") return receive(event);
        this.#timers.clearTimeout(timer);
        return resolve();
      };
      node.port.postMessage("flush");
    });
  }

  async #close() {
    const context = this.#context;
    for (const track of this.#stream?.getTracks() ?? []) track.stop();
    this.#mixer?.close();
    if (this.#node) this.#node.port.onmessage = null;
    context?.removeEventListener?.("statechange", this.#contextChanged);
    this.#stream = null;
    this.#mixer = null;
    this.#node = null;
    this.#context = null;
    if (context && context.state !== "closed") await context.close();
  }
}
