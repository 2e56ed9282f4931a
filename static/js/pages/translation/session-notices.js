/** The notices about the session: why there is none, what was missed in it, and what was rejected. */

import { reasonText } from "../../models/reason-text.js";
import { closedText, missed } from "../../models/translation-text.js";

/** Phases in which there is no session to be in, with the pill of the notice that explains it. */
const CLOSED = { gone: "word.ended", failed: "word.failed", uninvited: "word.no_link" };
/** Where a rejected change is shown: the notice's key, its pill and its text. */
const NOT_CHANGED = {
  title: { word: "word.title", text: "title.not_changed" },
  speaker: { word: "word.name", text: "speaker.not_changed" },
};

export const isClosed = (phase) => phase in CLOSED;

export class SessionNotices {
  #notices;
  #texts;

  /** `notices`: the page's Notices; `texts`: those of the page's language. */
  constructor(notices, texts) {
    this.#notices = notices;
    this.#texts = texts;
  }

  /**
   * Explain why there is no session, and offer what can be done. `hasLines`: its transcript is on the page; `byHost`:
   * the notice {text, more} where the host keeps this page out, or null.
   */
  showClosed({ phase, reason }, { hasLines, mayBegin, onBegin, byHost = null }) {
    const texts = this.#texts;
    const begin = mayBegin ? [{ label: texts.text("closed.start"), run: onBegin }] : [];
    this.#notices.show("session", {
      word: texts.text(CLOSED[phase]),
      tone: phase === "uninvited" ? "warn" : "bad",
      text: reasonText(reason, texts),
      more: closedText({ phase, hasLines, mayBegin }, texts),
      ...byHost,
      // What kept this session from being opened would keep a new one from it as well.
      actions: phase === "failed" ? [{ label: texts.text("closed.again"), run: () => location.reload() }] : begin,
      isDismissable: false,
    });
  }

  /** There is a session again. */
  removeClosed() {
    this.#notices.remove("session");
  }

  /** The page was left while its microphone was open; `onStart()` opens it again. */
  showCutOff(onStart) {
    const texts = this.#texts;
    this.#notices.show("cut off", {
      word: texts.text("word.microphone"),
      text: texts.text("microphone.cut_off"),
      more: texts.text("microphone.cut_off_do"),
      actions: [{ label: texts.text("microphone.start_again"), run: onStart }],
    });
  }

  removeCutOff() {
    this.#notices.remove("cut off");
  }

  /** Messages could not be recovered: {complete, reason}. */
  showMissed(detail) {
    this.#notices.show("missed", { word: this.#texts.text("word.missed"), text: missed(detail, this.#texts) });
  }

  removeMissed() {
    this.#notices.remove("missed");
  }

  /** What became of a change of the "title" or of a "speaker": `error` is null, or why the service rejected it. */
  showChange(what, error) {
    if (error === null) {
      this.#notices.remove(what);
      return;
    }
    const { word, text } = NOT_CHANGED[what];
    const why = this.#texts.coded({ code: error.code, detail: error.message });
    this.#notices.show(what, { word: this.#texts.text(word), tone: "bad", text: this.#texts.text(text, { why }) });
  }

  /** Tell the reader when translations come later than usual: the session's limit of requests is reached. */
  showUsage({ isReached }) {
    const texts = this.#texts;
    if (!isReached) this.#notices.remove("usage");
    else this.#notices.show("usage", { word: texts.text("word.translation"), text: texts.text("languages.growing_late"), more: texts.text("languages.growing_fewer") });
  }

  /** A recording was rejected, with the reason in `text`. */
  showRejected(text) {
    this.#notices.show("recording", { word: this.#texts.text("word.rejected"), tone: "bad", text });
  }

  /** The service reports an error that belongs to no request. */
  showError({ code, detail }) {
    this.#notices.show(`complaint ${code}`, { word: this.#texts.text("word.error"), tone: "bad", text: this.#texts.coded({ code, detail }) });
  }
}
