/** Which translations are read aloud, and with which voice. Pure. */

import { closest, isNear } from "./languages.js";

/** Texts that wait; past the limit the oldest is skipped: a listener wants to hear what is said now. */
export const WAITING_LIMIT = 4;
/** Ids of lines that were read, so that a history that is loaded again is not read again. */
const KNOWN_LIMIT = 1_000;
/** An engine that reports no end is given up after so long (ms): what it takes to start, and for each character. */
const START_WITHIN = 10_000;
const PER_CHARACTER = 250;

/** The speeds that can be chosen, as factors. */
export const SPEEDS = [0.8, 1, 1.2, 1.5, 2];

/** Texts that wait to be read aloud, from the moment when it was turned on. */
export class ReadAloudQueue {
  #since;
  #waiting = [];
  #known = new Set();
  #skipped = 0;

  /** `since`: lines of before are not read (the service's time, epoch ms). */
  constructor({ since }) {
    this.#since = since;
  }

  /** The number of texts that were skipped to keep up. */
  get skipped() {
    return this.#skipped;
  }

  get length() {
    return this.#waiting.length;
  }

  /** Add a line's translation into one of `languages`, the first that there is. Returns whether it was added. */
  offer(line, languages) {
    if (!line.final || line.error || line.timestamp < this.#since || this.#known.has(line.id)) return false;
    // Who listens in a language understands what is said in it.
    if (languages.some((language) => isNear(line.language, language))) return false;
    const language = languages.find((each) => isReadable(line.translations.get(each)));
    if (language === undefined) return false;
    if (this.#known.size >= KNOWN_LIMIT) this.#known.delete(this.#known.values().next().value);
    this.#known.add(line.id);
    this.#waiting.push({ id: line.id, language, text: line.translations.get(language).text });
    if (this.#waiting.length > WAITING_LIMIT) {
      this.#waiting.shift();
      this.#skipped += 1;
    }
    return true;
  }

  /** The next text, {id, language, text}, or null. */
  next() {
    return this.#waiting.shift() ?? null;
  }
}

const isReadable = (translation) => Boolean(translation) && !translation.error && translation.text.trim() !== "";

/**
 * The voice for a language, or null without one: the chosen one if it speaks the language, else the nearest in
 * region, of those one on this device (`localService`: it works offline and sends the text to nobody).
 */
export function voiceFor(voices, language, chosen = "") {
  const own = voices.filter(({ lang }) => isNear(lang, language));
  const wanted = own.find(({ voiceURI }) => voiceURI === chosen);
  if (wanted !== undefined) return wanted;
  const tag = closest(language, own.map(({ lang }) => lang));
  const best = own.filter(({ lang }) => lang === tag);
  return best.find(({ localService }) => localService) ?? best[0] ?? null;
}

/** The voices that speak one of `languages`, by language and name. */
export function voicesFor(voices, languages) {
  return languages.flatMap((language) => voices.filter(({ lang }) => isNear(lang, language)).sort((a, b) => a.name.localeCompare(b.name)));
}

/** After so long (ms) without an end a text is given up. */
export function patience({ text, speed }) {
  return START_WITHIN + (text.length * PER_CHARACTER) / speed;
}
