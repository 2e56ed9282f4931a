/**
 * The search bar of the transcript: all matches are marked, and one of them is the current one, which is in view.
 *
 * Matches are marked with the browser's highlights, which change no element; browsers without them mark the rows.
 */

import { TextSearch, countText, isSame, located, searchable, stepped } from "../../models/text-search.js";
import { setAttribute, setText } from "../dom.js";
import { Scope } from "../scope.js";

/** A growing transcript is searched again at most this often (ms). */
const AGAIN_AFTER = 300;

export class TranscriptSearch {
  #scope = new Scope();
  #texts;
  #openers;
  #bar;
  #field;
  #count;
  #buttons;
  #captions;
  #transcript;
  #shown;
  #search = new TextSearch();
  #found = [];
  #index = -1;
  /** Whether the query was typed before the transcript was there: what is found later counts as found then. */
  #isEarly = false;
  #marked = new Set();
  #timer = null;

  /** Elements: buttons `openers`, the `bar` and what is in it; `shown()`: {targets, isOfferKnown, show}, what a line shows; `texts`: those of the page's language. */
  constructor({ texts, openers, bar, field, count, previous, next, close, captions, transcript, shown }) {
    this.#texts = texts;
    this.#openers = openers;
    this.#bar = bar;
    this.#field = field;
    this.#count = count;
    this.#captions = captions;
    this.#transcript = transcript;
    this.#shown = shown;
    this.#buttons = { previous, next, close };
  }

  start() {
    if (!this.#scope.open()) return;
    const { previous, next, close } = this.#buttons;
    for (const opener of this.#openers) this.#scope.listen(opener, "click", () => this.open());
    this.#scope.listen(this.#field, "input", () => this.#queryChanged());
    this.#scope.listen(previous, "click", () => this.#step(-1));
    this.#scope.listen(next, "click", () => this.#step(1));
    this.#scope.listen(close, "click", () => this.close());
    this.#scope.listen(this.#bar, "keydown", (event) => this.#pressed(event));
    this.#scope.defer(() => {
      clearTimeout(this.#timer);
      this.#timer = null;
      this.#unmark();
    });
  }

  stop() {
    this.#scope.close();
  }

  get isOpen() {
    return !this.#bar.hidden;
  }

  open = () => {
    this.#bar.hidden = false;
    this.#field.focus();
    this.#field.select();
    this.#queryChanged();
  };

  close() {
    this.#bar.hidden = true;
    this.#found = [];
    this.#index = -1;
    this.#unmark();
    this.#transcript.focus();
  }

  /** Lines were drawn, or others are shown: search again soon. */
  refresh() {
    if (this.isOpen && this.#field.value !== "") this.#timer ??= setTimeout(() => this.#again(), AGAIN_AFTER);
  }

  /** `before`: the match that is in view already, or null. */
  #queryChanged(before = null) {
    this.#isEarly = this.#transcript.isLoading;
    this.#index = -1;
    this.#find();
    // Typing goes to the last match: what was said lately is what is mostly searched for.
    this.#index = this.#found.length - 1;
    const last = this.#found.at(-1);
    this.#show({ isMoved: last !== undefined && !(before !== null && isSame(last, before)) });
  }

  #again() {
    if (this.#isEarly) this.#queryChanged(this.#found[this.#index] ?? null);
    else this.#find();
  }

  #find() {
    clearTimeout(this.#timer);
    this.#timer = null;
    const current = this.#found[this.#index] ?? null;
    this.#found = this.#search.find(searchable(this.#captions.lines, this.#shown()), this.#field.value);
    this.#index = located(this.#found, current, this.#index);
    this.#show({ isMoved: false });
  }

  #step(steps) {
    this.#isEarly = false;
    this.#find();
    this.#index = stepped(this.#found, this.#index, steps);
    this.#show({ isMoved: true });
  }

  #show({ isMoved }) {
    setText(this.#count, countText(this.#found, this.#index, this.#field.value, this.#texts));
    for (const button of [this.#buttons.previous, this.#buttons.next]) setAttribute(button, "aria-disabled", this.#found.length === 0 ? "true" : null);
    this.#mark();
    const current = this.#found[this.#index];
    if (isMoved && current !== undefined) this.#transcript.reveal(current.id);
  }

  #mark() {
    this.#unmark();
    const ranges = [];
    let currentRange = null;
    this.#found.forEach((match, index) => {
      const element = this.#transcript.elementOf(match.id, match.part);
      if (element === null) return;
      const row = element.closest(".line");
      setAttribute(row, "data-found", index === this.#index ? "current" : (row.dataset.found ?? ""));
      this.#marked.add(row);
      const range = textRange(element, match);
      if (range === null) return;
      if (index === this.#index) currentRange = range;
      else ranges.push(range);
    });
    if (globalThis.CSS?.highlights === undefined) return;
    CSS.highlights.set("found", new Highlight(...ranges));
    CSS.highlights.set("found-current", new Highlight(...(currentRange === null ? [] : [currentRange])));
  }

  #unmark() {
    for (const row of this.#marked) setAttribute(row, "data-found", null);
    this.#marked.clear();
    globalThis.CSS?.highlights?.delete("found");
    globalThis.CSS?.highlights?.delete("found-current");
  }

  #pressed(event) {
    if (event.key === "Escape") this.close();
    else if (event.key === "Enter" && event.target === this.#field) this.#step(event.shiftKey ? -1 : 1);
    else return;
    event.preventDefault();
  }
}

/** The range of a match in an element's text, or null where the element shows another text by now. */
function textRange(element, { start, end }) {
  const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT, (node) => (node.parentElement.closest(".visually-hidden") === null ? NodeFilter.FILTER_ACCEPT : NodeFilter.FILTER_REJECT));
  const range = document.createRange();
  let at = 0;
  let isStarted = false;
  for (let node = walker.nextNode(); node !== null; node = walker.nextNode()) {
    const { length } = node.data;
    if (!isStarted && start < at + length) {
      range.setStart(node, start - at);
      isStarted = true;
    }
    if (isStarted && end <= at + length) {
      range.setEnd(node, end - at);
      return range;
    }
    at += length;
  }
  return null;
}
