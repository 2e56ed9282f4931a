/** "I speak" and "Read in": what the back ends offer, what was chosen, and what cannot go together. */

import { foreignResponseText, parseObject, parseProblem } from "../../models/responses.js";
import { choices, firstTargets, impossible, languageName, list, readable, sources, unknown } from "../../models/languages.js";
import { h, keyed, setText } from "../dom.js";

/** An offer that could not be had is asked for again after so long (ms). */
const ASK_AGAIN = 10_000;

const KEPT_SOURCE = "translation:source";
const KEPT_TARGETS = "translation:targets";

/** Events: `change` {source, targets, offer}. */
export class LanguageChoice extends EventTarget {
  #source;
  #menu;
  #value;
  #choices;
  #note;
  #storage;
  #offer = null;
  #targets;
  #timer = null;
  #abort = null;

  constructor({ source, menu, value, choices: box, note, storage }) {
    super();
    this.#source = source;
    this.#menu = menu;
    this.#value = value;
    this.#choices = box;
    this.#note = note;
    this.#storage = storage;
    this.#targets = this.#kept() ?? [];
  }

  get source() {
    return this.#source.value;
  }

  get targets() {
    return this.#targets;
  }

  /** What the back ends offer, or null while it is not known. */
  get offer() {
    return this.#offer;
  }

  /** What of the choice cannot be had, as a sentence, or "". */
  get problem() {
    return impossible(this.#offer, this.source, this.#targets);
  }

  start() {
    this.#source.addEventListener("change", this.#chosenSource);
    this.#choices.addEventListener("change", this.#chosenTargets);
    this.#menu.addEventListener("keydown", this.#keys);
    document.addEventListener("click", this.#outside);
    this.load();
  }

  stop() {
    this.#source.removeEventListener("change", this.#chosenSource);
    this.#choices.removeEventListener("change", this.#chosenTargets);
    this.#menu.removeEventListener("keydown", this.#keys);
    document.removeEventListener("click", this.#outside);
    clearTimeout(this.#timer);
    this.#abort?.abort();
  }

  /** Ask what is offered (again: a back end has come or gone). */
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
      // Why is known to the browser alone.
      if (!signal.aborted) this.#askAgain("The service cannot be reached.");
      return;
    }
    if (signal.aborted) return;
    const offer = response.ok ? parseObject(text) : null;
    if (offer === null) this.#askAgain(parseProblem(text)?.detail ?? foreignResponseText(response.status));
    else this.#offered(offer);
  }

  #askAgain(why) {
    this.#say(`Which languages there are is not known: ${why} Asking again.`);
    this.#timer = setTimeout(() => this.load(), ASK_AGAIN);
  }

  #offered(offer) {
    const isFirst = this.#offer === null;
    this.#offer = offer;
    if (isFirst || this.#targets.length === 0) {
      this.#targets = firstTargets(offer, { kept: this.#kept(), preferred: navigator.languages, spoken: this.source === "auto" ? [] : [this.source] });
    }
    this.#showSources();
    this.#showTargets();
    this.#changed();
    if (unknown(offer).length > 0) this.#timer = setTimeout(() => this.load(), ASK_AGAIN);
  }

  #showSources() {
    const wanted = this.#source.value === "auto" ? this.#storage.get(KEPT_SOURCE) ?? "auto" : this.#source.value;
    const offered = choices(sources(this.#offer));
    const options = [{ code: "auto", name: "detect" }, ...offered.filter(({ code }) => code !== "auto")];
    this.#source.replaceChildren(...options.map(({ code, name }) => h("option", { value: code }, name)));
    this.#source.value = options.some(({ code }) => code === wanted) ? wanted : "auto";
  }

  #showTargets() {
    // A choice that is not offered now stays, so that it can be taken back and is there when the offer returns.
    const offered = choices([...readable(this.#offer), ...this.#targets]);
    keyed(this.#choices, offered, {
      key: ({ code }) => code,
      create: ({ code }) => h("label", { class: "check" }, h("input", { type: "checkbox", value: code }), h("span", {})),
      update: (element, { code, name }) => {
        element.firstElementChild.checked = this.#targets.includes(code);
        setText(element.lastElementChild, name);
      },
    });
    const names = this.#targets.map((code) => languageName(code));
    setText(this.#value, names.length > 3 ? `${names.length} languages` : names.join(", ") || (offered.length === 0 ? "nothing offered" : "nothing"));
    const errors = unknown(this.#offer);
    if (errors.length > 0) this.#say(`${errors.join(" ")} Asking again.`);
    else if (offered.length === 0) this.#say("No translation is offered. What is said is still written down.");
    else this.#say(this.problem);
  }

  #say(text) {
    this.#note.hidden = text === "";
    setText(this.#note, text);
  }

  #chosenSource = () => {
    this.#storage.set(KEPT_SOURCE, this.#source.value);
    this.#showTargets();
    this.#changed();
  };

  #chosenTargets = () => {
    this.#targets = [...this.#choices.querySelectorAll("input:checked")].map((input) => input.value);
    this.#storage.set(KEPT_TARGETS, this.#targets.join(","));
    this.#showTargets();
    this.#changed();
  };

  #changed() {
    this.dispatchEvent(new CustomEvent("change", { detail: { source: this.source, targets: this.#targets, offer: this.#offer } }));
  }

  #keys = (event) => {
    if (event.key !== "Escape" || !this.#menu.open) return;
    event.preventDefault();
    event.stopPropagation();
    this.#menu.open = false;
    this.#menu.querySelector("summary").focus();
  };

  #outside = (event) => {
    if (this.#menu.open && !this.#menu.contains(event.target)) this.#menu.open = false;
  };

  #kept() {
    const kept = this.#storage.get(KEPT_TARGETS);
    return kept === null ? null : kept.split(",").filter((code) => code !== "");
  }

  /** The heading of the translation's column. */
  get heading() {
    return list(this.#targets.map((code) => languageName(code))) || "Translation";
  }
}
