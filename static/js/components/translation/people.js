/** The card with the participants: who is here, who speaks, who is muted; for the host with what can be done. */

import { h, keyed, setAttribute, setText } from "../dom.js";
import { pill, setPill } from "../pill.js";
import { Scope } from "../scope.js";

export class People {
  #scope = new Scope();
  #texts;
  #session;
  #card;
  #marks;
  #list;
  #rest;
  /** The host's tools, or null where this page is not the host's. */
  #tools = null;

  /** `card`: an empty section; `texts`: those of the page's language. */
  constructor({ texts, session, card }) {
    this.#texts = texts;
    this.#session = session;
    this.#card = card;
  }

  start() {
    if (!this.#scope.open()) return;
    if (!this.#list) this.#create();
    for (const event of ["participants", "moderation", "phase"]) this.#scope.listen(this.#session, event, () => this.draw());
    this.draw();
  }

  stop() {
    this.#scope.close();
  }

  /** The element under the list in which the host's tools stand. */
  get toolbox() {
    return this.#card.querySelector(".host-tools");
  }

  /** Show the host's `tools`: an object with `fill(row, participant, isMe)`. */
  equip(tools) {
    this.#tools = tools;
    this.draw();
  }

  #create() {
    this.#marks = h("p", { class: "row people-marks", hidden: true }, pill(), pill());
    this.#list = h("ul", { class: "people-list", role: "list" });
    this.#rest = h("p", { class: "small muted", hidden: true });
    this.#card.append(h("h2", { id: "people-title" }, this.#texts.text("people.title")), this.#marks, this.#list, this.#rest, h("div", { class: "host-tools", hidden: true }));
  }

  draw() {
    const { phase, participants, count, participant_id, moderation } = this.#session;
    this.#card.hidden = !["open", "rejoining"].includes(phase) || participants.length === 0;
    if (this.#card.hidden) return;
    this.#showMarks(moderation);
    keyed(this.#list, participants, {
      key: (each) => each.participant_id,
      create: () => h("li", { class: "person" }, h("span", { class: "person-name" }, h("bdi", {}), h("span", { class: "small muted" }))),
      update: (row, each) => this.#fill(row, each, each.participant_id === participant_id),
    });
    const rest = count - participants.length;
    this.#rest.hidden = rest <= 0;
    setText(this.#rest, rest > 0 ? this.#texts.text("people.more", { count: rest }) : "");
  }

  #showMarks({ locked, speaking }) {
    const [first, second] = this.#marks.children;
    first.hidden = !locked;
    second.hidden = speaking !== "host";
    this.#marks.hidden = first.hidden && second.hidden;
    setPill(first, this.#texts.text("people.locked"), "warn");
    setPill(second, this.#texts.text("people.host_speaks"), "warn");
  }

  #fill(row, participant, isMe) {
    const texts = this.#texts;
    const { name, role, speaking, muted } = participant;
    const [shown, marks] = row.querySelector(".person-name").children;
    setText(shown, name);
    const words = [
      isMe && texts.text("people.you"),
      role === "owner" && texts.text("people.host"),
      role === "observer" && texts.text("people.reads"),
      muted && texts.text("people.muted"),
      speaking && texts.text("people.speaking"),
    ].filter(Boolean);
    setText(marks, words.length > 0 ? ` · ${words.join(" · ")}` : "");
    setAttribute(row, "data-muted", muted === true);
    this.#tools?.fill(row, participant, isMe);
  }
}
