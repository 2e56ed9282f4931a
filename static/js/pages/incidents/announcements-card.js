/** The card of announcements: those of the status page, a button to end each, and a form for a new one. */

import { runAction } from "../../components/actions.js";
import { confirm } from "../../components/confirm-dialog.js";
import { byId, h, keyed, setText } from "../../components/dom.js";
import { emptyState } from "../../components/empty-state.js";
import { pill } from "../../components/pill.js";
import { fillPlaceholder } from "../../components/placeholder.js";
import { Scope } from "../../components/scope.js";
import { announcementTimes, KINDS, pageNote } from "../../models/incidents.js";

/** Announcements that are listed: the current ones are among the newest. */
const SHOWN = 30;

export class AnnouncementsCard {
  #scope = new Scope();
  #send;
  #onChange;

  /** `send(method, path, body)`; `onChange()` is called after each change. */
  constructor({ send, onChange }) {
    this.#send = send;
    this.#onChange = onChange;
  }

  start() {
    if (!this.#scope.open()) return;
    this.#scope.listen(byId("announcement-form"), "submit", (event) => {
      event.preventDefault();
      this.#announce();
    });
  }

  stop() {
    this.#scope.close();
  }

  /** `list`: the response of /api/status/announcements. */
  show({ announcements, is_public: isPublic, now }) {
    const note = byId("status-page-note");
    if (note.dataset.public !== String(isPublic)) {
      note.dataset.public = String(isPublic);
      note.replaceChildren(pageNote(isPublic), isPublic ? h("a", { href: "/status" }, "/status") : h("a", { href: "/settings" }, "settings"), ".");
    }
    const placeholder = byId("announcements-placeholder");
    if (announcements.length === 0) {
      fillPlaceholder(placeholder, emptyState("Nothing is announced.", "Write a text below to announce something to everyone who reads the status page."));
      return;
    }
    const list = fillPlaceholder(placeholder, null, "ul", "status-list");
    keyed(list, announcements.slice(0, SHOWN), {
      key: ({ announcement, is_current: isCurrent }) => `${announcement.number} ${isCurrent}`,
      create: (each) => this.#row(each),
      update: (element, each) => setText(element.querySelector(".banner-more"), announcementTimes(each, now)),
    });
  }

  #row({ announcement, is_current: isCurrent }) {
    const [word, tone] = KINDS[announcement.kind] ?? [announcement.kind, "quiet"];
    return h(
      "li",
      { class: "status-announcement" },
      pill(isCurrent ? word : `${word}, over`, isCurrent ? tone : "quiet"),
      h("div", {}, h("p", { class: "status-text", dir: "auto" }, announcement.text), h("p", { class: "banner-more small" })),
      isCurrent && h("button", { type: "button", class: "button button-small", "aria-label": `End announcement ${announcement.number}`, onclick: ({ currentTarget }) => this.#end(announcement, currentTarget) }, "End"),
    );
  }

  async #end(announcement, button) {
    const isSure = await confirm({ title: "End this announcement?", text: announcement.text, verb: "End it" });
    if (!isSure) return;
    await runAction(button, () => this.#send("DELETE", `/api/status/announcements/${announcement.number}`), "The announcement has ended.");
    this.#onChange();
  }

  async #announce() {
    const [kind, hours, text, fault] = ["announcement-kind", "announcement-hours", "announcement-text", "announcement-fault"].map(byId);
    const written = text.value.trim();
    setText(fault, written === "" ? "Write a text first." : "");
    if (written === "") {
      text.focus();
      return;
    }
    const body = { kind: kind.value, text: written, hours: hours.value === "" ? null : Number(hours.value) };
    const made = await runAction(byId("announcement-send"), () => this.#send("POST", "/api/status/announcements", body), "It is announced.");
    if (made === null) return;
    text.value = "";
    this.#onChange();
  }
}
