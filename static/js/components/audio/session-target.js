/** Sends the settings to a running session, once or with each change. */

import { control, ProblemError } from "../../control-api.js";
import { counted } from "../../models/number-format.js";
import { byId, h, setAttribute, setText } from "../dom.js";
import { Scope } from "../scope.js";
import { toast } from "../toasts.js";

/** A slider that moves sends this often at most (ms). */
const EVERY = 300;

export class SessionTarget {
  #settings;
  #scope = new Scope();
  #timer = null;
  #isSending = false;
  #isWaiting = false;

  /** `settings()` returns the settings in use as a document, or null where they have faults. */
  constructor({ settings }) {
    this.#settings = settings;
  }

  start() {
    const scope = this.#scope;
    if (!scope.open()) return;
    scope.listen(byId("session"), "change", () => this.#show());
    scope.listen(byId("send-session"), "click", () => this.#send(true));
    scope.listen(byId("clear-session"), "click", () => this.#clear());
    scope.listen(byId("refresh-sessions"), "click", () => this.list());
    scope.defer(() => clearTimeout(this.#timer));
    this.#show();
  }

  stop() {
    this.#scope.close();
  }

  /** Load the running sessions. */
  async list() {
    const chosen = byId("session").value;
    const button = byId("refresh-sessions");
    setAttribute(button, "aria-busy", "true");
    try {
      const { sessions } = await control("GET", "/api/sessions");
      byId("session").replaceChildren(h("option", { value: "" }, sessions.length === 0 ? "no session runs" : "choose one"), ...sessions.map((session) => h("option", { value: session.session_id }, words(session))));
      byId("session").value = sessions.some(({ session_id }) => session_id === chosen) ? chosen : "";
      this.#show();
    } catch (error) {
      if (!(error instanceof ProblemError)) throw error;
      setText(byId("session-note"), error.message);
    } finally {
      setAttribute(button, "aria-busy", null);
    }
  }

  /** The settings have changed: with "each change" they are sent. */
  changed() {
    if (!byId("follow-session").checked || byId("session").value === "") return;
    this.#isWaiting = true;
    this.#timer ??= setTimeout(() => {
      this.#timer = null;
      if (this.#isWaiting && !this.#isSending) this.#send(false);
    }, EVERY);
  }

  async #send(isAsked) {
    const document = this.#settings();
    if (document === null) {
      setText(byId("session-note"), "Not sent: resolve the faults first.");
      return;
    }
    await this.#put(document, isAsked ? "uses these settings from now on." : null);
  }

  #clear() {
    return this.#put(null, "is not processed any more.");
  }

  async #put(pipeline, done) {
    const session = byId("session").value;
    this.#isSending = true;
    this.#isWaiting = false;
    try {
      await control("PUT", `/api/sessions/${encodeURIComponent(session)}/pipeline`, { pipeline });
      setText(byId("session-note"), pipeline === null ? "The session's speech is not processed." : "The session uses these settings.");
      if (done !== null) toast(`The speech of ${session} ${done}`);
    } catch (error) {
      if (!(error instanceof ProblemError)) throw error;
      setText(byId("session-note"), error.message);
    } finally {
      this.#isSending = false;
      if (this.#isWaiting) this.changed();
    }
  }

  #show() {
    const isChosen = byId("session").value !== "";
    byId("send-session").disabled = !isChosen;
    byId("clear-session").disabled = !isChosen;
    setText(byId("session-note"), isChosen ? "" : "Speech of a running session can use these settings at once.");
  }
}

function words({ session_id, title, participant_count, streams }) {
  const people = participant_count === null ? "" : `, ${counted(participant_count, "participant")}`;
  return `${title || session_id}${people}${streams > 0 ? ", speaking" : ""}`;
}
