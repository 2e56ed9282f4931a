/**
 * The side panel with the details of one row. Its address is the page's with one more query field (`?branch=health`), so that
 * it can be linked to and Back closes it. The frame is the macro `panel`.
 */

import { setText } from "./dom.js";
import { Scope } from "./scope.js";

export class Panel {
  #dialog;
  #title;
  #field;
  #onChange;
  /** The element that had the focus before the panel was opened. */
  #opener = null;
  #scope = new Scope();

  /** `onChange(key | null)` is called when another row is opened, or none. */
  constructor(dialog, { field, onChange }) {
    this.#dialog = dialog;
    this.#title = dialog.querySelector("h2");
    /** What `onChange` fills in. */
    this.body = dialog.querySelector(".panel-body");
    this.#field = field;
    this.#onChange = onChange;
  }

  /** The open row's key, or null. */
  get key() {
    return new URL(location.href).searchParams.get(this.#field);
  }

  /** The address of a row's panel. */
  href(key) {
    const url = new URL(location.href);
    url.searchParams.set(this.#field, key);
    return `${url.pathname}${url.search}`;
  }

  /** Open the row that the address names. Call it once the page can fill the panel. */
  start() {
    if (!this.#scope.open()) return;
    this.#scope.listen(this.#dialog.querySelector("[data-close]"), "click", () => this.close());
    this.#scope.listen(this.#dialog, "cancel", (event) => {
      event.preventDefault();
      this.close();
    });
    this.#scope.listen(this.#dialog, "click", ({ target }) => {
      if (target === this.#dialog) this.close();
    });
    this.#scope.listen(globalThis, "popstate", () => this.#follow());
    this.#follow();
  }

  /** Stop following the address; the dialog stays as it is. */
  stop() {
    this.#scope.close();
  }

  open(key) {
    this.#opener = document.activeElement;
    history.pushState({ panel: true }, "", this.href(key));
    this.#follow();
  }

  close() {
    if (history.state?.panel) {
      history.back();
      return;
    }
    const url = new URL(location.href);
    url.searchParams.delete(this.#field);
    history.replaceState(null, "", `${url.pathname}${url.search}`);
    this.#follow();
  }

  title(text) {
    setText(this.#title, text);
  }

  #follow() {
    const { key } = this;
    if (key === null) {
      if (this.#dialog.open) this.#dialog.close();
      this.#onChange(null);
      if (this.#opener?.isConnected) this.#opener.focus();
      this.#opener = null;
      return;
    }
    this.title(key);
    this.body.replaceChildren();
    this.#onChange(key);
    if (!this.#dialog.open) this.#dialog.showModal();
  }
}
