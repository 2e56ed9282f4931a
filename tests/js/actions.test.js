/** A button whose request runs is disabled meanwhile, and has the focus again if it had it. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { runAction } from "../../static/js/components/actions.js";

/** A button in a page that, as Chromium's, moves the focus to its body when the button is disabled. */
function makeButton({ isFocused = true } = {}) {
  const page = { body: {}, activeElement: null };
  const attributes = new Map();
  let isDisabled = false;
  const button = {
    ownerDocument: page,
    get disabled() {
      return isDisabled;
    },
    set disabled(value) {
      isDisabled = value;
      if (value && page.activeElement === button) page.activeElement = page.body;
    },
    hasAttribute: (name) => attributes.has(name),
    getAttribute: (name) => attributes.get(name) ?? null,
    setAttribute: (name, value) => attributes.set(name, value),
    removeAttribute: (name) => attributes.delete(name),
    focus: () => (page.activeElement = button),
  };
  page.activeElement = isFocused ? button : page.body;
  return { button, page };
}

test("a button that was pressed with the keyboard has the focus again", async () => {
  const { button, page } = makeButton();
  const made = await runAction(button, async () => {
    assert.ok(button.disabled);
    assert.equal(page.activeElement, page.body);
    return { ok: true };
  });
  assert.deepEqual(made, { ok: true });
  assert.equal(page.activeElement, button);
  assert.equal(button.getAttribute("aria-busy"), null);
});

test("the focus is not taken from where the reader went meanwhile, nor given to a button that had none", async () => {
  const { button, page } = makeButton();
  const elsewhere = {};
  await runAction(button, async () => (page.activeElement = elsewhere));
  assert.equal(page.activeElement, elsewhere);
  const other = makeButton({ isFocused: false });
  await runAction(other.button, async () => null);
  assert.equal(other.page.activeElement, other.page.body);
});

test("it has the focus again after a failure too", async () => {
  const { button, page } = makeButton();
  await assert.rejects(runAction(button, () => Promise.reject(new TypeError("x"))), TypeError);
  assert.equal(page.activeElement, button);
  assert.ok(!button.disabled);
});
