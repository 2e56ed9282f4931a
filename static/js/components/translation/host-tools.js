/** What the host can do: in each participant's row, and for all. Loaded where this page is the host's. */

import { h, setAttribute, setText } from "../dom.js";
import { Scope } from "../scope.js";

/** Characters of a name, as the service limits it. */
const NAME_LENGTH = 80;

/** The choices of sound processing, by preset; "" is none. */
const PRESETS = {
  "": "host.sound_off",
  default: "host.sound_default",
  voice: "host.sound_voice",
  noisy: "host.sound_noisy",
  music: "host.sound_music",
  minimal: "host.sound_minimal",
  aggressive: "host.sound_aggressive",
};
const OWN = "own";

export class HostTools {
  #scope = new Scope();
  #texts;
  #session;
  #request;
  #confirm;
  #onDone;
  #onProblem;
  #box;
  #lock;
  #only;
  #sound;
  #buttons;

  /**
   * `box`: where the tools for all stand; `request(message)`: sends a request about the session; `confirm`: asks;
   * `onDone(text)`, `onProblem(text)`: what was done, or why it was not.
   */
  constructor({ texts, session, box, request, confirm, onDone, onProblem }) {
    this.#texts = texts;
    this.#session = session;
    this.#box = box;
    this.#request = request;
    this.#confirm = confirm;
    this.#onDone = onDone;
    this.#onProblem = onProblem;
  }

