/**
 * Corrects and deletes lines of the transcript, for everyone in the session.
 *
 * Each line that may be edited has a button. One of them is in the tab order, the last line's at first; the arrow
 * keys up and down move from there. A line is edited in place: Enter sends it, Escape leaves it as it was.
 */

import { h, setAttribute, setText } from "../dom.js";
import { Scope } from "../scope.js";

/** Characters of a line that the service accepts. */
const LONGEST = 4_000;

/** Whether a line's text will not change any more by itself. */
function isEditable({ final, error, edited, text, offset }) {
  if (edited === "deleted" || !(offset > 0)) return false;
  return error ? error.final : final && text.trim() !== "";
}

export class LineEditor {
  #scope = new Scope();
  #texts;
  #list;
  #captions;
  #request;
  #confirm;
  #mayEdit;
  /** {id, element, form, input, error, busy}: the line that is edited, or null. */
  #open = null;
  /** The button in the tab order, or null. */
  #stop = null;

  /**
   * `mayEdit()`: whether this page's participant may; `request(message)`: resolves once the service has done it, rejects
   * with its reason; `confirm({title, text, verb, cancel, isDangerous})`: resolves to whether the person agrees;
   * `texts`: those of the page's language.
   */
  constructor({ texts, list, captions, request, confirm, mayEdit }) {
    this.#texts = texts;
    this.#list = list;
    this.#captions = captions;
    this.#request = request;
    this.#confirm = confirm;
    this.#mayEdit = mayEdit;
  }

  start() {
    if (!this.#scope.open()) return;
    this.#scope.listen(this.#list, "click", ({ target }) => target.closest(".line-edit") && this.#begin(target.closest(".line")));
    this.#scope.listen(this.#list, "keydown", (event) => this.#keys(event));
    this.#scope.listen(this.#list, "focusin", ({ target }) => target.matches(".line-edit") && this.#stopAt(target));
  }

  stop() {
    this.#scope.close();
    this.#open = null;
  }

  /** A line was drawn in `row`: {element, said}. */
  drawn(line, row) {
    const old = row.element.querySelector(".line-edit");
    if (!this.#mayEdit() || !isEditable(line)) {
      old?.remove();
      // It was deleted, by this page or another.
      if (this.#open?.id === line.id) this.#close();
      return;
    }
    if (old) return;
    const button = h("button", { type: "button", class: "line-edit", tabindex: "-1", "aria-label": this.#texts.text("line.edit_label") }, this.#texts.text("line.edit"));
    row.element.querySelector(".line-original").append(button);
    const stop = this.#stop?.isConnected ? this.#stop : null;
    const isLater = stop !== null && stop !== document.activeElement && (stop.compareDocumentPosition(button) & Node.DOCUMENT_POSITION_FOLLOWING) !== 0;
    if (stop === null || isLater) this.#stopAt(button);
  }

  #stopAt(button) {
    if (this.#stop === button) return;
    if (this.#stop !== null) setAttribute(this.#stop, "tabindex", "-1");
    setAttribute(button, "tabindex", "0");
    this.#stop = button;
  }

  #keys(event) {
    if (event.altKey || event.ctrlKey || event.metaKey || event.isComposing) return;
    const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    if (event.target.matches(".line-edit") && step !== undefined) {
      const all = [...this.#list.querySelectorAll(".line-edit")];
      const next = all[all.indexOf(event.target) + step];
      event.preventDefault();
      next?.focus();
    } else if (this.#open?.input === event.target && event.key === "Enter") {
      event.preventDefault();
      this.#save();
    } else if (this.#open?.form.contains(event.target) && event.key === "Escape") {
      event.preventDefault();
      event.stopPropagation();
      this.#close();
    }
  }

  #begin(element) {
    const id = element.dataset.segment;
    const line = this.#captions.get(id);
    if (line === null || this.#open?.id === id) return;
    this.#close();
    const input = h("textarea", { class: "line-text", rows: "2", maxlength: String(LONGEST), dir: "auto", lang: line.language, "aria-label": this.#texts.text("line.text_label"), spellcheck: "true", enterkeyhint: "done" });
    input.value = line.error ? "" : line.text;
    const error = h("p", { class: "line-form-error small", role: "alert" });
    const save = h("button", { class: "button button-main button-small" }, this.#texts.text("line.save"));
    const remove = h("button", { type: "button", class: "button button-danger button-small", onclick: () => this.#delete() }, this.#texts.text("line.delete"));
    const cancel = h("button", { type: "button", class: "button button-small", onclick: () => this.#close() }, this.#texts.text("page.cancel"));
    const form = h("form", { class: "line-form" }, input, error, h("div", { class: "row" }, save, remove, cancel));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#save();
    });
    this.#open = { id, element, form, input, error, busy: false };
    setAttribute(element, "data-editing", true);
    element.querySelector(".line-original").append(form);
    input.focus();
    input.select();
  }

  async #save() {
    const { id, input } = this.#open;
    const text = input.value.trim();
    const line = this.#captions.get(id);
    if (text === "") return this.#complain(this.#texts.text("line.empty"));
    if (text === line?.text) return this.#close();
    return this.#send({ type: "correct_line", text });
  }

  async #delete() {
    const open = this.#open;
    const agrees = await this.#confirm({
      title: this.#texts.text("line.sure"),
      text: this.#texts.text("line.sure_text"),
      verb: this.#texts.text("line.sure_do"),
      cancel: this.#texts.text("page.cancel"),
      isDangerous: true,
    });
    if (open !== this.#open || open === null) return;
    if (agrees) await this.#send({ type: "delete_line" });
    else open.input.focus();
  }

  /** Send an edit of the open line, and close it once it is done. */
  async #send(message) {
    const open = this.#open;
    const line = this.#captions.get(open.id);
    if (open.busy || line === null) return;
    this.#busy(open, true);
    try {
      await this.#request({ ...message, segment_id: line.id, offset: line.offset });
      if (open === this.#open) this.#close();
    } catch (error) {
      this.#busy(open, false);
      if (open === this.#open) this.#complain(this.#texts.coded({ code: error.code, detail: error.message }));
    }
  }

  #busy(open, isBusy) {
    open.busy = isBusy;
    for (const control of open.form.querySelectorAll("button, textarea")) control.disabled = isBusy;
  }

  #complain(text) {
    setText(this.#open.error, text);
    this.#open.input.focus();
  }

  /** Leave the open line as it is; the focus goes back to its button. */
  #close() {
    const open = this.#open;
    if (open === null) return;
    this.#open = null;
    const hadFocus = open.form.contains(document.activeElement) || document.activeElement === document.body;
    open.form.remove();
    setAttribute(open.element, "data-editing", null);
    if (hadFocus) (open.element.querySelector(".line-edit") ?? this.#stop)?.focus();
  }
}
