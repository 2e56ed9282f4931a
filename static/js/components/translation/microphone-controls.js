/** The microphone's side of the page: button, device, meter, facts; what is captured goes to the uplink. */

import { Uplink } from "../../audio/uplink.js";
import { Microphone } from "../../audio/microphone.js";
import { RATE } from "../../audio/kernels/capture.js";
import { SilenceWatch } from "../../models/levels.js";
import { WAITS_FOR, seconds } from "../../models/translation-text.js";
import { byId, h, setAttribute, setText } from "../dom.js";
import { MeterView } from "./meter-view.js";

const KEPT_DEVICE = "translation:device";
/** While the microphone is open it is looked this often whether what is said of it is still true (ms). */
const LOOK_EVERY = 1_000;
/** Unacknowledged for less, speech is on its way. */
const ON_ITS_WAY = 2;

/** Events: `change` (state changed), `trouble` {key, text, more} and `fine` {key}. */
export class Speaking extends EventTarget {
  #microphone = new Microphone();
  #uplink;
  #meter = new MeterView({ element: byId("meter"), figures: byId("fact-level"), canvas: byId("waveform") });
  #button = byId("speak-button");
  #device = byId("device");
  #kept;
  #target;
  #prepare;
  #state = "off";
  #isStalled = false;
  #silence = new SilenceWatch();
  #isSilent = false;
  #status = null;
  #looking = null;

  /**
   * `target()` is {session_id, source, targets}, or null where nobody can speak now; `prepare()` resolves to
   * whether there is a session to speak in.
   */
  constructor(socket, { kept, target, prepare }) {
    super();
    this.#uplink = new Uplink(socket);
    this.#kept = kept;
    this.#target = target;
    this.#prepare = prepare;
  }

  /** "off", "opening" or "open". */
  get state() {
    return this.#state;
  }

