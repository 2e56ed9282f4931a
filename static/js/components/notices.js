/** Notices to the reader, one banner each: what happened, what it means, what to do. */

import { h, keyed, setAttribute, setText } from "./dom.js";
import { pill, setPill } from "./pill.js";

export class Notices {
  #container;
  #dismiss;
  #all = new Map();

  /** `dismiss`: the label of the button that removes a notice. */
  constructor(container, { dismiss = "Dismiss" } = {}) {
    this.#container = container;
    this.#dismiss = dismiss;
  }

  /**
   * Show `text`, and under it `more`, in place of the notice with the same `key`. `word`: of its pill;
   * `actions`: [{label, run}]; `isDismissable` adds a button that removes it, and then calls `onDismiss`.
   * `isSilent`: screen readers do not read it out at each change.
   */
  show(key, { word, tone = "warn", text, more = "", actions = [], isDismissable = true, onDismiss = () => {}, isSilent = false }) {
    this.#all.set(key, { key, word, tone, text, more, actions, isDismissable, onDismiss, isSilent });
    this.#draw();
  }

  /** Remove a notice, if it is shown. */
  remove(key) {
    if (this.#all.delete(key)) this.#draw();
  }

  /** Remove all notices, with their buttons. */
  clear() {
    this.#all.clear();
    this.#draw();
  }

  #draw() {
    keyed(this.#container, [...this.#all.values()], {
      key: ({ key }) => key,
      create: () =>
        h("div", { class: "banner" }, pill(), h("div", { class: "banner-text" }, h("p", { dir: "auto" }), h("p", { class: "banner-more", dir: "auto" })), h("div", { class: "banner-actions" })),
      update: (element, notice) => this.#fill(element, notice),
    });
  }

  #fill(element, { key, word, tone, text, more, actions, isDismissable, onDismiss, isSilent }) {
    setAttribute(element, "data-tone", tone);
    setAttribute(element, "aria-live", isSilent ? "off" : null);
    setPill(element.querySelector(".pill"), word, tone);
    const [first, second] = element.querySelectorAll("p");
    setText(first, text);
    setText(second, more);
    second.hidden = more === "";
    const all = isDismissable ? [...actions, { label: this.#dismiss, run: () => (this.remove(key), onDismiss()) }] : actions;
    const box = element.querySelector(".banner-actions");
    const wanted = all.map(({ label }) => label).join("\n");
    if (box.dataset.labels === wanted) return;
    box.dataset.labels = wanted;
    box.replaceChildren(...all.map(({ label, run }) => h("button", { type: "button", class: "button", onclick: run }, label)));
  }
}
