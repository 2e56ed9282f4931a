/** The controls of the captured sound: button, device, meter and facts. What is captured goes to the uplink. */

import { SoundInput } from "../../audio/sound-input.js";
import { Uplink } from "../../audio/uplink.js";
import { RATE } from "../../audio/kernels/rate.js";
import { SilenceWatch } from "../../models/levels.js";
import { byId, h, setAttribute, setText } from "../dom.js";
import { Scope } from "../scope.js";
import { MeterView } from "./meter-view.js";
import { MicrophoneFacts } from "./microphone-facts.js";
import { SoundSources } from "./sound-sources.js";

const DEVICE_KEY = "translation:device";
const SEVERAL_KEY = "translation:several";
/** While the microphone is open its facts are brought up to date this often (ms). */
const UPDATE_EVERY = 1_000;

/** Events: `change` (state changed), `problem` {key, text, more, word} and `resolved` {key}. */
export class MicrophoneControls extends EventTarget {
  #scope = new Scope();
  #texts;
  #input = new SoundInput();
  #sources;
  #uplink;
  #meter;
  #facts;
  #button = byId("speak-button");
  #pause = byId("pause-button");
  #device = byId("device");
  #several = byId("several");
  #preferences;
  #target;
  #prepare;
  #state = "off";
  /** What is captured while it is open; another choice may be shown until the browser's question is answered. */
  #sound = null;
  #isStalled = false;
  #isPaused = false;
  #silence = new SilenceWatch();
  #isSilent = false;
  #status = null;
  #updateTimer = null;

