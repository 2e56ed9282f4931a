/**
 * The names of the people who share a microphone, in the transcript. A click on one, or Enter, changes it in place, for
 * all lines and readers. Enter or leaving the field sends the name, Escape drops it; an empty one takes the name back.
 *
 * Of each speaker's names only that of the newest line is in the tab order.
 */

import { UNSURE } from "../../models/speaker-names.js";
import { h, setAttribute, setText } from "../dom.js";

const LONGEST = 80;

export class SpeakerNames {
  #texts;
  #scroll;
  #givenTo;
  #mayName;
  #send;
  /** label -> {button, at}: the one in the tab order. */
  #stops = new Map();

  /** `givenTo(label)`: the name given to it, or ""; `mayName()`; `send(label, name)` gives it a name. */
  constructor({ texts, scroll, givenTo, mayName, send }) {
    this.#texts = texts;
    this.#scroll = scroll;
    this.#givenTo = givenTo;
    this.#mayName = mayName;
    this.#send = send;
  }

  start() {
    this.#scroll.addEventListener("click", this.#clicked);
  }

  stop() {
    this.#scroll.removeEventListener("click", this.#clicked);
  }

  clear() {
    this.#stops.clear();
  }

  /** Show a line's name in its element, as a button where it can be changed. A name that is being edited stays. */
  fill(element, line, name) {
    if (element.querySelector("input") !== null) return;
    const label = line.speakerLabel;
    const isUnsure = label === UNSURE;
    const why = isUnsure ? this.#texts.text("speaker.why_unsure") : null;
    setAttribute(element, "data-unsure", isUnsure);
    setAttribute(element, "title", why);
    setAttribute(element, "aria-description", why);
    if (label === null || isUnsure || !this.#mayName()) {
      setText(element, name);
      return;
    }
    let button = element.querySelector("button");
    if (button === null) {
      button = h("button", { type: "button", class: "speaker-button", title: this.#texts.text("speaker.change"), tabindex: "-1" });
      element.replaceChildren(button);
    }
    setText(button, name);
    button.dataset.label = label;
    this.#moveStop(label, button, line.at);
  }

  #moveStop(label, button, at) {
    const stop = this.#stops.get(label);
    if (stop !== undefined && stop.button !== button) {
      if (stop.at > at && stop.button.isConnected && stop.button.dataset.label === label) return;
      setAttribute(stop.button, "tabindex", "-1");
    }
    setAttribute(button, "tabindex", "0");
    this.#stops.set(label, { button, at });
  }

  #clicked = ({ target }) => {
    const button = target.closest?.(".speaker-button");
    if (button) this.#edit(button);
  };

  #edit(button) {
    const element = button.parentElement;
    const { label } = button.dataset;
    const before = this.#givenTo(label);
    const input = h("input", {
      type: "text", class: "speaker-input", value: before, maxlength: LONGEST, placeholder: button.textContent, dir: "auto", autocomplete: "off", spellcheck: "false", enterkeyhint: "done",
      "aria-label": this.#texts.text("speaker.name_of", { speaker: button.textContent }),
    });
    let isDone = false;
    const finish = (isKept, hasFocus) => {
      if (isDone) return;
      isDone = true;
      const name = input.value.trim();
      element.replaceChildren(button);
      if (hasFocus) button.focus();
      if (isKept && name !== before) this.#send(label, name);
    };
    input.addEventListener("keydown", (event) => {
      if (event.isComposing || !["Enter", "Escape"].includes(event.key)) return;
      event.preventDefault();
      event.stopPropagation();
      finish(event.key === "Enter", true);
    });
    input.addEventListener("blur", () => finish(true, false));
    element.replaceChildren(input);
    input.focus();
    input.select();
  }
}
