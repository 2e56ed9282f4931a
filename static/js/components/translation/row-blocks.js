/**
 * A long list in blocks of some fifty rows each. The browser skips whole blocks that are out of view, so the cost of a
 * new row does not grow with the list.
 */

import { h } from "../dom.js";

/** A block is filled up to `FULL` rows, and split in two past `TOO_MANY`. */
const FULL = 50;
const TOO_MANY = 100;

export class RowBlocks {
  #list;

  /** `list` has role=list; its rows have role=listitem. */
  constructor(list) {
    this.#list = list;
  }

  /** Put `row` before the row `next`, or at the end where it is null. A row in the right place is not moved. */
  place(row, next) {
    const old = row.parentNode;
    if (old !== null && following(row) === next) return;
    if (next === null) this.#append(row);
    else this.#before(row, next);
    if (old !== null && old !== row.parentNode) drop(old);
  }

  remove(row) {
    const block = row.parentNode;
    row.remove();
    drop(block);
  }

  clear() {
    this.#list.replaceChildren();
  }

  #append(row) {
    const last = this.#list.lastElementChild;
    if (last !== null && last.childElementCount < FULL) last.append(row);
    else this.#list.append(block(row));
  }

  #before(row, next) {
    const own = next.parentNode;
    if (own.firstElementChild === next && own.childElementCount >= FULL) {
      const before = own.previousElementSibling;
      if (before !== null && before.childElementCount < FULL) before.append(row);
      else own.before(block(row));
      return;
    }
    own.insertBefore(row, next);
    if (own.childElementCount > TOO_MANY) own.after(block(...[...own.children].slice(FULL)));
  }
}

/** The row after a row, in its block or the next; null at the end. */
function following(row) {
  return row.nextElementSibling ?? row.parentNode.nextElementSibling?.firstElementChild ?? null;
}

/** Without a role of its own: the rows belong to the list. */
const block = (...rows) => h("div", { class: "line-block", role: "none" }, ...rows);

function drop(block) {
  if (block.childElementCount === 0) block.remove();
}
