/** The fields "I speak" and "Read in": the languages that the back ends offer, and those that are chosen. */

import { failureText, parseObject, parseProblem } from "../../models/responses.js";
import { usageText } from "../../models/translation-text.js";
import { firstTargets, impossible, notOffered, readable, sources, unknown, wayText } from "../../models/languages.js";
import { h, keyed, setText } from "../dom.js";
import { Scope } from "../scope.js";

/** An offer that could not be loaded is requested again after this long (ms). */
const RETRY_AFTER = 10_000;

const SOURCE_KEY = "translation:source";
const TARGETS_KEY = "translation:targets";
const GROWING_KEY = "translation:growing";

/** A session's usage is of the last minute; after another one it says nothing (ms). */
const USAGE_VALID = 60_000;

/**
 * Events: `change` {source, targets, growing, offer}; `usage` {isReached}: whether this reader has fewer translations of
 * growing lines than they want, because the session's limit is reached.
 */
export class LanguageChoice extends EventTarget {
  #scope = new Scope();
  #texts;
  #source;
  #menu;
  #value;
  #choices;
  #note;
  #growing;
  #preferences;
  #offer = null;
  #targets;
  #timer = null;
  #abort = null;
  /** The session's last usage, or null; and the timer after which it is too old. */
  #usage = null;
  #usageTimer = null;

  /** `texts`: those of the page's language. */
  constructor({ texts, source, menu, value, choices: box, note, growing, preferences }) {
    super();
    this.#texts = texts;
    this.#source = source;
    this.#menu = menu;
    this.#value = value;
    this.#choices = box;
    this.#note = note;
    this.#growing = growing;
    growing.choice.checked = preferences.get(GROWING_KEY) !== "off";
    this.#preferences = preferences;
    this.#targets = this.#stored() ?? [];
  }

  get source() {
    return this.#source.value;
  }

  get targets() {
    return this.#targets;
  }

  /** Whether the back ends' offer was loaded, and with it what is read. */
  get isOfferKnown() {
    return this.#offer !== null;
  }

  /** Whether lines are translated while they grow. */
  get growing() {
    return this.#growing.choice.checked;
  }

  /** The languages that the back ends offer, or null until they are known. */
  get offer() {
    return this.#offer;
  }

  /** The code of the language that is spoken: the chosen one, or the only one that is recognised; else null. */
  get #spoken() {
    if (this.source !== "auto") return this.source;
    const known = sources(this.#offer);
    return known.length === 1 ? known[0] : null;
  }

