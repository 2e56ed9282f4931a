/**
 * A card with a table, or with a sentence where there is nothing. A table of many rows shows the first ones, a field
 * that finds others, and a button for all. The frame is the macros `card` and `placeholder`, with the same id.
 */

import { isolated } from "../models/bidi.js";
import { counted } from "../models/number-format.js";
import { byId, h, setText } from "./dom.js";
import { emptyState } from "./empty-state.js";
import { fillPlaceholder } from "./placeholder.js";

/** Rows that are shown at first. */
const FEW = 15;

export class TableCard {
  #placeholder;
  #table;
  #empty;
  #noun;
  #find;
  #tools;
  #all;
  #more;
  #count = h("p", { class: "visually-hidden", "aria-live": "polite" });
  #none = h("p", { class: "muted", hidden: true });
  #element;
  #few;
  #showsAll = false;

  /** `noun`: what a row is; `empty`: [what it means that there is none, what to do]. */
  constructor(id, table, { noun, empty, few = FEW }) {
    this.#placeholder = byId(`${id}-placeholder`);
    this.#table = table;
    this.#noun = noun;
    this.#empty = empty;
    this.#few = few;
    this.#find = h("input", { id: `${id}-find`, type: "search", dir: "auto", autocomplete: "off", spellcheck: "false", oninput: () => this.#filter() });
    this.#tools = h("div", { class: "toolbar", hidden: true }, h("span", { class: "field" }, h("label", { for: `${id}-find` }, `Find ${noun}s`), this.#find), this.#count);
    this.#all = h("button", { type: "button", class: "button", onclick: () => this.#toggle() });
    this.#more = h("div", { class: "more", hidden: true }, this.#all);
    this.#element = h("div", {}, this.#tools, table.element, this.#none, this.#more);
  }

  show(rows) {
    if (rows.length === 0) {
      fillPlaceholder(this.#placeholder, emptyState(...this.#empty));
      return;
    }
    fillPlaceholder(this.#placeholder, this.#element);
    const isLong = rows.length > this.#few;
    // What was looked for stays within reach where the rows have become few.
    this.#tools.hidden = !isLong && this.#find.value === "";
    this.#table.limit = this.#showsAll ? Infinity : this.#few;
    this.#table.show(rows);
    this.#write();
  }

  #filter() {
    this.#table.filter(this.#find.value);
    this.#write();
    setText(this.#count, `${counted(this.#table.matching, this.#noun)} ${this.#table.matching === 1 ? "matches" : "match"}`);
  }

  #toggle() {
    this.#showsAll = !this.#showsAll;
    this.#table.limit = this.#showsAll ? Infinity : this.#few;
    this.#table.redraw();
    this.#write();
  }

  #write() {
    const { matching } = this.#table;
    this.#none.hidden = matching > 0;
    setText(this.#none, `No ${this.#noun} matches ${isolated(this.#find.value)}.`);
    this.#more.hidden = matching <= this.#few;
    setText(this.#all, this.#showsAll ? `Show the first ${this.#few}` : `Show all ${counted(matching, this.#noun)}`);
  }
}