  /**
   * `target()` is {session_id, source, targets}, or null while nobody can speak; `prepare()` resolves to whether
   * there is a session to speak in. `texts`: those of the page's language.
   */
  constructor(socket, { texts, preferences, target, prepare }) {
    super();
    this.#texts = texts;
    this.#meter = new MeterView({ texts, element: byId("meter"), figures: byId("fact-level"), canvas: byId("waveform") });
    this.#facts = new MicrophoneFacts({ texts });
    this.#uplink = new Uplink(socket);
    this.#sources = new SoundSources({ texts, preferences });
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

  /** What is captured: "microphone", "shared" or "both". */
  get sound() {
    return this.#sound ?? this.#sources.kind;
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
    scope.listen(this.#input, "microphone-ended", ({ detail }) => this.#microphoneEnded(detail));
    scope.listen(this.#sources, "change", () => this.#soundChosen());
    scope.listen(this.#sources, "gain", ({ detail: { name, gain } }) => this.#input.setGain(name, gain));
    scope.listen(this.#sources, "ended", ({ detail }) => this.#sharedEnded(detail));
    scope.start(this.#sources);
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

  #stalled(error) {
    this.#isStalled = true;
    this.#meter.open();
    this.#reportError(error, { key: "capture" });
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
    const texts = this.#texts;
    this.#report("overflow", texts.text("microphone.overflow", { seconds: texts.seconds(lost) }), texts.text("microphone.overflow_do"));
  }

  /** The page is left: nothing sends the stored speech any more, and a page that comes back has no microphone. */
  #leave() {
    this.#uplink.leave();
    if (this.#state !== "off") this.#close();
  }

  async #deviceChosen() {
    this.#preferences.set(DEVICE_KEY, this.#device.value);
    if (this.#state === "open") await this.#reopen();
  }

  /** Another device or another kind of sound while it is open: the stream goes on with its sound. */
  async #reopen() {
    this.#state = "opening";
    this.#changed();
    await this.#input.stop();
    this.#uplink.interrupted();
    await this.#listen();
  }

  /** While the browser asks what to share, what was captured before goes on; where nothing is shared, it stays. */
  async #soundChosen() {
    this.#resolve("shared");
    if (this.#state !== "open") {
      this.#changed();
      return;
    }
    const before = this.#sound;
    try {
      if (!(await this.#sources.open()) || this.#state !== "open") return;
    } catch (error) {
      this.#sources.kind = before;
      this.#reportShared(error);
      return;
    }
    await this.#reopen();
  }

  /** What was shared has ended. A microphone goes on. */
  async #sharedEnded(error) {
    if (this.#state === "off") return;
    if (this.sound === "shared") {
      await this.#close();
      this.#reportShared(error);
      return;
    }
    this.#input.removeShared();
    this.#sources.kind = "microphone";
    this.#sound = "microphone";
    this.#reportShared(error, { goesOn: "sound.microphone_goes_on" });
    this.#changed();
  }

  /** The device was disconnected; the shared sound goes on. */
  #microphoneEnded(error) {
    this.#sources.kind = "shared";
    this.#sound = "shared";
    this.#reportError(error, { goesOn: "sound.shared_goes_on", action: { key: "sound.plug_in_again" } });
    this.#changed();
  }

  async #open() {
    if (this.#target() === null) return;
    this.#resolve("microphone");
    this.#resolve("overflow");
    this.#resolve("shared");
    this.#state = "opening";
    this.#changed();
    if (!(await this.#listen())) return;
    // A session begins with the first word: a microphone that was not granted begins none.
    const isReady = await this.#prepare();
    const target = isReady && this.#state === "open" ? this.#target() : null;
    if (target !== null) this.#begin(target);
    else if (this.#state !== "off") this.#close();
  }

  /** Open what is chosen. Resolves to whether it is open. */
  async #listen() {
    try {
      // First: browsers ask what to share only right after a click.
      if (!(await this.#sources.open()) || this.#state !== "opening") return false;
      const granted = await this.#input.start({ deviceId: this.#device.value, ...this.#sources.options });
      if (this.#state !== "opening") return false;
      this.#state = "open";
      this.#sound = this.#sources.kind;
      this.#sources.follow(this.#input);
      this.#isStalled = this.#isSilent = false;
      this.#silence = new SilenceWatch();
      this.#meter.open();
      this.#facts.showGranted(granted, this.#sources);
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
    this.#sound = null;
    this.#sources.close();
    this.#isPaused = false;
    this.#isStalled = this.#isSilent = false;
    this.#resolve("capture");
    this.#meter.close();
    this.#uplink.stop();
    this.#changed();
  }

  #rejected({ code, detail }) {
    if (this.#state !== "off") this.#close();
    const texts = this.#texts;
    const why = texts.coded({ code, detail });
    this.#report("microphone", texts.text("microphone.refused", { why }), texts.text(code === "unsupported_language" ? "microphone.refused_language_do" : "microphone.refused_do"));
  }

  /** Report a SoundError. `goesOn`: the key of the text about the sound that is still captured. */
  #reportError({ text, action: usual }, { key = "microphone", word = "word.microphone", goesOn = null, action = usual } = {}) {
    const texts = this.#texts;
    this.#report(key, texts.sentences(texts.text(text.key, text.values), goesOn === null ? "" : texts.text(goesOn)), texts.text(action.key, action.values), word);
  }

  #reportShared(error, { goesOn = null } = {}) {
    this.#reportError(error, { key: "shared", word: "sound.word", goesOn });
  }

  /** `pill`: the key of the word on the notice. */
  #report(key, text, more, pill = "word.microphone") {
    const word = this.#texts.text(pill);
    this.dispatchEvent(new CustomEvent("problem", { detail: { key, text, more, word } }));
  }

  #resolve(key) {
    this.dispatchEvent(new CustomEvent("resolved", { detail: { key } }));
  }

  #changed() {
    const isOff = this.#state === "off";
    const { start, stop } = this.#sources.words;
    setText(byId("speak-label"), isOff ? start : stop);
    setAttribute(this.#button, "data-on", !isOff);
    // It keeps its place, so that nothing moves under the pointer.
    setAttribute(this.#pause, "data-off", this.#state !== "open");
    setText(this.#pause, this.#texts.text(this.#isPaused ? "microphone.resume" : "microphone.pause"));
    setAttribute(this.#pause, "data-on", this.#isPaused);
    this.#button.disabled = isOff && (this.#target() === null || this.#uplink.state !== "idle" || this.#unavailable !== null);
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

  /** The SoundError where what is chosen cannot be captured, or null. */
  get #unavailable() {
    return this.#sources.usesMicrophone && this.#input.unavailable !== null ? this.#input.unavailable : this.#sources.unavailable;
  }

  #showFacts() {
    this.#facts.show({ status: this.#status, uplink: this.#uplink, isStalled: this.#isStalled, isPaused: this.#isPaused });
  }

  async #list() {
    const devices = await this.#input.devices();
    const wanted = this.#device.value || this.#preferences.get(DEVICE_KEY) || "";
    const named = devices.filter(({ deviceId }) => deviceId !== "default");
    this.#device.replaceChildren(
      h("option", { value: "" }, this.#texts.text("microphone.default")),
      ...named.map(({ deviceId, label }, index) => h("option", { value: deviceId }, label || this.#texts.text("microphone.numbered", { number: index + 1 }))),
    );
    this.#device.value = named.some(({ deviceId }) => deviceId === wanted) ? wanted : "";
  }
}