  /** The part of the choice that the back ends do not offer, as a sentence, or "". */
  get problem() {
    return impossible(this.#offer, this.source, this.#targets, this.#texts);
  }

  start() {
    if (!this.#scope.open()) return;
    this.#scope.listen(this.#source, "change", () => this.#sourceChosen());
    this.#scope.listen(this.#choices, "change", () => this.#targetsChosen());
    this.#scope.listen(this.#growing.choice, "change", () => this.#growingChosen());
    this.#scope.listen(this.#menu, "keydown", (event) => this.#pressed(event));
    this.#scope.listen(document, "click", ({ target }) => this.#clicked(target));
    this.#scope.defer(() => {
      clearTimeout(this.#timer);
      clearTimeout(this.#usageTimer);
      this.#abort?.abort();
    });
    this.load();
  }

  stop() {
    this.#scope.close();
  }

  /** Load the offer; again when a back end failed or recovered. */
  async load() {
    clearTimeout(this.#timer);
    this.#abort?.abort();
    this.#abort = new AbortController();
    const { signal } = this.#abort;
    let response, text;
    try {
      response = await fetch("/api/languages", { signal });
      text = await response.text();
    } catch {
      // The browser does not say why.
      if (!signal.aborted) this.#retryLater({ status: 0 });
      return;
    }
    if (signal.aborted) return;
    const offer = response.ok ? parseObject(text) : null;
    if (offer === null) this.#retryLater({ status: response.status, ...parseProblem(text) });
    else this.#offered(offer);
  }

  /** `failure`: {status, code, detail}, as models/responses.js has it. */
  #retryLater(failure) {
    this.#showNote(this.#texts.text("languages.not_loaded", { why: failureText(failure, this.#texts) }));
    this.#timer = setTimeout(() => this.load(), RETRY_AFTER);
  }

  #offered(offer) {
    const isFirst = this.#offer === null;
    this.#offer = offer;
    if (isFirst || this.#targets.length === 0) {
      this.#targets = firstTargets(offer, { stored: this.#stored(), preferred: navigator.languages, spoken: this.source === "auto" ? [] : [this.source] });
    }
    this.#showSources();
    this.#showTargets();
    this.#growing.field.hidden = (offer.growing_limit ?? 0) === 0;
    this.#showUsage();
    this.#changed();
    if (unknown(offer, this.#texts).length > 0) this.#timer = setTimeout(() => this.load(), RETRY_AFTER);
  }

  #showSources() {
    const wanted = this.#source.value === "auto" ? this.#preferences.get(SOURCE_KEY) ?? "auto" : this.#source.value;
    const offered = this.#texts.choices(sources(this.#offer));
    const options = [{ code: "auto", name: this.#texts.text("languages.detect") }, ...offered.filter(({ code }) => code !== "auto")];
    this.#source.replaceChildren(...options.map(({ code, name }) => h("option", { value: code }, code === "auto" ? name : this.#texts.ownName(code))));
    this.#source.value = options.some(({ code }) => code === wanted) ? wanted : "auto";
  }

  #showTargets() {
    // A choice that is not offered stays listed, so that it can be undone and is there when the offer returns.
    const offered = this.#texts.choices([...readable(this.#offer), ...this.#targets]);
    keyed(this.#choices, offered, {
      key: ({ code }) => code,
      create: ({ code }) => h("label", { class: "check" }, h("input", { type: "checkbox", value: code }), h("span", {}, h("span", {}), h("small", { class: "menu-way" }))),
      update: (element, { code }) => {
        element.firstElementChild.checked = this.#targets.includes(code);
        const [label, way] = element.lastElementChild.children;
        setText(label, this.#texts.ownName(code));
        const text = wayText(this.#offer, this.#spoken, code, this.#texts);
        setText(way, text && ` ${text}`);
      },
    });
    const names = this.#targets.map((code) => this.#texts.languageName(code));
    setText(this.#value, this.#valueOf(names, offered));
    const errors = unknown(this.#offer, this.#texts);
    if (errors.length > 0) this.#showNote(this.#texts.text("languages.unknown", { why: errors.join(" ") }));
    else if (offered.length === 0) this.#showNote(this.#texts.text("languages.no_translation"));
    else this.#showNote(this.problem);
  }

  /** What the menu shows closed: the `names` of the chosen languages. */
  #valueOf(names, offered) {
    if (names.length > 3) return this.#texts.text("languages.count", { count: names.length });
    if (names.length > 0) return names.join(", ");
    if (offered.length === 0) return this.#texts.text("languages.nothing_offered");
    // Who has chosen to read nothing needs no reason.
    const missing = this.#stored() === null ? notOffered(this.#offer, navigator.languages) : null;
    return missing === null ? this.#texts.text("languages.nothing") : this.#texts.text("languages.not_offered", { language: this.#texts.languageName(missing) });
  }

  #showNote(text) {
    this.#note.hidden = text === "";
    setText(this.#note, text);
  }

  #sourceChosen() {
    this.#preferences.set(SOURCE_KEY, this.#source.value);
    this.#showTargets();
    this.#changed();
  }

  #targetsChosen() {
    this.#targets = [...this.#choices.querySelectorAll("input:checked")].map((input) => input.value);
    this.#preferences.set(TARGETS_KEY, this.#targets.join(","));
    this.#showTargets();
    this.#changed();
  }

  /** Apply a `translation_usage`: how many requests the session has sent to translate growing lines. */
  applyUsage({ used, limit, limit_reached }) {
    clearTimeout(this.#usageTimer);
    this.#usage = { used, limit, isReached: limit_reached };
    this.#usageTimer = setTimeout(() => this.forgetUsage(), USAGE_VALID);
    this.#showUsage();
  }

  /** Forget it: it is of another session, or a minute old. */
  forgetUsage() {
    clearTimeout(this.#usageTimer);
    this.#usage = null;
    this.#showUsage();
  }

  #showUsage() {
    setText(this.#growing.limit, ` ${usageText(this.#usage, this.#offer?.growing_limit ?? 0, this.#texts)}`);
    this.dispatchEvent(new CustomEvent("usage", { detail: { isReached: this.growing && this.#usage?.isReached === true } }));
  }

  #growingChosen() {
    this.#preferences.set(GROWING_KEY, this.growing ? "on" : "off");
    this.#showUsage();
    this.#changed();
  }

  #changed() {
    this.dispatchEvent(new CustomEvent("change", { detail: { source: this.source, targets: this.#targets, growing: this.growing, offer: this.#offer } }));
  }

  #pressed(event) {
    if (event.key !== "Escape" || !this.#menu.open) return;
    event.preventDefault();
    event.stopPropagation();
    this.#menu.open = false;
    this.#menu.querySelector("summary").focus();
  }

  #clicked(target) {
    if (this.#menu.open && !this.#menu.contains(target)) this.#menu.open = false;
  }

  #stored() {
    const stored = this.#preferences.get(TARGETS_KEY);
    return stored === null ? null : stored.split(",").filter((code) => code !== "");
  }

  /** The heading of the translation's column. */
  get heading() {
    return this.#texts.languageNames(this.#targets) || this.#texts.text("talk.translation");
  }
}
