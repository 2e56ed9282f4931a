/** What the session's host has decided about this page: a notice with what to do. */

import { Scope } from "../../components/scope.js";
import { toast } from "../../components/toasts.js";

export class HostNotices {
  #scope = new Scope();
  #texts;
  #session;
  #notices;
  #request;
  #onMuted;
  /** Whether the reader unmutes themselves just now. */
  #isUnmuting = false;

  /** `request(message)`: sends a request about the session; `onMuted()`: this page's speech is no longer accepted. */
  constructor({ texts, session, notices, request, onMuted }) {
    this.#texts = texts;
    this.#session = session;
    this.#notices = notices;
    this.#request = request;
    this.#onMuted = onMuted;
  }

  start() {
    if (!this.#scope.open()) return;
    this.#scope.listen(this.#session, "moderation", ({ detail }) => this.#changed(detail));
    this.#scope.listen(this.#session, "phase", () => this.show());
  }

  stop() {
    this.#scope.close();
  }

  #changed({ moderation, before }) {
    if (moderation.muted) this.#onMuted();
    else if (before.muted && !this.#isUnmuting) toast(this.#texts.text("host.unmuted_you"));
    this.show();
  }

  show() {
    const { phase, moderation, isReadOnly } = this.#session;
    const isOpen = phase === "open" || phase === "rejoining";
    if (isOpen && moderation.ending) this.#show("host.word_ends", "host.ends");
    else if (isOpen && moderation.muted && !isReadOnly) this.#showMuted(moderation);
    else this.#notices.remove("host");
  }

  #showMuted({ speaking }) {
    const isOnlyHost = speaking === "host" && !this.#session.isOwner;
    this.#show("host.word_muted", isOnlyHost ? "host.muted_all" : "host.muted_you", {
      more: this.#texts.text(isOnlyHost ? "host.muted_ask" : "host.muted_may"),
      actions: isOnlyHost ? [] : [{ label: this.#texts.text("host.unmute"), run: () => this.mayStart() }],
    });
  }

  #show(word, text, more = {}) {
    this.#notices.show("host", { word: this.#texts.text(word), text: this.#texts.text(text), ...more });
  }

  /** Unmute this page, if it is muted. Resolves to whether it may speak. */
  async mayStart() {
    if (!this.#session.moderation.muted) return true;
    this.#isUnmuting = true;
    try {
      await this.#request({ type: "unmute" });
      return true;
    } catch (error) {
      const why = this.#texts.coded({ code: error.code, detail: error.message });
      this.#show("host.word_muted", "host.muted_you", { more: why });
      return false;
    } finally {
      this.#isUnmuting = false;
    }
  }
}

/** How a page that its host keeps out says so: the fields of a notice; null where the host does not. */
export function shutOutNotice(texts, shutOut) {
  if (shutOut === null) return null;
  const keys = {
    removed: ["host.word_removed", "host.removed", "host.removed_more"],
    ended: ["host.word_ended", "host.ended", "host.ended_more"],
    locked: ["host.word_locked", "host.locked", "host.locked_more"],
  }[shutOut];
  const [word, text, more] = keys.map((key) => texts.text(key));
  return { word, text, more };
}
