/**
 * What is stored of what was said: before this page was opened, and, where another worker runs the bot, until now. With
 * the translations in the reader's language that there are.
 */

import { Scope } from "../../components/scope.js";
import { ProblemError } from "../../control-api.js";
import { LIMIT } from "../../models/bot-lines.js";
import { isInCall } from "../../models/bots.js";

/** Lines of a page. */
const PAGE = 500;
/** After a request that failed, and between two where what is live is not known here (ms). */
const AGAIN_AFTER = 5_000;
/** Lines that are read again: their names and texts may have been revised. */
const OVERLAP = 20;

export class History {
  #scope = new Scope();
  #id;
  #send;
  #lines;
  #onLines;
  #isLoading = false;
  /** The language that the last lines were loaded in, undefined: none were loaded. */
  #language = undefined;
  /** The index after which the next lines are. */
  #after = null;
  #timer = null;

  /** `send(method, path, body)`: the control API; `lines`: models/bot-lines.js; `onLines()`: there are more lines. */
  constructor(id, { send, lines, onLines }) {
    this.#id = id;
    this.#send = send;
    this.#lines = lines;
    this.#onLines = onLines;
  }

  start() {
    if (!this.#scope.open()) return;
    this.#scope.defer(() => clearTimeout(this.#timer));
  }

  stop() {
    this.#scope.close();
  }

  /** `live`: BotLive of orch/bots/shown.py; `language`: the reader's, null: what is spoken. */
  async show({ bot, is_here: isHere }, language) {
    if (this.#isLoading || bot.admitted_at === null || bot.state === "data_deleted") return;
    const isOther = language !== this.#language;
    if (!isOther && (isHere || !isInCall(bot))) return;
    this.#isLoading = true;
    const after = isOther || this.#after === null ? bot.utterances - LIMIT : this.#after - OVERLAP;
    let isDone = false;
    try {
      await this.#load(Math.max(-1, after), language);
      this.#language = language;
      isDone = true;
    } catch (error) {
      if (!(error instanceof ProblemError)) throw error;
    }
    if (!this.#scope.isOpen) return;
    // What is live is shown meanwhile; where there is nothing live, what is stored is looked at again.
    if (isDone && isHere) this.#isLoading = false;
    else this.#timer = setTimeout(() => this.#again(), AGAIN_AFTER);
    if (isDone) this.#onLines();
  }

  #again() {
    this.#isLoading = false;
    this.#onLines();
  }

  async #load(from, language) {
    for (let after = from; after !== null && this.#scope.isOpen; ) {
      const query = new URLSearchParams({ after, limit: PAGE, ...(language === null ? {} : { languages: language }) });
      const page = await this.#send("GET", `/api/bots/${encodeURIComponent(this.#id)}/transcript?${query}`);
      this.#lines.recall(page.lines);
      this.#after = page.lines.at(-1)?.index ?? this.#after;
      after = page.next;
    }
  }
}
