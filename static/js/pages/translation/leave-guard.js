/** Asks before the page is left while the microphone is open, and tells a reload that it cut a speaker off. */

import { confirm } from "../../components/confirm-dialog.js";
import { Scope } from "../../components/scope.js";
import { readLink } from "../../models/session-link.js";

/** On leaving, the service has this long to receive the last speech (ms). */
const DRAIN_LIMIT = 3_000;
const DRAIN_EVERY = 50;

export class LeaveGuard {
  #scope = new Scope();
  #texts;
  #microphone;
  #tab;
  #sessionId;
  #onCutOff;
  /** The page is being left: what closes the microphone now is no decision of the speaker's. */
  #isLeaving = false;

  /**
   * `tab`: the TabSession; `sessionId()`; `onCutOff()`: the page came back, and its microphone was closed by leaving;
   * `texts`: those of the page's language.
   */
  constructor({ texts, microphone, tab, sessionId, onCutOff }) {
    this.#texts = texts;
    this.#microphone = microphone;
    this.#tab = tab;
    this.#sessionId = sessionId;
    this.#onCutOff = onCutOff;
  }

  start() {
    if (!this.#scope.open()) return;
    this.#scope.listen(this.#microphone, "change", () => this.#store());
    this.#scope.listen(document, "click", (event) => this.#clicked(event));
    this.#scope.listen(globalThis, "beforeunload", (event) => this.#microphone.state !== "off" && event.preventDefault());
    this.#scope.listen(globalThis, "pagehide", () => (this.#isLeaving = true), { capture: true });
    this.#scope.listen(globalThis, "pageshow", ({ persisted }) => this.#shown(persisted));
  }

  stop() {
    this.#scope.close();
  }

  /** Ask a speaker whether to stop. Resolves to whether the page may be left; then the microphone is off. */
  async mayLeave() {
    if (this.#microphone.state === "off") return true;
    const texts = this.#texts;
    const isSure = await confirm({
      title: texts.text("microphone.leave"),
      text: texts.text("microphone.leave_text"),
      verb: texts.text("microphone.leave_do"),
      cancel: texts.text("page.cancel"),
    });
    if (isSure) {
      await this.#microphone.close();
      await this.#drained();
    }
    return isSure;
  }

  /** Store whether the microphone is open, for a reload. */
  #store() {
    if (!this.#isLeaving) this.#tab.setSpeaking(this.#microphone.state === "off" ? null : this.#sessionId());
  }

  #shown(isPersisted) {
    this.#isLeaving = false;
    if (isPersisted && this.#tab.wasSpeaking(this.#sessionId())) this.#onCutOff();
  }

  /** Resolves when the service has received all speech, or after `DRAIN_LIMIT`. */
  #drained() {
    const end = performance.now() + DRAIN_LIMIT;
    const { uplink } = this.#microphone;
    return new Promise((resolve) => {
      const check = () => {
        if (uplink.state === "idle" || uplink.waiting === 0 || performance.now() > end) resolve();
        else setTimeout(check, DRAIN_EVERY);
      };
      check();
    });
  }

  /** Ask before a link is followed in this tab while the microphone is open. */
  async #clicked(event) {
    const anchor = event.target.closest?.("a[href]");
    if (this.#microphone.state === "off" || anchor === null || anchor === undefined) return;
    if (event.defaultPrevented || event.button !== 0 || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    if (anchor.target === "_blank" || anchor.hasAttribute("download") || isOnThisPage(anchor)) return;
    event.preventDefault();
    if (await this.mayLeave()) location.assign(anchor.href);
  }
}

/** Whether a link leads to a place in this page. */
function isOnThisPage({ href, protocol }) {
  if (protocol === "blob:") return true;
  const [to, here] = [new URL(href), new URL(location.href)];
  return to.hash !== "" && to.origin === here.origin && to.pathname === here.pathname && readLink(href).session_id === null;
}
