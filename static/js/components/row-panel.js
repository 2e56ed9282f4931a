/**
 * A side panel that shows one row of what its page knows: built when it is opened, then changed in place. A panel
 * extends this class and has four methods: `row(key)` (undefined: not known yet, null: there is none), `missing(key)`
 * ({title?, text, next}), `build(row)` (its elements, with `nodes` for the body) and `update(parts, row)`.
 */

import { emptyState } from "./empty-state.js";
import { Panel } from "./panel.js";

export class RowPanel {
  #panel;
  /** The elements that are filled in, or null while none are shown. */
  #parts = null;

  /** `field`: the query field of the page's address that has the key of the open row. */
  constructor(dialog, field) {
    this.#panel = new Panel(dialog, { field, onChange: () => this.changed() });
  }

  /** The open row's key, or null. */
  get key() {
    return this.#panel.key;
  }

  start() {
    this.#panel.start();
  }

  stop() {
    this.#panel.stop();
  }

  /** The address of a row's panel. */
  href(key) {
    return this.#panel.href(key);
  }

  open(key) {
    this.#panel.open(key);
  }

  title(text) {
    this.#panel.title(text);
  }

  /** Another row is open now, or none. */
  changed() {
    this.#parts = null;
    this.refresh();
  }

  /** Show the open row as it is now. */
  refresh() {
    const { key, body } = this.#panel;
    if (key === null) return;
    const row = this.row(key);
    if (row === undefined) return;
    if (row === null) {
      const { title = key, text, next } = this.missing(key);
      this.#parts = null;
      this.title(title);
      body.replaceChildren(emptyState(text, next));
      return;
    }
    if (this.#parts === null) {
      this.#parts = this.build(row);
      body.replaceChildren(...this.#parts.nodes);
    }
    this.update(this.#parts, row);
  }
}
