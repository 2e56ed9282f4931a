/** A side panel of one row: built when it is opened, changed in place, and what it shows without a row. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { fakeBrowser } from "../fakes/js/dom.js";

const importing = fakeBrowser();
const { h } = await import("../../static/js/components/dom.js");
const { RowPanel } = await import("../../static/js/components/row-panel.js");
importing.restore();

class NamedPanel extends RowPanel {
  rows = undefined;
  built = 0;

  constructor(dialog) {
    super(dialog, "name");
  }

  row(key) {
    return this.rows === undefined ? undefined : (this.rows[key] ?? null);
  }

  missing(key) {
    return { text: `Nothing is called ${key}.`, next: "Choose another." };
  }

  build() {
    this.built += 1;
    const value = h("p", {});
    return { value, nodes: [value] };
  }

  update({ value }, row) {
    this.title(row.title);
    value.textContent = row.value;
  }
}

function opened(t, query) {
  const browser = fakeBrowser({ href: `http://localhost/things${query}` });
  const dialog = browser.document.getElementById("panel");
  const panel = new NamedPanel(dialog);
  panel.start();
  t.after(() => {
    panel.stop();
    browser.restore();
  });
  return { panel, title: dialog.querySelector("h2"), body: dialog.querySelector(".panel-body") };
}

test("a row that is not known yet is not called missing", (t) => {
  const { panel, title, body } = opened(t, "?name=a");
  assert.deepEqual([title.textContent, body.textContent], ["a", ""]);
  panel.rows = { a: { title: "A", value: "1" } };
  panel.refresh();
  assert.deepEqual([title.textContent, body.textContent], ["A", "1"]);
});

test("a row is built once and changed in place; one that leaves and returns is built again", (t) => {
  const { panel, title, body } = opened(t, "?name=a");
  panel.rows = { a: { title: "A", value: "1" } };
  panel.refresh();
  const [element] = body.children;
  panel.rows = { a: { title: "A", value: "2" } };
  panel.refresh();
  assert.equal(body.children[0], element);
  assert.equal(body.textContent, "2");
  panel.rows = {};
  panel.refresh();
  assert.equal(title.textContent, "a", "the title of what has left does not stay");
  assert.match(body.textContent, /Nothing is called a\.Choose another\./);
  panel.rows = { a: { title: "A", value: "3" } };
  panel.refresh();
  assert.deepEqual([body.textContent, panel.built], ["3", 2]);
});

test("without an open row nothing is built", (t) => {
  const { panel, body } = opened(t, "");
  panel.rows = { a: { title: "A", value: "1" } };
  panel.refresh();
  assert.deepEqual([panel.key, panel.built, body.textContent], [null, 0, ""]);
});
