/**
 * A table that changes in place: rows by key, sortable, filterable, and held in their order while the pointer or the
 * focus is in them.
 */

import { filtered, held, sorted } from "../models/table-rows.js";
import { h, keyed, setAttribute, setText } from "./dom.js";

/** Whether a column's text may be a name, an id or a back end's text, in any script. */
const isOfPeople = (column) => column.text !== undefined && !column.number;

export class Table {
  #columns;
  #key;
  #words;
  #href;
  #onOpen;
  #onSort;
  #body;
  #table;
  #heads;
  #rows = [];
  #filter = "";
  #sort = null;
  #isHeld = false;
  #selected = null;
  #matching = 0;

  /** Rows shown at most. */
  limit = Infinity;

  /**
   * columns: [{label, name?, number?, keep?, full?, sort?(row), create?(row) -> node, update(node, row) | text(row)}].
   * The first column names the row. `keep`: stays on a phone; `extra`: the first to be left out where there is little
   * room; `tagged`: on a phone the label stands before the value, as it does before numbers. `words(row)`: the texts
   * that the filter looks in.
   */
  constructor({ caption, columns, key, words = () => [], sort = null, href = null, onOpen = null, onSort = () => {}, classes = "table-list" }) {
    this.#columns = columns;
    this.#key = key;
    this.#words = words;
    this.#sort = sort;
    this.#href = href;
    this.#onOpen = onOpen;
    this.#onSort = onSort;
    this.#body = h("tbody", {});
    this.#heads = columns.map((column) => this.#head(column));
    this.#table = h(
      "table",
      { class: `table ${classes}` },
      h("caption", { class: "visually-hidden" }, caption),
      h("thead", {}, h("tr", {}, this.#heads)),
      this.#body,
    );
    this.element = h("div", { class: "table-wrap" }, this.#table);
    this.element.addEventListener("pointerenter", () => this.#hold(true));
    this.element.addEventListener("pointerleave", () => this.#hold(false));
    this.#body.addEventListener("focusin", () => this.#hold(true));
    this.#body.addEventListener("focusout", ({ relatedTarget }) => {
      if (!this.#body.contains(relatedTarget)) this.#hold(this.element.matches(":hover"));
    });
    this.#body.addEventListener("click", (event) => this.#click(event));
    this.#showSort();
  }

  /** The sorted column {label, direction}, or null. */
  get sort() {
    return this.#sort;
  }

  /** The number of rows that match the filter. */
  get matching() {
    return this.#matching;
  }

  /** The number of rows that are shown. */
  get shown() {
    return this.#body.children.length;
  }

  show(rows) {
    this.#rows = rows;
    this.#draw();
  }

  filter(text) {
    if (text === this.#filter) return;
    this.#filter = text;
    this.#draw({ again: true });
  }

  /** Draw the rows again: `limit` was changed. */
  redraw() {
    this.#draw({ again: true });
  }

  select(key) {
    this.#selected = key;
    for (const row of this.#body.children) setAttribute(row, "aria-selected", row.dataset.key === key ? "true" : null);
  }

  #hold(is) {
    if (this.#isHeld === is) return;
    this.#isHeld = is;
    if (!is) this.#draw();
  }

  #head(column) {
    const properties = { scope: "col", class: [column.number && "number", column.extra && "extra"].filter(Boolean).join(" ") || null };
    if (!column.sort) return h("th", properties, column.label || h("span", { class: "visually-hidden" }, column.name ?? ""));
    return h("th", properties, h("button", { type: "button", class: "sort", onclick: () => this.#sortBy(column) }, column.label));
  }

  #sortBy(column) {
    const isSame = this.#sort?.label === column.label;
    const first = column.number ? "descending" : "ascending";
    const other = first === "ascending" ? "descending" : "ascending";
    this.#sort = { label: column.label, direction: isSame && this.#sort.direction === first ? other : first };
    this.#showSort();
    this.#draw({ again: true });
    this.#onSort();
  }

  #showSort() {
    this.#columns.forEach((column, index) => {
      if (column.sort) setAttribute(this.#heads[index], "aria-sort", this.#sort?.label === column.label ? this.#sort.direction : "none");
    });
  }

  #draw({ again = false } = {}) {
    let rows = filtered(this.#rows, this.#filter, this.#words);
    if (this.#isHeld && !again) {
      rows = held(rows, [...this.#body.children].map((row) => row.dataset.key), (row) => String(this.#key(row)));
    } else if (this.#sort) {
      const column = this.#columns.find((each) => each.label === this.#sort.label);
      rows = sorted(rows, column.sort, this.#sort.direction);
    }
    this.#matching = rows.length;
    if (rows.length > this.limit) rows = rows.slice(0, this.limit);
    keyed(this.#body, rows, { key: this.#key, create: (row) => this.#row(row), update: (element, row) => this.#update(element, row) });
    setAttribute(this.#table, "data-rows", rows.length);
  }

  #row(row) {
    const cells = this.#columns.map((column, index) => {
      const classes = [column.number && "number", column.keep && "keep", column.full && "full", column.extra && "extra"].filter(Boolean).join(" ");
      const properties = { class: classes || null, "data-label": index > 0 && (column.number || column.tagged) ? column.label : null };
      if (index === 0) properties.scope = "row";
      return h(index === 0 ? "th" : "td", properties, column.create?.(row) ?? (isOfPeople(column) ? h("bdi", { dir: "auto" }) : null));
    });
    const href = this.#href?.(row) ?? null;
    return h("tr", { "data-href": href }, cells);
  }

  #update(element, row) {
    this.#columns.forEach((column, index) => {
      const cell = element.children[index];
      if (column.update) column.update(column.create ? cell.firstElementChild : cell, row);
      else if (!column.create) setText(isOfPeople(column) ? cell.firstElementChild : cell, column.text(row));
    });
    setAttribute(element, "aria-selected", this.#selected !== null && element.dataset.key === this.#selected ? "true" : null);
  }

  /** A click anywhere in a row opens it, as its link does; the link is for the keyboard. */
  #click(event) {
    const row = event.target.closest("tr[data-href]");
    if (row === null || this.#onOpen === null) return;
    const control = event.target.closest("a, button, input, select");
    if (control !== null && !control.classList.contains("row-link")) return;
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.button !== 0) return;
    event.preventDefault();
    this.#onOpen(row.dataset.key);
  }
}
