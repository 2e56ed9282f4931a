/** The choice of what is captured: the microphone, shared sound, or both with a level each; and their meters. */

import { SharedSound } from "../../audio/shared-sound.js";
import { FLOOR_DB, LevelMeter, levelText, share } from "../../models/levels.js";
import { gainOf, soundNote, soundWords } from "../../models/sound-text.js";
import { byId, setAttribute, setText } from "../dom.js";
import { Scope } from "../scope.js";

const SOUND_KEY = "translation:sound";
const GAIN_KEY = "translation:gain:";
const KINDS = ["microphone", "shared", "both"];
const NAMES = ["microphone", "shared"];
/** The meters are drawn this often (ms): what is measured at once is a little longer. */
const DRAW_EVERY = 100;
/** Their text for screen readers changes far less often. */
const TEXT_EVERY = 1_000;

/** Events: `change`: another choice; `ended` detail SoundError: the shared sound has ended; `gain` detail {name, gain}. */
export class SoundSources extends EventTarget {
  #scope = new Scope();
  #texts;
  #shared = new SharedSound();
  #choice = byId("sound");
  #rows = new Map(NAMES.map((name) => [name, { row: byId(`source-${name}`), fader: byId(`gain-${name}`), value: byId(`gain-${name}-value`), meter: byId(`meter-${name}`) }]));
  #preferences;
  #meters = new Map();
  #timer = null;
  #textAt = -Infinity;

  /** `texts`: those of the page's language. */
  constructor({ texts, preferences }) {
    super();
    this.#texts = texts;
    this.#preferences = preferences;
  }

  start() {
    const scope = this.#scope;
    if (!scope.open()) return;
    const stored = this.#preferences.get(SOUND_KEY);
    if (this.#shared.unavailable === null && ["shared", "both"].includes(stored)) this.#choice.value = stored;
    for (const option of this.#choice.options) option.disabled = option.value !== "microphone" && this.#shared.unavailable !== null;
    scope.listen(this.#choice, "change", () => this.#chosen());
    scope.listen(this.#shared, "ended", ({ detail }) => this.dispatchEvent(new CustomEvent("ended", { detail })));
    for (const [name, { fader }] of this.#rows) {
      fader.value = this.#preferences.get(GAIN_KEY + name) ?? fader.value;
      scope.listen(fader, "input", () => this.#fade(name));
      // Twice clicked, it is as it was at first.
      scope.listen(fader, "dblclick", () => {
        fader.value = fader.defaultValue;
        this.#fade(name);
      });
    }
    this.#show();
  }

  stop() {
    this.#scope.close();
    this.close();
  }

  /** "microphone", "shared" or "both". */
  get kind() {
    return KINDS.includes(this.#choice.value) ? this.#choice.value : "microphone";
  }

  /** Show another choice, without storing it: for this time it is not what is captured. */
  set kind(kind) {
    this.#choice.value = kind;
    this.#show();
  }

  get usesMicrophone() {
    return this.kind !== "shared";
  }

  /** The SoundError where what is chosen cannot be captured in this browser, or null. */
  get unavailable() {
    return this.kind === "microphone" ? null : this.#shared.unavailable;
  }

  /** The words of the button for what is chosen: {start, stop}. */
  get words() {
    return soundWords(this.kind, this.#texts);
  }

  /** What SoundInput.start takes, without the device. */
  get options() {
    return { usesMicrophone: this.usesMicrophone, shared: this.#shared.stream, gains: Object.fromEntries(NAMES.map((name) => [name, this.#gain(name)])) };
  }

  /** Ask what to share where that is chosen. Resolves to whether capturing may begin; rejects with SoundError. */
  async open() {
    if (this.kind !== "microphone") return this.#shared.open();
    this.#shared.close();
    return true;
  }

  /** Show the levels of an open SoundInput. */
  follow(input) {
    clearInterval(this.#timer);
    this.#meters = new Map(NAMES.map((name) => [name, new LevelMeter()]));
    this.#timer = setInterval(() => this.#draw(input), DRAW_EVERY);
  }

  /** Stop sharing. */
  close() {
    this.#shared.close();
    clearInterval(this.#timer);
    this.#timer = null;
    for (const { meter } of this.#rows.values()) this.#drawMeter(meter, FLOOR_DB, true);
  }

  #chosen() {
    this.#preferences.set(SOUND_KEY, this.kind);
    this.#show();
    this.dispatchEvent(new Event("change"));
  }

  #gain(name) {
    return gainOf(this.#rows.get(name).fader.value);
  }

  #fade(name) {
    this.#preferences.set(GAIN_KEY + name, this.#rows.get(name).fader.value);
    this.#show();
    this.dispatchEvent(new CustomEvent("gain", { detail: { name, gain: this.#gain(name) } }));
  }

  #show() {
    const { kind } = this;
    for (const [name, { row, fader, value }] of this.#rows) {
      row.hidden = kind === "microphone" || (kind === "shared" && name === "microphone");
      setText(value, `${fader.value} %`);
    }
    const note = soundNote({ kind, isAvailable: this.#shared.unavailable === null, isKnownToShareSound: this.#shared.isKnownToShareSound }, this.#texts);
    setText(byId("sound-note"), note);
    byId("sound-note").hidden = note === "";
    byId("device").disabled = !this.usesMicrophone;
  }

  #draw(input) {
    const now = performance.now();
    const isTextDue = now - this.#textAt >= TEXT_EVERY;
    if (isTextDue) this.#textAt = now;
    for (const [name, { row, meter }] of this.#rows) {
      if (row.hidden) continue;
      const samples = input.samples(name);
      this.#drawMeter(meter, samples === null ? FLOOR_DB : this.#meters.get(name).add(samples, now / 1000).level, isTextDue);
    }
  }

  #drawMeter(meter, level, isTextDue) {
    meter.style.setProperty("--share", share(level).toFixed(3));
    if (!isTextDue) return;
    setAttribute(meter, "aria-valuenow", Math.max(-60, Math.round(level)));
    setAttribute(meter, "aria-valuetext", levelText(level, this.#texts));
  }
}
