/**
 * The side panel: what one row is in full. It has the page's URL with one more field (`?branch=health`), so that
 * it can be linked to and Back closes it. The frame is the macro `panel`.
 */

import { setText } from "./dom.js";

export class Panel {
  #dialog;
  #title;
  #field;
  #onChange;
  #opener = null;

  /** `onChange(key | null)`: another row is open now, or none; fill in `body`. */
  constructor(dialog, { field, onChange }) {
    this.#dialog = dialog;
    this.#title = dialog.querySelector("h2");
    this.body = dialog.querySelector(".panel-body");
    this.#field = field;
    this.#onChange = onChange;
    dialog.querySelector("[data-close]").addEventListener("click", () => this.close());
    dialog.addEventListener("cancel", (event) => {
      event.preventDefault();
      this.close();
    });
    dialog.addEventListener("click", (event) => {
      if (event.target === dialog) this.close();
    });
    addEventListener("popstate", () => this.#follow());
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

  /** Open what the address names; call once the page can fill the panel. */
  start() {
    this.#follow();
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
