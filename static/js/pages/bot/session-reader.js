/**
 * Reads the bot's session as its other readers do: translations in this reader's language, and the meeting's chat, with
 * recovery after a lost connection.
 *
 * Events: `translation` detail is the message; `chat` detail is the message.
 */

import { Scope } from "../../components/scope.js";
import { isFinal, isInCall } from "../../models/bots.js";
import { SessionClient } from "../../session-client.js";

/** A session that could not be joined is joined again after this long (ms): it begins with the bot's stay. */
const AGAIN_AFTER = 3_000;

export class SessionReader extends EventTarget {
  #scope = new Scope();
  #socket;
  #session;
  #bot = null;
  #language = null;
  #timer = null;

  constructor(socket) {
    super();
    this.#socket = socket;
    this.#session = new SessionClient(socket);
  }

  start() {
    if (!this.#scope.open()) return;
    this.#scope.listen(this.#socket, "message", ({ detail }) => this.#receive(detail));
    this.#scope.listen(this.#session, "phase", ({ detail: { phase } }) => this.#phaseChanged(phase));
    this.#scope.start(this.#session);
    this.#scope.defer(() => clearTimeout(this.#timer));
  }

  stop() {
    this.#scope.close();
  }

  /** `language`: the reader's, null: what is spoken. */
  show(bot, language) {
    const isOther = language !== this.#language;
    this.#bot = bot;
    this.#language = language;
    if (isOther && this.#session.phase === "open") this.#session.update({ languages: this.#languages });
    this.#join();
  }

  get #languages() {
    return this.#language === null ? [] : [this.#language];
  }

  #join() {
    if (!this.#scope.isOpen || this.#bot === null || !isInCall(this.#bot) || this.#timer !== null) return;
    if (["opening", "open", "rejoining"].includes(this.#session.phase)) return;
    this.#session.open({ session_id: this.#bot.session_id, languages: this.#languages, growing: true, role: "observer", mayBegin: false });
  }

  #phaseChanged(phase) {
    if (!["gone", "failed", "uninvited"].includes(phase) || this.#bot === null || isFinal(this.#bot)) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#timer = null;
      this.#join();
    }, AGAIN_AFTER);
  }

  #receive(message) {
    if (message.session_id !== this.#session.session_id) return;
    if (message.type === "translation") this.dispatchEvent(new CustomEvent("translation", { detail: message }));
    if (message.type === "meeting_chat") this.dispatchEvent(new CustomEvent("chat", { detail: message }));
  }
}
