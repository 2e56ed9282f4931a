/** The controls of the microphone: button, device, meter and facts. The captured speech goes to the uplink. */

import { SoundInput } from "../../audio/sound-input.js";
import { Uplink } from "../../audio/uplink.js";
import { RATE } from "../../audio/kernels/capture.js";
import { SilenceWatch } from "../../models/levels.js";
import { WAITS_FOR, seconds } from "../../models/translation-text.js";
import { byId, h, setAttribute, setText } from "../dom.js";
import { Scope } from "../scope.js";
import { MeterView } from "./meter-view.js";

const DEVICE_KEY = "translation:device";
const SEVERAL_KEY = "translation:several";
/** While the microphone is open its facts are brought up to date this often (ms). */
const UPDATE_EVERY = 1_000;
/** Unacknowledged speech of less than this many seconds is normal, and not shown as waiting for the connection. */
const IN_FLIGHT = 2;

/** Events: `change` (state changed), `problem` {key, text, more} and `resolved` {key}. */
export class MicrophoneControls extends EventTarget {
  #scope = new Scope();
  #input = new SoundInput();
  #uplink;
  #meter = new MeterView({ element: byId("meter"), figures: byId("fact-level"), canvas: byId("waveform") });
  #button = byId("speak-button");
  #pause = byId("pause-button");
  #device = byId("device");
  #several = byId("several");
  #preferences;
  #target;
  #prepare;
  #state = "off";
  #isStalled = false;
  #isPaused = false;
  #silence = new SilenceWatch();
  #isSilent = false;
  #status = null;
  #updateTimer = null;

  /**
   * `target()` is {session_id, source, targets}, or null while nobody can speak; `prepare()` resolves to whether
   * there is a session to speak in.
   */
  constructor(socket, { preferences, target, prepare }) {
    super();
    this.#uplink = new Uplink(socket);
    this.#preferences = preferences;
    this.#target = target;
    this.#prepare = prepare;
  }

  /** "off", "opening" or "open". */
  get state() {
    return this.#state;
  }