  /** "fine"; "stalled": open, and it gives nothing; "silent": what it gives is nothing at all. */
  get capture() {
    if (this.#isStalled) return "stalled";
    return this.#isSilent ? "silent" : "fine";
  }

  get uplink() {
    return this.#uplink;
  }

  start() {
    this.#button.addEventListener("click", this.#pressed);
    this.#device.addEventListener("change", this.#chosen);
    this.#microphone.addEventListener("block", ({ detail }) => {
      this.#meter.add(detail);
      this.#uplink.push(detail);
      const isSilent = this.#silence.add(new Int16Array(detail), performance.now() / 1000);
      if (isSilent !== this.#isSilent) {
        this.#isSilent = isSilent;
        this.#changed();
      }
    });
    this.#microphone.addEventListener("stalled", ({ detail }) => {
      this.#isStalled = true;
      this.#meter.open();
      this.#say("capture", detail.message, detail.action);
      this.#changed();
    });
    this.#microphone.addEventListener("resumed", () => {
      this.#isStalled = false;
      this.#uplink.interrupted();
      this.#fine("capture");
      this.#changed();
    });
    // Nobody is left to send what is stored, and a page that comes back has no microphone.
    globalThis.addEventListener("pagehide", () => {
      this.#uplink.leave();
      if (this.#state !== "off") this.#close();
    });
    this.#microphone.addEventListener("ended", ({ detail }) => {
      this.#closed();
      this.#trouble(detail);
    });
    this.#microphone.addEventListener("devices", () => this.#list());
    this.#uplink.addEventListener("state", ({ detail }) => {
      // The service tells changes only, and begins at silence.
      if (detail.state === "streaming") this.#status = { speaking: false, waiting_seconds: 0, waiting_for: null };
      this.#changed();
    });
    this.#uplink.addEventListener("failed", ({ detail }) => this.#refused(detail));
    this.#uplink.addEventListener("overflow", ({ detail }) => {
      this.#say("overflow", `The connection was away, or slower than speech, for longer than a minute. ${seconds(detail.seconds)} of what was said are lost; the transcript has a gap there.`, "Say it again when the connection is back.");
    });
    if (this.#microphone.unavailable) this.#trouble(this.#microphone.unavailable);
    this.#list();
    this.#changed();
  }

  async stop() {
    await this.#microphone.stop();
    this.#uplink.stop();
  }

  /** Close the microphone: what was said before is still sent. */
  async close() {
    if (this.#state !== "off") await this.#close();
  }

  toggle() {
    if (this.#button.disabled) return;
    if (this.#state === "off") this.#open();
    else this.#close();
  }

  /** The session can be spoken in (again). */
  ready() {
    this.#uplink.ready();
    this.#changed();
  }

  /** Another language is spoken from now on. */
  change({ source, targets }) {
    this.#uplink.change({ source_language: source, target_languages: targets });
  }

  /** The session is gone: nobody listens any more. */
  abort() {
    this.#uplink.abort();
    if (this.#state !== "off") this.#close();
    this.#changed();
  }

  /** How the service hears this microphone: an `audio_status` of its stream. */
  heard(status) {
    this.#status = status;
    this.#showFacts();
  }

  refresh() {
    this.#changed();
  }

  #pressed = () => this.toggle();

  #chosen = async () => {
    this.#kept.set(KEPT_DEVICE, this.#device.value);
    if (this.#state !== "open") return;
    // Another device in mid-speech: the stream goes on with what the new one hears.
    this.#state = "opening";
    this.#changed();
    await this.#microphone.stop();
    this.#uplink.interrupted();
    await this.#listen();
  };

  async #open() {
    if (this.#target() === null) return;
    this.#fine("microphone");
    this.#fine("overflow");
    this.#state = "opening";
    this.#changed();
    if (!(await this.#listen())) return;
    // A session begins with the first word: a microphone that was refused makes none.
    const isReady = await this.#prepare();
    const target = isReady && this.#state === "open" ? this.#target() : null;
    if (target !== null) this.#begin(target);
    else if (this.#state !== "off") this.#close();
  }

  /** Open the chosen device. Resolves to whether it is open. */
  async #listen() {
    try {
      const granted = await this.#microphone.start({ deviceId: this.#device.value });
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
      this.#trouble(error);
      return false;
    }
  }

  #begin({ session_id, source, targets }) {
    this.#uplink.start({ session_id, sample_rate: RATE, source_language: source, target_languages: targets });
  }

  async #close() {
    this.#state = "off";
    this.#changed();
    await this.#microphone.stop();
    this.#closed();
  }

  #closed() {
    this.#state = "off";
    this.#isStalled = this.#isSilent = false;
    this.#fine("capture");
    this.#meter.close();
    this.#uplink.stop();
    this.#changed();
  }

  #refused({ code, detail }) {
    if (this.#state !== "off") this.#close();
    this.#say("microphone", `The service does not listen: ${detail}`, code === "unsupported_language" ? "Choose another language at “I speak”, then start again." : "Start the microphone again.");
  }

  #trouble({ message, action }) {
    this.#say("microphone", message, action);
  }

  #say(key, text, more) {
    this.dispatchEvent(new CustomEvent("trouble", { detail: { key, text, more } }));
  }

  #fine(key) {
    this.dispatchEvent(new CustomEvent("fine", { detail: { key } }));
  }

  #changed() {
    const isOff = this.#state === "off";
    setText(byId("speak-label"), isOff ? "Start microphone" : "Stop microphone");
    setAttribute(this.#button, "data-on", !isOff);
    this.#button.disabled = isOff && (this.#target() === null || this.#uplink.state !== "idle" || this.#microphone.unavailable !== null);
    byId("microphone-facts").hidden = isOff;
    byId("microphone-off").hidden = !isOff;
    this.#showFacts();
    const isBusy = !isOff || this.#uplink.state !== "idle";
    if (isBusy) this.#looking ??= setInterval(() => this.#changed(), LOOK_EVERY);
    else {
      clearInterval(this.#looking);
      this.#looking = null;
    }
    this.dispatchEvent(new Event("change"));
  }

  /** What waits is first what the service has not acknowledged, then what its back ends have before them. */
  #showFacts() {
    const isHeard = this.#uplink.state === "streaming" && !this.#uplink.isUnresponsive && !this.#isStalled;
    setText(byId("fact-speech"), isHeard ? (this.#status?.speaking ? "now" : "none") : "–");
    if (this.#isStalled) setText(byId("fact-level"), "no sound");
    const { waiting } = this.#uplink;
    if (waiting >= ON_ITS_WAY || this.#uplink.isUnresponsive) this.#showWaiting(waiting, "the connection");
    else if (isHeard) this.#showWaiting(this.#status?.waiting_seconds ?? 0, this.#status?.waiting_for);
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
    const devices = await this.#microphone.devices();
    const wanted = this.#device.value || this.#kept.get(KEPT_DEVICE) || "";
    const named = devices.filter(({ deviceId }) => deviceId !== "default");
    this.#device.replaceChildren(
      h("option", { value: "" }, "default"),
      ...named.map(({ deviceId, label }, index) => h("option", { value: deviceId }, label || `Microphone ${index + 1}`)),
    );
    this.#device.value = named.some(({ deviceId }) => deviceId === wanted) ? wanted : "";
  }
}
