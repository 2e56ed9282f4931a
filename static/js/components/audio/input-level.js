/** The level of an open microphone, on a meter of the page: a bar, and words four times a second. */

import { levelWords } from "../../models/pipeline-text.js";
import { setAttribute, setText } from "../dom.js";

const LOWEST = -60;
const SHOW_EVERY = 250;
/** A working microphone delivers noise: after this many milliseconds of nothing at all the reader is asked. */
const SILENT_AFTER = 2_000;

export class InputLevel {
  #meter;
  #words;
  #timers;
  #AudioContextClass;
  #context = null;
  #timer = null;
  #silentFor = 0;

  /** `meter`: an element with the role "meter", whose bar has the width `--level`; `words`: an element for the text. */
  constructor(meter, words, { timers = globalThis, AudioContextClass = globalThis.AudioContext } = {}) {
    this.#meter = meter;
    this.#words = words;
    this.#timers = timers;
    this.#AudioContextClass = AudioContextClass;
  }

  /** Show the level of a MediaStream until `stop`. */
  start(stream) {
    this.stop();
    this.#context = new this.#AudioContextClass();
    const analyser = this.#context.createAnalyser();
    analyser.fftSize = 8_192;
    this.#context.createMediaStreamSource(stream).connect(analyser);
    const samples = new Float32Array(analyser.fftSize);
    this.#silentFor = 0;
    this.#timer = this.#timers.setInterval(() => {
      analyser.getFloatTimeDomainData(samples);
      this.#show(samples.reduce((most, sample) => Math.max(most, Math.abs(sample)), 0));
    }, SHOW_EVERY);
    this.#meter.hidden = false;
  }

  stop() {
    this.#timers.clearInterval(this.#timer);
    this.#context?.close();
    this.#context = this.#timer = null;
    this.#meter.hidden = true;
    setText(this.#words, "");
  }

  #show(peak) {
    this.#silentFor = peak === 0 ? this.#silentFor + SHOW_EVERY : 0;
    const level = peak === 0 ? LOWEST : Math.max(LOWEST, Math.min(0, 20 * Math.log10(peak)));
    const text = peak >= 1 ? "clips: speak softer, or turn the microphone down" : this.#silentFor >= SILENT_AFTER ? "silent: is the microphone muted?" : levelWords(peak);
    this.#meter.style.setProperty("--level", String(1 - level / LOWEST));
    setAttribute(this.#meter, "aria-valuenow", Math.round(level));
    setAttribute(this.#meter, "aria-valuetext", text);
    setText(this.#words, text);
  }
}
