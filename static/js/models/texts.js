/**
 * The interface's texts in one language, from a catalogue of static/js/texts. Pure.
 *
 * A catalogue maps keys to texts with {placeholders}; a text that depends on a number has a form for each plural
 * category of its language (Intl.PluralRules), chosen by the value `count`.
 */

import { isolated } from "./bidi.js";
import { languageName, ownName } from "./languages.js";
import { UNKNOWN } from "./number-format.js";

/** The languages of the interface, by their own names. The first one is used where the reader's is not among them. */
export const INTERFACE_LANGUAGES = { en: "English", es: "Español", fr: "Français", de: "Deutsch", pt: "Português", ar: "العربية" };

const RIGHT_TO_LEFT = new Set(["ar"]);
/** English without a comma before "and". */
const LISTS = { en: "en-GB" };

const ISOLATES = /[\u2066-\u2069]/gu;

/** `text`, without its isolates where they would end one around it or are not ended. A text of a catalogue ends its own. */
function closed(text) {
  let depth = 0;
  for (const [mark] of text.matchAll(ISOLATES)) {
    depth += mark === "\u2069" ? -1 : 1;
    if (depth < 0) break;
  }
  return depth === 0 ? text : text.replace(ISOLATES, "");
}

export class Texts {
  #language;
  #catalogue;
  #plurals;
  #numbers;
  #tenths;
  #hundredths;
  #lists;
  #collator;

  constructor(language, catalogue) {
    this.#language = language;
    this.#catalogue = catalogue;
    this.#plurals = new Intl.PluralRules(language);
    // The digits of the times in the transcript, in every language.
    const digits = `${language}-u-nu-latn`;
    this.#numbers = new Intl.NumberFormat(digits);
    this.#tenths = new Intl.NumberFormat(digits, { minimumFractionDigits: 1, maximumFractionDigits: 1 });
    this.#hundredths = new Intl.NumberFormat(digits, { minimumFractionDigits: 2, maximumFractionDigits: 2 });
    this.#lists = new Intl.ListFormat(LISTS[language] ?? language, { type: "conjunction" });
    this.#collator = new Intl.Collator(language);
  }

  get language() {
    return this.#language;
  }

  /**
   * The text of `key` with `values` in place of its placeholders. A value is text, a number, or {key, values}: a text
   * of the catalogue itself. Throws where the key or a value is missing: a test holds all catalogues to the same ones.
   */
  text(key, values = {}) {
    const entry = this.#catalogue[key];
    if (entry === undefined) throw new Error(`no text ${key} in ${this.#language}`);
    const form = typeof entry === "string" ? entry : entry[this.#plurals.select(values.count)];
    return form.replace(/\{(\w+)\}/g, (_, name) => {
      if (values[name] === undefined) throw new Error(`no value {${name}} for ${key}`);
      return this.#shown(values[name]);
    });
  }

  /** `text`, for those that take it as a function. */
  say = (key, values) => this.text(key, values);

  /** Sentences of this catalogue after each other; empty ones are left out. */
  sentences(...all) {
    return all.filter((sentence) => sentence !== "").join(" ");
  }

  /** "English and German", in the way of the language. */
  list(names) {
    return this.#lists.format(names);
  }

  number(value) {
    return this.#numbers.format(value);
  }

  /** How sure the speech engine is, from 0 to 1: "0.52". */
  confidence(value) {
    return this.#hundredths.format(value);
  }

  /** Seconds: below ten with one decimal, whole from there on; "–" where they are not known. */
  seconds(value) {
    if (!Number.isFinite(value)) return UNKNOWN;
    return this.text("status.seconds", { value: value < 9.95 ? this.#tenths.format(value) : this.#numbers.format(Math.round(value)) });
  }

  languageName(code) {
    return languageName(code, this.#language);
  }

  /** The name of a language for a choice: in the language itself, and in that of the interface. */
  ownName(code) {
    return ownName(code, this.#language);
  }

  languageNames(codes) {
    return this.list(codes.map((code) => this.languageName(code)));
  }

  /** [{code, name}] sorted by name, each once. */
  choices(codes) {
    return [...new Set(codes ?? [])].map((code) => ({ code, name: this.languageName(code) })).sort((a, b) => this.#collator.compare(a.name, b.name));
  }

  /**
   * What the service or a part of this page reports in English with a `code`: in English as it is, with its details;
   * in other languages the text of its code, with `values`. One without a text is named by its code.
   */
  coded({ code, detail, section = "problem", part = "", values = {} }) {
    const key = `${section}.${code}${part}`;
    if (this.#language === "en" && detail) return detail;
    if (this.#catalogue[key] !== undefined) return this.text(key, values);
    return section === "problem" ? this.text("problem.other", { code: code ?? UNKNOWN }) : (detail ?? "");
  }

  #shown(value) {
    if (typeof value === "number") return this.#numbers.format(value);
    if (typeof value === "object") return this.text(value.key, value.values);
    // In a text from the right a value from the left would carry its punctuation to the other side.
    return RIGHT_TO_LEFT.has(this.#language) ? `\u2068${closed(value)}\u2069` : isolated(value);
  }
}
