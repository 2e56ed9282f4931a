/**
 * The interface's texts in one language, from a catalogue of static/js/texts. Pure.
 *
 * A catalogue maps keys to texts with {placeholders}; a text that depends on a number has a form for each plural
 * category of its language (Intl.PluralRules), chosen by the value `count`.
 */

import { isolated } from "./bidi.js";

/** The languages of the interface, by their own names. The first one is used where the reader's is not among them. */
export const INTERFACE_LANGUAGES = { en: "English", es: "Español", fr: "Français", de: "Deutsch", pt: "Português", ar: "العربية" };

const RIGHT_TO_LEFT = new Set(["ar"]);

export class Texts {
  #language;
  #catalogue;
  #plurals;
  #numbers;

  constructor(language, catalogue) {
    this.#language = language;
    this.#catalogue = catalogue;
    this.#plurals = new Intl.PluralRules(language);
    this.#numbers = new Intl.NumberFormat(language);
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

  #shown(value) {
    if (typeof value === "number") return this.#numbers.format(value);
    if (typeof value === "object") return this.text(value.key, value.values);
    // In a text from the right a value from the left would carry its punctuation to the other side.
    return RIGHT_TO_LEFT.has(this.#language) ? `\u2068${value}\u2069` : isolated(value);
  }
}