  start() {
    if (!this.#scope.open()) return;
    if (!this.#lock) this.#create();
    this.#scope.listen(this.#session, "moderation", () => this.show());
    this.#scope.listen(this.#session, "pipeline", () => this.show());
    this.#scope.listen(this.#session, "phase", () => this.show());
    this.show();
  }

  stop() {
    this.#scope.close();
  }

  #create() {
    const { say: text } = this.#texts;
    const button = (key, run, kind = "") => h("button", { type: "button", class: `button button-small ${kind}`, onclick: run }, text(key));
    this.#lock = h("button", { type: "button", class: "button button-small", onclick: () => this.#toggleLock() });
    this.#only = h("input", { type: "checkbox", id: "host-only", onchange: () => this.#setSpeaking() });
    this.#sound = h(
      "select",
      { id: "host-sound", onchange: () => this.#setPipeline() },
      ...Object.entries(PRESETS).map(([value, key]) => h("option", { value }, text(key))),
      h("option", { value: OWN, disabled: true, hidden: true }, text("host.sound_own")),
    );
    this.#buttons = [button("host.mute_all", () => this.#muteAll()), button("host.new_links", () => this.#newLinks()), button("host.end", () => this.#end(), "button-danger")];
    const [muteAll, newLinks, end] = this.#buttons;
    this.#box.setAttribute("role", "group");
    this.#box.setAttribute("aria-label", text("host.tools"));
    this.#box.append(h("label", { class: "check" }, this.#only, text("host.only_host_speaks")), h("p", { class: "field" }, h("label", { for: "host-sound" }, text("host.sound")), this.#sound), h("p", { class: "row" }, this.#lock, muteAll, newLinks, end));
  }

  show() {
    const { moderation, phase, isHost, pipeline } = this.#session;
    this.#box.hidden = !isHost;
    const isOpen = phase === "open" && !moderation.ending;
    for (const control of [this.#lock, this.#only, this.#sound, ...this.#buttons]) control.disabled = !isOpen;
    setText(this.#lock, this.#texts.text(moderation.locked ? "host.unlock" : "host.lock"));
    setAttribute(this.#lock, "aria-pressed", String(moderation.locked));
    this.#only.checked = moderation.speaking === "host";
    // Settings of one's own are set elsewhere; they can only be replaced here.
    this.#sound.querySelector(`[value=${OWN}]`).hidden = typeof pipeline !== "object" || pipeline === null;
    this.#sound.value = pipeline === null ? "" : typeof pipeline === "string" ? pipeline : OWN;
  }

  /** Show what can be done about a participant in their row. */
  fill(row, participant, isMe) {
    let more = row.querySelector(".person-more");
    if (isMe) {
      more?.remove();
      row.querySelector(".person-actions")?.remove();
      return;
    }
    if (more === null) more = this.#equip(row, participant.participant_id);
    row.participant = participant;
    const [mute] = row.querySelectorAll(".person-actions button");
    setAttribute(more, "aria-label", this.#texts.text("host.more", { name: participant.name }));
    setAttribute(row.querySelector(".person-actions"), "aria-label", participant.name);
    setText(mute, this.#texts.text(participant.muted ? "host.let_speak" : "host.mute"));
    mute.hidden = participant.role === "observer";
  }

  #equip(row, participant_id) {
    const { say: text } = this.#texts;
    const id = `person-${participant_id}`;
    const actions = h(
      "div",
      { class: "person-actions", id, role: "group", hidden: true, onkeydown: (event) => this.#escaped(event, row) },
      h("button", { type: "button", class: "button button-small", onclick: () => this.#mute(row.participant) }),
      h("button", { type: "button", class: "button button-small", onclick: () => this.#beginRename(row) }, text("host.rename")),
      h("button", { type: "button", class: "button button-small button-danger", onclick: () => this.#remove(row.participant) }, text("host.remove")),
    );
    const more = h("button", { type: "button", class: "button button-small person-more", "aria-expanded": "false", "aria-controls": id, onclick: () => this.#toggle(row) }, "⋯");
    row.append(more, actions);
    return more;
  }

  #toggle(row, isOpen = row.querySelector(".person-actions").hidden) {
    row.querySelector(".person-actions").hidden = !isOpen;
    setAttribute(row.querySelector(".person-more"), "aria-expanded", String(isOpen));
    if (!isOpen) row.querySelector(".person-rename")?.remove();
  }

  #escaped(event, row) {
    if (event.key !== "Escape") return;
    event.stopPropagation();
    const isRenaming = row.querySelector(".person-rename") !== null;
    row.querySelector(".person-rename")?.remove();
    if (isRenaming) row.querySelectorAll(".person-actions button")[1].focus();
    else {
      this.#toggle(row, false);
      row.querySelector(".person-more").focus();
    }
  }

  #beginRename(row) {
    if (row.querySelector(".person-rename") !== null) return;
    const { say: text } = this.#texts;
    const input = h("input", { type: "text", dir: "auto", maxlength: NAME_LENGTH, "aria-label": text("host.new_name", { name: row.participant.name }), value: row.participant.name });
    const form = h("form", { class: "person-rename row", onsubmit: (event) => this.#rename(event, row, input) }, h("span", { class: "field" }, input), h("button", { type: "submit", class: "button button-small button-main" }, text("host.save_name")));
    row.querySelector(".person-actions").append(form);
    input.focus();
    input.select();
  }

  // --- requests -------------------------------------------------------------------------------------------------

  /** Send a request. Resolves to whether it was carried out. */
  async #ask(message, done) {
    try {
      await this.#request(message);
    } catch (error) {
      this.#onProblem(this.#texts.text("host.not_done", { why: this.#texts.coded({ code: error.code, detail: error.message }) }));
      return false;
    }
    if (done !== null) this.#onDone(done);
    return true;
  }

  #mute({ participant_id, name, muted }) {
    return this.#ask({ type: "mute_participant", participant_id, muted: !muted }, this.#texts.text(muted ? "host.may_speak" : "host.is_muted", { name }));
  }

  async #rename(event, row, input) {
    event.preventDefault();
    const { participant_id, name } = row.participant;
    const wanted = input.value.trim();
    if (wanted === "" || wanted === name) {
      input.focus();
      return;
    }
    if (!(await this.#ask({ type: "rename_participant", participant_id, name: wanted }, null))) return;
    this.#toggle(row, false);
    row.querySelector(".person-more")?.focus();
  }

  async #remove({ participant_id, name }) {
    const { say: text } = this.#texts;
    const answer = await this.#confirm({
      title: text("host.sure_remove", { name }),
      text: text("host.sure_remove_text"),
      verb: text("host.remove_verb"),
      cancel: text("host.cancel"),
      choice: text("host.also_new_links"),
      isDangerous: true,
    });
    if (!answer) return;
    await this.#ask({ type: "remove_participant", participant_id, new_keys: answer.isChosen === true }, text("host.is_removed", { name }));
  }

  #toggleLock() {
    const locked = !this.#session.moderation.locked;
    return this.#ask({ type: "set_session", locked }, this.#texts.text(locked ? "host.is_locked" : "host.is_unlocked"));
  }

  async #setSpeaking() {
    const speaking = this.#only.checked ? "host" : "everyone";
    if (!(await this.#ask({ type: "set_session", speaking }, this.#texts.text(speaking === "host" ? "host.only_host_now" : "host.everyone_now")))) this.show();
  }

  async #setPipeline() {
    const { value } = this.#sound;
    const done = value === "" ? this.#texts.text("host.sound_is_off") : this.#texts.text("host.sound_is", { name: this.#texts.text(PRESETS[value]) });
    if (!(await this.#ask({ type: "set_pipeline", pipeline: value === "" ? null : value }, done))) this.show();
  }

  #muteAll() {
    return this.#ask({ type: "mute_participant" }, this.#texts.text("host.all_muted"));
  }

  async #newLinks() {
    const { say: text } = this.#texts;
    const isSure = await this.#confirm({ title: text("host.sure_links"), text: text("host.sure_links_text"), verb: text("host.new_links_verb"), cancel: text("host.cancel") });
    if (isSure) await this.#ask({ type: "new_keys" }, text("host.links_are_new"));
  }

  async #end() {
    const { say: text } = this.#texts;
    const isSure = await this.#confirm({ title: text("host.sure_end"), text: text("host.sure_end_text"), verb: text("host.end_verb"), cancel: text("host.cancel"), isDangerous: true });
    if (isSure) await this.#ask({ type: "end_session" }, null);
  }
}
