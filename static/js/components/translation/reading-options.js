/** The choices under "Reading": text size, which texts are shown, colours and confidence. They are stored. */

import { COLOURS, SHOWN, SIZES, changed, isLargest, isSmallest, parseReading, resized, sizeText } from "../../models/reading.js";
import { h, setAttribute, setText } from "../dom.js";
import { Scope } from "../scope.js";

const READING_KEY = "translation:reading";

/** Events: `change` {reading}. */
export class ReadingOptions extends EventTarget {
  #scope = new Scope();
  #texts;
  #root = document.documentElement;
  #smaller;
  #larger;
  #value;
  #show;
  #colours;
  #confidence;
  #preferences;
  #reading;

  /** Elements: buttons `smaller` and `larger`, the size's `value`, selects `show` and `colours`, checkbox `confidence`; `texts`: those of the page's language. */
  constructor({ texts, smaller, larger, value, show, colours, confidence, preferences }) {
    super();
    this.#texts = texts;
    this.#smaller = smaller;
    this.#larger = larger;
    this.#value = value;
    this.#show = show;
    this.#colours = colours;
    this.#confidence = confidence;
    this.#preferences = preferences;
    this.#reading = parseReading(preferences.get(READING_KEY));
  }

  get reading() {
    return this.#reading;
  }

  start() {
    if (!this.#scope.open()) return;
    for (const [select, choices] of [[this.#show, SHOWN], [this.#colours, COLOURS]]) {
      select.replaceChildren(...Object.entries(choices).map(([value, key]) => h("option", { value }, this.#texts.text(key))));
    }
    this.#scope.listen(this.#smaller, "click", () => this.resize(-1));
    this.#scope.listen(this.#larger, "click", () => this.resize(1));
    this.#scope.listen(this.#show, "change", () => this.#change({ show: this.#show.value }));
    this.#scope.listen(this.#colours, "change", () => this.#change({ colours: this.#colours.value }));
    this.#scope.listen(this.#confidence, "change", () => this.#change({ confidence: this.#confidence.checked }));
    this.#apply();
  }

  stop() {
    this.#scope.close();
  }

  /** Make the text larger by `steps`, or smaller where it is negative. */
  resize(steps) {
    this.#set(resized(this.#reading, steps));
  }

  #change(change) {
    this.#set(changed(this.#reading, change));
  }

  #set(reading) {
    this.#reading = reading;
    this.#preferences.set(READING_KEY, JSON.stringify(reading));
    this.#apply();
    this.dispatchEvent(new CustomEvent("change", { detail: { reading } }));
  }

  #apply() {
    const { size, show, colours, confidence } = this.#reading;
    this.#root.style.setProperty("--text-scale", String(SIZES[size]));
    setAttribute(this.#root, "data-text", SIZES[size] > 1.5 ? "huge" : null);
    setAttribute(this.#root, "data-show", show === "both" ? null : show);
    setAttribute(this.#root, "data-colours", colours === "page" ? null : colours);
    setAttribute(this.#root, "data-confidence", confidence ? null : "hidden");
    // `aria-disabled`: a button that is disabled while it has the focus would lose it.
    setAttribute(this.#smaller, "aria-disabled", isSmallest(this.#reading) ? "true" : null);
    setAttribute(this.#larger, "aria-disabled", isLargest(this.#reading) ? "true" : null);
    setText(this.#value, sizeText(this.#reading));
    this.#show.value = show;
    this.#colours.value = colours;
    this.#confidence.checked = confidence;
  }
}
