/**
 * Reads final translations aloud with the browser's voices (`speechSynthesis`). It is off until the reader turns it on,
 * and off again after a reload: browsers let no page speak before it was touched.
 */

import { ReadAloudQueue, SPEEDS, patience, voiceFor, voicesFor } from "../../models/read-aloud.js";
import { h, setText } from "../dom.js";
import { Scope } from "../scope.js";

const VOICE_KEY = "translation:voice";
const SPEED_KEY = "translation:speed";

export class ReadAloud {
  #scope = new Scope();
  #texts;
  #box;
  #voice;
  #speed;
  #details;
  #note;
  #targets;
  #isOwn;
  #now;
  #preferences;
  #synthesis;
  #createUtterance;
  #queue = null;
  /** What is being read: {utterance, timer}, or null. An utterance that nothing refers to may lose its `end` event. */
  #reading = null;

  /**
   * Elements: checkbox `box`, selects `voice` and `speed`, their frame `details`, and `note`. `targets()`: the languages
   * that are read; `isOwn(line)`: the reader spoke it, which is not read; `now()`: the service's time, epoch ms;
   * `texts`: those of the page's language.
   */
  constructor({ texts, box, voice, speed, details, note, targets, isOwn, now, preferences, synthesis = globalThis.speechSynthesis ?? null, createUtterance = (text) => new SpeechSynthesisUtterance(text) }) {
    this.#texts = texts;
    this.#box = box;
    this.#voice = voice;
    this.#speed = speed;
    this.#details = details;
    this.#note = note;
    this.#targets = targets;
    this.#isOwn = isOwn;
    this.#now = now;
    this.#preferences = preferences;
    this.#synthesis = synthesis;
    this.#createUtterance = createUtterance;
  }

  start() {
    if (!this.#scope.open()) return;
    this.#box.checked = false;
    this.#box.disabled = this.#synthesis === null;
    this.#speed.replaceChildren(...SPEEDS.map((speed) => h("option", { value: String(speed) }, `${speed}×`)));
    const speed = this.#preferences.get(SPEED_KEY);
    this.#speed.value = SPEEDS.map(String).includes(speed) ? speed : "1";
    this.#scope.listen(this.#box, "change", () => (this.#box.checked ? this.#turnOn() : this.#turnOff()));
    this.#scope.listen(this.#voice, "change", () => this.#preferences.set(VOICE_KEY, this.#voice.value));
    this.#scope.listen(this.#speed, "change", () => this.#preferences.set(SPEED_KEY, this.#speed.value));
    if (this.#synthesis !== null) this.#scope.listen(this.#synthesis, "voiceschanged", () => this.update());
    this.#scope.defer(() => this.#turnOff());
    this.#show();
  }

  stop() {
    this.#scope.close();
  }

  get isOn() {
    return this.#queue !== null;
  }

  /** A line has changed. */
  offer(line) {
    if (this.#queue === null || this.#isOwn(line)) return;
    const languages = this.#targets().filter((language) => this.#voiceFor(language) !== null);
    if (this.#queue.offer(line, languages)) this.#readNext();
  }

  /** Other languages are read, or the browser has other voices (it may load them late). */
  update() {
    if (this.isOn) this.#show();
  }

  #turnOn() {
    this.#queue = new ReadAloudQueue({ since: this.#now() });
    this.#show();
  }

  #turnOff() {
    this.#queue = null;
    this.#box.checked = false;
    clearTimeout(this.#reading?.timer);
    // Its `end` or `error` event comes after this one: it is no longer the one that is read.
    if (this.#reading !== null) this.#synthesis.cancel();
    this.#reading = null;
    this.#show();
  }

  #readNext() {
    if (this.#queue === null || this.#reading !== null) return;
    const next = this.#queue.next();
    this.#showNote();
    if (next === null) return;
    const speed = Number(this.#speed.value);
    const utterance = this.#createUtterance(next.text);
    const voice = this.#voiceFor(next.language);
    utterance.lang = voice?.lang ?? next.language;
    if (voice !== null) utterance.voice = voice;
    utterance.rate = speed;
    const reading = { utterance, timer: setTimeout(() => this.#giveUp(reading), patience({ text: next.text, speed })) };
    this.#reading = reading;
    utterance.addEventListener("end", () => this.#ended(reading));
    utterance.addEventListener("error", () => this.#ended(reading));
    this.#synthesis.speak(utterance);
  }

  #ended(reading) {
    if (this.#reading !== reading) return;
    clearTimeout(reading.timer);
    this.#reading = null;
    this.#readNext();
  }

  /** The engine reported no end: without this, one text would silence all that follow. */
  #giveUp(reading) {
    if (this.#reading !== reading) return;
    this.#synthesis.cancel();
    this.#ended(reading);
  }

  #voiceFor(language) {
    return this.#synthesis === null ? null : voiceFor(this.#synthesis.getVoices(), language, this.#voice.value);
  }

  #show() {
    this.#details.hidden = !this.isOn;
    if (this.isOn) {
      const voices = voicesFor(this.#synthesis.getVoices(), this.#targets());
      const wanted = this.#voice.value || this.#preferences.get(VOICE_KEY) || "";
      this.#voice.replaceChildren(h("option", { value: "" }, this.#texts.text("reading.nearest")), ...voices.map(({ voiceURI, name, lang }) => h("option", { value: voiceURI }, `${name} (${lang})`)));
      this.#voice.value = voices.some(({ voiceURI }) => voiceURI === wanted) ? wanted : "";
    }
    this.#showNote();
  }

  #showNote() {
    const text = this.#text();
    this.#note.hidden = text === "";
    setText(this.#note, text);
  }

  #text() {
    const texts = this.#texts;
    if (this.#synthesis === null) return texts.text("reading.cannot");
    if (!this.isOn) return "";
    const targets = this.#targets();
    if (targets.length === 0) return texts.text("reading.choose");
    const silent = targets.filter((language) => this.#voiceFor(language) === null);
    const missing = silent.length === 0 ? "" : texts.text("reading.no_voice", { languages: texts.languageNames(silent) });
    const skipped = this.#queue.skipped === 0 ? "" : texts.text("reading.skipped", { count: this.#queue.skipped });
    return texts.sentences(missing, skipped, texts.text("reading.headphones"));
  }
}