  /** "fine"; "paused"; "stalled": open, but it delivers no sound; "silent": it is probably muted. */
  get capture() {
    if (this.#isPaused) return "paused";
    if (this.#isStalled) return "stalled";
    return this.#isSilent ? "silent" : "fine";
  }

  /** Whether several people speak, whose lines should say which of them. */
  get diarization() {
    return !byId("several-field").hidden && this.#several.checked;
  }

  /** Whether the back end can distinguish speakers. */
  set canDiarize(value) {
    if (byId("several-field").hidden !== value) return;
    const before = this.diarization;
    byId("several-field").hidden = !value;
    if (this.diarization !== before) this.#uplink.change({ diarization: this.diarization });
  }

  get uplink() {
    return this.#uplink;
  }

  start() {
    const scope = this.#scope;
    if (!scope.open()) return;
    scope.listen(this.#button, "click", () => this.toggle());
    scope.listen(this.#pause, "click", () => this.togglePause());
    scope.listen(this.#device, "change", () => this.#deviceChosen());
    this.#several.checked = this.#preferences.get(SEVERAL_KEY) === "on";
    scope.listen(this.#several, "change", () => {
      this.#preferences.set(SEVERAL_KEY, this.#several.checked ? "on" : "off");
      this.#uplink.change({ diarization: this.diarization });
    });
    scope.listen(this.#input, "block", ({ detail }) => this.#captured(detail));
    scope.listen(this.#input, "stalled", ({ detail }) => this.#stalled(detail));
    scope.listen(this.#input, "resumed", () => this.#resumed());
    scope.listen(this.#input, "ended", ({ detail }) => this.#ended(detail));
    scope.listen(this.#input, "devices", () => this.#list());
    scope.defer(this.#input.watchDevices());
    scope.listen(this.#uplink, "state", ({ detail }) => this.#uplinkChanged(detail));
    scope.listen(this.#uplink, "failed", ({ detail }) => this.#rejected(detail));
    scope.listen(this.#uplink, "overflow", ({ detail }) => this.#overflowed(detail));
    scope.listen(globalThis, "pagehide", () => this.#leave());
    if (this.#input.unavailable) this.#reportError(this.#input.unavailable);
    this.#list();
    this.#changed();
  }

  /** Close the microphone and stop following it. What was captured is still sent while the socket is open. */
  async stop() {
    this.#scope.close();
    this.#state = "off";
    this.#uplink.stop();
    clearInterval(this.#updateTimer);
    this.#updateTimer = null;
    await this.#input.stop();
  }

  /** Close the microphone. Captured speech is still sent. */
  async close() {
    if (this.#state !== "off") await this.#close();
  }

  toggle() {
    if (this.#button.disabled) return;
    if (this.#state === "off") this.#open();
    else this.#close();
  }

  /**
   * Pause or resume. The microphone stays open and the stream goes on, with silence in place of what is captured:
   * times stay right, and going on takes no time.
   */
  togglePause() {
    if (this.#state !== "open") return;
    this.#isPaused = !this.#isPaused;
    this.#isSilent = false;
    this.#silence = new SilenceWatch();
    this.#changed();
  }

  /** The session can be spoken in, for the first time or again. */
  sessionReady() {
    this.#uplink.ready();
    this.#changed();
  }

  /** Other languages are spoken or read from now on. */
  changeLanguages({ source, targets }) {
    this.#uplink.change({ source_language: source, target_languages: targets });
  }

  /** The session has ended: captured speech is dropped. */
  abort() {
    this.#uplink.abort();
    if (this.#state !== "off") this.#close();
    this.#changed();
  }

  /** Apply an `audio_status` of this microphone's stream. */
  showStatus(status) {
    this.#status = status;
    this.#showFacts();
  }

  refresh() {
    this.#changed();
  }

  /** A block of PCM was captured. */
  #captured(block) {
    this.#meter.add(block);
    if (this.#isPaused) {
      this.#uplink.push(new ArrayBuffer(block.byteLength));
      return;
    }
    this.#uplink.push(block);
    const isSilent = this.#silence.add(new Int16Array(block), performance.now() / 1000);
    if (isSilent === this.#isSilent) return;
    this.#isSilent = isSilent;
    this.#changed();
  }

  #stalled({ message, action }) {
    this.#isStalled = true;
    this.#meter.open();
    this.#report("capture", message, action);
    this.#changed();
  }

  #resumed() {
    this.#isStalled = false;
    this.#uplink.interrupted();
    this.#resolve("capture");
    this.#changed();
  }

  #ended(error) {
    this.#closed();
    this.#reportError(error);
  }

  #uplinkChanged({ state }) {
    // The service publishes changes only, and a stream begins with silence.
    if (state === "streaming") this.#status = { speaking: false, waiting_seconds: 0, waiting_for: null };
    this.#changed();
  }

  #overflowed({ seconds: lost }) {
    this.#report("overflow", `The connection was lost, or slower than speech, for more than a minute. ${seconds(lost)} of speech are lost; the transcript has a gap there.`, "Repeat it once the connection is back.");
  }

  /** The page is left: nothing sends the stored speech any more, and a page that comes back has no microphone. */
  #leave() {
    this.#uplink.leave();
    if (this.#state !== "off") this.#close();
  }

  async #deviceChosen() {
    this.#preferences.set(DEVICE_KEY, this.#device.value);
    if (this.#state !== "open") return;
    // Another device while speaking: the stream goes on with its sound.
    this.#state = "opening";
    this.#changed();
    await this.#input.stop();
    this.#uplink.interrupted();
    await this.#listen();
  }

  async #open() {
    if (this.#target() === null) return;
    this.#resolve("microphone");
    this.#resolve("overflow");
    this.#state = "opening";
    this.#changed();
    if (!(await this.#listen())) return;
    // A session begins with the first word: a microphone that was not granted begins none.
    const isReady = await this.#prepare();
    const target = isReady && this.#state === "open" ? this.#target() : null;
    if (target !== null) this.#begin(target);
    else if (this.#state !== "off") this.#close();
  }

  /** Open the chosen device. Resolves to whether it is open. */
  async #listen() {
    try {
      const granted = await this.#input.start({ deviceId: this.#device.value });
      if (this.#state !== "opening") return false;
      this.#state = "open";
      this.#isStalled = this.#isSilent = false;
      this.#silence = new SilenceWatch();
      this.#meter.open();
      this.#showGranted(granted);
      await this.#list();
      this.#changed();
      return true;
    } catch (error) {
      this.#closed();
      this.#reportError(error);
      return false;
    }
  }

  #begin({ session_id, source, targets }) {
    this.#uplink.start({ session_id, sample_rate: RATE, source_language: source, target_languages: targets, diarization: this.diarization });
  }

  async #close() {
    this.#state = "off";
    this.#changed();
    await this.#input.stop();
    this.#closed();
  }

  #closed() {
    this.#state = "off";
    this.#isPaused = false;
    this.#isStalled = this.#isSilent = false;
    this.#resolve("capture");
    this.#meter.close();
    this.#uplink.stop();
    this.#changed();
  }

  #rejected({ code, detail }) {
    if (this.#state !== "off") this.#close();
    this.#report("microphone", `The service rejected the microphone: ${detail}`, code === "unsupported_language" ? "Choose another language at “I speak”, then start again." : "Start the microphone again.");
  }

  #reportError({ message, action }) {
    this.#report("microphone", message, action);
  }

  #report(key, text, more) {
    this.dispatchEvent(new CustomEvent("problem", { detail: { key, text, more } }));
  }

  #resolve(key) {
    this.dispatchEvent(new CustomEvent("resolved", { detail: { key } }));
  }

  #changed() {
    const isOff = this.#state === "off";
    setText(byId("speak-label"), isOff ? "Start microphone" : "Stop microphone");
    setAttribute(this.#button, "data-on", !isOff);
    // It keeps its place, so that nothing moves under the pointer.
    setAttribute(this.#pause, "data-off", this.#state !== "open");
    setText(this.#pause, this.#isPaused ? "Resume" : "Pause");
    setAttribute(this.#pause, "data-on", this.#isPaused);
    this.#button.disabled = isOff && (this.#target() === null || this.#uplink.state !== "idle" || this.#input.unavailable !== null);
    byId("microphone-facts").hidden = isOff;
    byId("microphone-off").hidden = !isOff;
    this.#showFacts();
    const isBusy = !isOff || this.#uplink.state !== "idle";
    if (isBusy) this.#updateTimer ??= setInterval(() => this.#changed(), UPDATE_EVERY);
    else {
      clearInterval(this.#updateTimer);
      this.#updateTimer = null;
    }
    this.dispatchEvent(new Event("change"));
  }

  /** Speech waits first for the service's acknowledgement, then for its back ends. */
  #showFacts() {
    const isReceived = this.#uplink.state === "streaming" && !this.#uplink.isUnresponsive && !this.#isStalled;
    setText(byId("fact-speech"), isReceived ? (this.#status?.speaking ? "now" : "none") : "–");
    if (this.#isStalled) setText(byId("fact-level"), "no sound");
    if (this.#isPaused) setText(byId("fact-speech"), "paused");
    const { waiting } = this.#uplink;
    if (waiting >= IN_FLIGHT || this.#uplink.isUnresponsive) this.#showWaiting(waiting, "the connection");
    else if (isReceived) this.#showWaiting(this.#status?.waiting_seconds ?? 0, this.#status?.waiting_for);
    else this.#showWaiting(waiting, null);
  }

  #showWaiting(waiting, service) {
    setText(byId("fact-waiting"), waiting < 0.5 ? "nothing" : `${seconds(waiting)}${service ? `, ${WAITS_FOR[service] ?? `for ${service}`}` : ""}`);
  }

  #showGranted({ echoCancellation, noiseSuppression, autoGainControl, label, contextRate }) {
    for (const [id, value] of [["fact-echo", echoCancellation], ["fact-noise", noiseSuppression], ["fact-gain", autoGainControl]]) {
      setText(byId(id), value === "on" ? "on: this browser did not turn it off" : value);
      setAttribute(byId(id), "class", value === "on" ? "is-warn" : null);
    }
    setText(byId("microphone-note"), contextRate === RATE ? "" : `${(contextRate / 1000).toLocaleString("en")} kHz, sent as 16 kHz`);
    setAttribute(byId("microphone-note"), "title", label);
  }

  async #list() {
    const devices = await this.#input.devices();
    const wanted = this.#device.value || this.#preferences.get(DEVICE_KEY) || "";
    const named = devices.filter(({ deviceId }) => deviceId !== "default");
    this.#device.replaceChildren(
      h("option", { value: "" }, "default"),
      ...named.map(({ deviceId, label }, index) => h("option", { value: deviceId }, label || `Microphone ${index + 1}`)),
    );
    this.#device.value = named.some(({ deviceId }) => deviceId === wanted) ? wanted : "";
  }
}
