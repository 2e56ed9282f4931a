/**
 * Keyboard access to words with a low confidence: the last one is in the tab order, and arrow keys move from there.
 * A word's confidence is read out when it has the focus, not when its whole line is read.
 */

import { h, setAttribute } from "../dom.js";

export class UnsureWords {
  #texts;
  #scroll;
  #captions;
  #rowOf;
  /** {row, element}: the word in the tab order. */
  #stop = null;

  /** `rowOf(line)`: its row {line, unsure}, or undefined; `unsure` are its words' elements, in order. */
  constructor({ texts, scroll, captions, rowOf }) {
    this.#texts = texts;
    this.#scroll = scroll;
    this.#captions = captions;
    this.#rowOf = rowOf;
  }

  start() {
    this.#scroll.addEventListener("keydown", this.#keys);
    this.#scroll.addEventListener("focusin", this.#focused);
    this.#scroll.addEventListener("focusout", this.#blurred);
  }

  stop() {
    this.#scroll.removeEventListener("keydown", this.#keys);
    this.#scroll.removeEventListener("focusin", this.#focused);
    this.#scroll.removeEventListener("focusout", this.#blurred);
  }

  /** A row has new words. */
  filled(row) {
    const stop = this.#stop;
    if (stop !== null && stop.row !== row) {
      const isLater = row.unsure.length > 0 && row.line.at >= stop.row.line.at && stop.element !== document.activeElement;
      if (isLater) this.#move(row, row.unsure.at(-1));
    } else if (row.unsure.length > 0) this.#move(row, row.unsure.at(-1));
    else if (stop !== null) this.#moveFrom(this.#captions.indexOf(row.line));
  }

  /** The row at `index` was removed. */
  removed(row, index) {
    if (this.#stop?.row === row) this.#moveFrom(index);
  }

  clear() {
    this.#stop = null;
  }

  #moveFrom(index) {
    this.#stop = null;
    const row = this.#nextRow(index, -1) ?? this.#nextRow(index - 1, 1);
    if (row !== null) this.#move(row, row.unsure.at(-1));
  }

  #move(row, element) {
    if (this.#stop !== null) setAttribute(this.#stop.element, "tabindex", "-1");
    setAttribute(element, "tabindex", "0");
    this.#stop = { row, element };
  }

  /** The next row with such words from the index on, in steps of `step`. */
  #nextRow(index, step) {
    const { lines } = this.#captions;
    for (let at = index + step; at >= 0 && at < lines.length; at += step) {
      const row = this.#rowOf(lines[at]);
      if (row !== undefined && row.unsure.length > 0) return row;
    }
    return null;
  }

  #keys = (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (step === undefined || event.altKey || event.ctrlKey || event.metaKey || this.#stop === null) return;
    const next = this.#next(step);
    if (next === null) return;
    event.preventDefault();
    this.#move(next.row, next.element);
    next.element.focus();
  };

  #next(step) {
    const { row, element } = this.#stop;
    if (element !== document.activeElement) return this.#stop;
    const beside = row.unsure[row.unsure.indexOf(element) + step];
    if (beside !== undefined) return { row, element: beside };
    const other = this.#nextRow(this.#captions.indexOf(row.line), step);
    return other === null ? null : { row: other, element: other.unsure.at(step < 0 ? -1 : 0) };
  }

  #focused = ({ target }) => {
    if (!target.matches(".unsure") || target.querySelector("[data-number]") !== null) return;
    target.append(h("span", { class: "visually-hidden", lang: this.#texts.language, "data-number": true }, ` ${this.#texts.text("talk.confidence_of", { value: target.dataset.confidence })}`));
  };

  #blurred = ({ target }) => {
    if (target.matches(".unsure")) target.querySelector("[data-number]")?.remove();
  };
}

/** The element of an unsure word. */
export function unsureWord({ text, confidence }, texts) {
  return h("span", { class: "unsure", tabindex: "-1", "data-confidence": texts.confidence(confidence) }, text);
}
