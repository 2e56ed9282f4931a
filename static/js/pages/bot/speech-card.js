/** Has the bot speak a recording: chosen, sent with progress, and spoken as its microphone. */

import { byId, setAttribute, setText } from "../../components/dom.js";
import { Scope } from "../../components/scope.js";
import { signIn } from "../../control-api.js";
import { speechFault, speechState, speechType } from "../../models/bot-speech.js";
import { can } from "../../models/bots.js";
import { upload, UploadError } from "../../models/upload.js";

/** How often the share that was spoken is brought up to date (ms). */
const EVERY = 250;

export class SpeechCard {
  #scope = new Scope();
  #path;
  #send;
  #now;
  /** The file that was chosen and not sent yet, or null. */
  #file = null;
  /** The request under way: {name, sent, abort}; or null. */
  #sending = null;
  /** The recording that was accepted last: {name, seconds, ends}; or null. */
  #spoken = null;

  /** `send(file, path, options)` uploads; `now()` milliseconds that never go back. */
  constructor(id, { send = upload, now = () => performance.now() } = {}) {
    this.#path = `/api/bots/${encodeURIComponent(id)}/speak`;
    this.#send = send;
    this.#now = now;
  }

  start() {
    const scope = this.#scope;
    if (!scope.open()) return;
    scope.listen(byId("speak-choose"), "click", () => byId("speak-file").click());
    scope.listen(byId("speak-file"), "change", ({ currentTarget }) => this.#chosen(currentTarget));
    scope.listen(byId("speak-send"), "click", () => this.#speak());
    scope.listen(byId("speak-cancel"), "click", () => this.#cancel());
    scope.every(EVERY, () => this.#spoken !== null && this.#refresh());
    scope.defer(() => this.#sending?.abort.abort());
    this.#refresh();
  }

  stop() {
    this.#scope.close();
  }

  /** A bot that may not speak any more speaks nothing that is still being sent. */
  show(bot) {
    const isAllowed = can(bot, "speak");
    byId("voice").hidden = !isAllowed;
    if (isAllowed) return;
    this.#sending?.abort.abort();
    this.#file = this.#spoken = null;
    this.#fail("");
    this.#refresh();
  }

  get #limits() {
    const { bytes, seconds } = byId("voice-limits").dataset;
    return { bytes: Number(bytes), seconds: Number(seconds) };
  }

  #chosen(input) {
    const [file] = input.files;
    // The same file can be chosen again: a browser reports no change of the same value.
    input.value = "";
    if (file === undefined) return;
    const fault = speechFault(file, this.#limits);
    this.#file = fault === "" ? file : null;
    this.#fail(fault);
    this.#refresh();
    byId(fault === "" ? "speak-send" : "speak-choose").focus();
  }

  async #speak() {
    const file = this.#file;
    if (file === null || this.#sending !== null) return;
    const sending = { name: file.name, sent: 0, abort: new AbortController() };
    this.#sending = sending;
    this.#fail("");
    this.#refresh();
    try {
      const { seconds } = await this.#send(file.slice(0, file.size, speechType(file)), this.#path, {
        onProgress: (share) => {
          sending.sent = share;
          this.#refresh();
        },
        signal: sending.abort.signal,
        isAnswer: (answer) => typeof answer?.seconds === "number",
      });
      this.#file = null;
      byId("speak-choose").hidden = false;
      if (document.activeElement === byId("speak-send")) byId("speak-choose").focus();
      this.#spoken = { name: file.name, seconds, ends: Math.max(this.#now(), this.#spoken?.ends ?? 0) + seconds * 1000 };
    } catch (error) {
      if (error.name !== "AbortError") {
        if (!(error instanceof UploadError)) throw error;
        if (error.code === "token_required") signIn();
        this.#fail(error.status === 0 ? `${error.message} It is not known whether the bot speaks it.` : error.message);
      }
    } finally {
      this.#sending = null;
      this.#refresh();
    }
  }

  #cancel() {
    if (this.#sending !== null) this.#sending.abort.abort();
    else this.#file = null;
    this.#fail("");
    this.#refresh();
    byId("speak-choose").focus();
  }

  #fail(text) {
    setText(byId("speak-fault"), text);
  }

  #refresh() {
    const isSending = this.#sending !== null;
    if (this.#spoken !== null && this.#now() >= this.#spoken.ends) this.#spoken = null;
    byId("speak-choose").hidden = this.#file !== null;
    byId("speak-send").hidden = byId("speak-cancel").hidden = this.#file === null;
    setAttribute(byId("speak-send"), "aria-busy", isSending ? "true" : null);
    const { text, share } = this.#state;
    setText(byId("speak-state"), text);
    const bar = byId("speak-progress");
    bar.hidden = share === undefined;
    // Without a value the bar shows activity, but no progress.
    if (share === null) bar.removeAttribute("value");
    else if (share !== undefined) bar.value = share;
  }

  get #state() {
    if (this.#sending !== null) return speechState({ step: "sending", ...this.#sending });
    if (this.#file !== null) return speechState({ step: "chosen", name: this.#file.name, size: this.#file.size });
    if (this.#spoken !== null) return speechState({ step: "spoken", ...this.#spoken, left: (this.#spoken.ends - this.#now()) / 1000 });
    return { text: "", share: undefined };
  }
}
