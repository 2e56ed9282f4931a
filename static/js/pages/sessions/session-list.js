/** The list of one's own sessions: title, date, length, how long it is kept, what was found, and what can be done. */

import { h, keyed, setText } from "../../components/dom.js";
import { TITLE_LENGTH, titleOf } from "../../models/own-sessions.js";
import { writeLink } from "../../models/session-link.js";

const FORMATS = ["txt", "srt", "vtt", "json", "docx"];

export class SessionList {
  #container;
  #texts;
  #acts;
  #dates;
  /** The newest row of each session, for what its buttons do. */
  #rows = new Map();

  /** `acts`: onName(entry, title), onForget(entry), onSave(entry, format). */
  constructor(container, { texts, ...acts }) {
    this.#container = container;
    this.#texts = texts;
    this.#acts = acts;
    // In the order of the reader's region, where the browser names one for the page's language.
    const locale = navigator.languages.find((tag) => tag.split("-")[0] === texts.language) ?? texts.language;
    this.#dates = new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeStyle: "short" });
  }

  /** Show `rows` [{entry, details, found}], in their order. */
  show(rows) {
    this.#rows = new Map(rows.map((row) => [row.entry.session_id, row]));
    keyed(this.#container, rows, {
      key: ({ entry }) => entry.session_id,
      create: (row) => this.#create(row),
      update: (element, row) => this.#update(element, row),
    });
  }

  #create({ entry: { session_id } }) {
    const say = (key, values) => this.#texts.text(key, values);
    const current = () => this.#rows.get(session_id).entry;
    const field = h("input", { type: "text", maxlength: TITLE_LENGTH, dir: "auto", autocomplete: "off", "aria-label": say("sessions.title_field") });
    const form = h("form", { class: "own-naming row", hidden: true }, h("span", { class: "field" }, field), h("button", { class: "button button-small", type: "submit" }, say("sessions.save")));
    const rename = h("button", { class: "button button-small", type: "button", "aria-expanded": "false" }, say("sessions.rename"));
    const close = () => {
      form.hidden = true;
      rename.setAttribute("aria-expanded", "false");
      rename.focus();
    };
    rename.addEventListener("click", () => {
      if (!form.hidden) return close();
      field.value = current().title;
      form.hidden = false;
      rename.setAttribute("aria-expanded", "true");
      field.focus();
    });
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#acts.onName(current(), field.value);
      close();
    });
    form.addEventListener("keydown", ({ key }) => key === "Escape" && close());
    const files = FORMATS.map((format) => h("button", { class: "button button-small", type: "button", "data-save": format, onclick: () => this.#acts.onSave(current(), format) }, format.toUpperCase()));
    return h(
      "li",
      { class: "card own-session" },
      h("h2", {}, h("a", { "data-part": "title", dir: "auto" })),
      h("p", { class: "muted small", "data-part": "facts", dir: "auto" }),
      h("ul", { class: "own-found", "data-part": "found" }),
      h("p", { class: "muted small", "data-part": "more", hidden: true }),
      h("div", { class: "own-acts" }, h("div", { class: "row", role: "group", "aria-label": say("sessions.save_as") }, files), h("div", { class: "row" }, rename, h("button", { class: "button button-small", type: "button", "data-forget": "", onclick: () => this.#acts.onForget(current()) }, say("sessions.forget")))),
      form,
    );
  }

  #update(element, row) {
    const { entry, details, found } = row;
    const part = (name) => element.querySelector(`[data-part="${name}"]`);
    const title = part("title");
    setText(title, titleOf(entry));
    const href = writeLink(new URL("/translation", location.href).href, entry);
    if (title.href !== href) title.href = href;
    setText(part("facts"), this.#facts(entry, details));
    const lines = found?.lines ?? [];
    part("found").replaceChildren(...lines.map(({ speaker, text }) => h("li", { dir: "auto" }, speaker && h("bdi", { class: "muted" }, speaker, ": "), text)));
    const rest = (found?.count ?? 0) - lines.length;
    part("more").hidden = rest <= 0;
    if (rest > 0) setText(part("more"), this.#texts.text("sessions.further", { count: rest }));
  }

  /** "3 Jan 2026, 13:22 · 42 min · kept until 2 Feb 2026, 14:04". */
  #facts(entry, details) {
    const say = (key, values) => this.#texts.text(key, values);
    const date = (ms) => this.#dates.format(new Date(ms));
    if (details === null) return `${date(entry.first)} · ${say("sessions.unchecked")}`;
    if (details.reason) return `${date(entry.first)} · ${say("sessions.not_checked", { reason: details.reason })}`;
    const minutes = Math.max(1, Math.round((details.last_active - details.created) / 60));
    return [date(details.created * 1000), say("sessions.minutes", { minutes }), say("sessions.kept", { date: date(details.expires * 1000) })].join(" · ");
  }
}
