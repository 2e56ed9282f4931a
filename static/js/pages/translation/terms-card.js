/** The card with the session's names and terms, for those who may speak. */

import { byId, h, setText } from "../../components/dom.js";
import { Scope } from "../../components/scope.js";
import { linesOf, readTerms, withTheirs } from "../../models/terms.js";

/** Where a tab stores what was typed and not saved, by session. */
const KEY = "translation:terms";

export class TermsCard {
  #scope = new Scope();
  #texts;
  #session;
  #storage;
  #card = byId("terms");
  #field;
  #save;
  #theirs;
  #state;
  #problem;
  /** What is stored, as lines: other than the field's, it was changed by somebody else. */
  #stored = "";
  #isSaving = false;

  /** `texts`: those of the page's language; `storage`: sessionStorage or null. */
  constructor({ texts, session, storage }) {
    this.#texts = texts;
    this.#session = session;
    this.#storage = storage;
    const say = texts.say;
    this.#field = h("textarea", { id: "terms-text", rows: 3, dir: "auto", spellcheck: "false", autocomplete: "off", autocapitalize: "off", "aria-describedby": "terms-note terms-problem", "aria-keyshortcuts": "Control+Enter", placeholder: "Norland\nchair = Vorsitz" });
    this.#save = h("button", { type: "button", class: "button button-small", id: "terms-save" }, say("terms.save"));
    this.#theirs = h("button", { type: "button", class: "button button-small", id: "terms-theirs", hidden: true }, say("terms.add_theirs"));
    this.#state = h("p", { class: "small muted", id: "terms-state", role: "status" });
    this.#problem = h("p", { class: "is-bad small", id: "terms-problem", role: "alert" });
    this.#card.replaceChildren(
      h("div", { class: "card-head" }, h("h2", { id: "terms-title" }, say("terms.title"))),
      h("p", { class: "field field-tall" }, h("label", { for: "terms-text" }, say("terms.label")), this.#field),
      h("p", { class: "small muted", id: "terms-note" }, say("terms.note")),
      this.#problem,
      h("p", { class: "row" }, this.#save, this.#theirs),
      this.#state,
    );
  }

  start() {
    if (!this.#scope.open()) return;
    this.#scope.listen(this.#field, "input", () => this.#typed());
    this.#scope.listen(this.#field, "keydown", (event) => this.#pressed(event));
    this.#scope.listen(this.#save, "click", () => this.#store());
    this.#scope.listen(this.#theirs, "click", () => this.#addTheirs());
    this.#scope.listen(this.#session, "terms", () => this.#received());
    this.#scope.listen(this.#session, "phase", () => this.#received());
    this.#received();
  }

  stop() {
    this.#scope.close();
  }

  get #isChanged() {
    return this.#field.value !== this.#stored;
  }

  #pressed(event) {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    this.#store();
  }

  #typed() {
    this.#remember();
    setText(this.#problem, "");
    this.#show();
  }

  /** Show what is stored, unless something else was typed. */
  #received() {
    const { phase, isReadOnly, terms } = this.#session;
    this.#card.hidden = isReadOnly || !["new", "open", "rejoining"].includes(phase);
    const [before, isTyped] = [this.#stored, this.#isChanged];
    this.#stored = linesOf(terms);
    if (!isTyped) this.#field.value = this.#recalled() ?? this.#stored;
    // Saved, by this page or with the same words by another.
    else if (linesOf(readTerms(this.#field.value).terms) === this.#stored) this.#settle();
    else if (this.#stored !== before && !this.#isSaving) this.#theirs.hidden = false;
    if (phase === "new" || phase === "open") this.#remember();
    this.#show();
  }

  #settle() {
    this.#field.value = this.#stored;
    this.#theirs.hidden = true;
    this.#remember();
  }

  async #store() {
    if (this.#isSaving || !this.#isChanged) return;
    const { terms, problem } = readTerms(this.#field.value);
    if (problem !== null) {
      setText(this.#problem, this.#texts.text("terms.not_saved", { why: problem }));
      this.#field.focus();
      return;
    }
    this.#isSaving = true;
    setText(this.#problem, "");
    this.#show();
    const typed = this.#field.value;
    try {
      await this.#session.setTerms(terms);
      this.#stored = linesOf(this.#session.terms);
      if (this.#field.value === typed) this.#settle();
    } catch (error) {
      setText(this.#problem, this.#texts.text("terms.not_saved", { why: error.message }));
    }
    this.#isSaving = false;
    this.#show();
  }

  #addTheirs() {
    this.#field.value = withTheirs(this.#field.value, this.#session.terms);
    this.#theirs.hidden = true;
    this.#typed();
    this.#field.focus();
  }

  #show() {
    this.#save.disabled = this.#isSaving || !this.#isChanged;
    const count = this.#session.terms.length;
    const texts = this.#texts;
    if (!this.#theirs.hidden) setText(this.#state, texts.text("terms.changed"));
    else if (this.#isChanged) setText(this.#state, texts.text("terms.unsaved"));
    else setText(this.#state, count === 0 ? texts.text("terms.empty") : texts.text("terms.count", { count }));
  }

  // --- what was typed survives a reload --------------------------------------------------------------------------

  /** The session; a new one has another name after a reload. */
  get #name() {
    return this.#session.phase === "new" ? "" : this.#session.session_id;
  }

  #remember() {
    // What a new session was given is stored with it once it is created.
    const isOnlyHere = this.#isChanged || (this.#session.phase === "new" && this.#field.value.trim() !== "");
    try {
      if (isOnlyHere) this.#storage?.setItem(KEY, JSON.stringify([this.#name, this.#field.value]));
      else this.#storage?.removeItem(KEY);
    } catch {
      // Full or forbidden: the field still has it.
    }
  }

  #recalled() {
    try {
      const [session_id, text] = JSON.parse(this.#storage?.getItem(KEY) ?? "[]");
      return session_id === this.#name && typeof text === "string" ? text : null;
    } catch {
      return null;
    }
  }
}
