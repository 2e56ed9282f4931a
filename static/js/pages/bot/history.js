/** What was said before this page was opened: the last stored lines, and their translations in the reader's language. */

import { LIMIT } from "../../models/bot-lines.js";
import { ProblemError } from "../../control-api.js";
import { Scope } from "../../components/scope.js";

/** Lines of a page, and pages of translations that are read at most. */
const PAGE = 500;
const PAGES = 40;
/** After a request that failed (ms). */
const AGAIN_AFTER = 5_000;

export class History {
  #scope = new Scope();
  #id;
  #send;
  #lines;
  #onLines;
  /** index of a stored line -> its segment */
  #segments = new Map();
  #isLoading = false;
  #isLoaded = false;
  #language = null;
  #timer = null;

  /** `send(method, path, body)`: the control API; `lines`: models/bot-lines.js; `onLines()`: there are more lines. */
  constructor(id, { send, lines, onLines }) {
    this.#id = id;
    this.#send = send;
    this.#lines = lines;
    this.#onLines = onLines;
  }

  start() {
    this.#scope.open();
    this.#scope.defer(() => clearTimeout(this.#timer));
  }

  stop() {
    this.#scope.close();
  }

  /** `language`: the reader's, null: what is spoken. */
  async show(bot, language) {
    if (this.#isLoading || bot.utterances === 0 || bot.state === "data_deleted") return;
    if (this.#isLoaded && (language === null || language === this.#language)) return;
    this.#isLoading = true;
    try {
      if (!this.#isLoaded) await this.#loadLines(bot.utterances);
      this.#isLoaded = true;
      if (language !== null) await this.#loadTranslations(language);
      this.#language = language;
      this.#isLoading = false;
    } catch (error) {
      if (!(error instanceof ProblemError)) throw error;
      // What is live is shown meanwhile.
      if (this.#scope.isOpen) this.#timer = setTimeout(() => (this.#isLoading = false), AGAIN_AFTER);
    }
    if (this.#scope.isOpen) this.#onLines();
  }

  async #loadLines(utterances) {
    for (let after = Math.max(-1, utterances - LIMIT); after !== null && this.#scope.isOpen; ) {
      const page = await this.#send("GET", `${this.#path}/transcript?${new URLSearchParams({ after, limit: PAGE })}`);
      for (const { index, segment } of page.lines) this.#segments.set(index, segment);
      this.#lines.recall(page.lines);
      after = page.next;
    }
  }

  async #loadTranslations(language) {
    let cursor = {};
    for (let count = 0; count < PAGES && cursor !== null && this.#scope.isOpen; count += 1) {
      const page = await this.#send("GET", `${this.#path}/translations?${new URLSearchParams({ language, limit: PAGE, ...cursor })}`);
      for (const { index, revision, text } of page.lines) {
        const segment = this.#segments.get(index);
        if (segment !== undefined) this.#lines.translate({ segment_id: segment, target_language: language, revision, text });
      }
      cursor = page.next === null ? null : { after: page.next };
    }
  }

  get #path() {
    return `/api/bots/${encodeURIComponent(this.#id)}`;
  }
}
