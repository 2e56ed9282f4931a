/**
 * The dialog that invites others: a QR code of the reading link, and a short code that can be spoken.
 *
 * Who may not speak sees the QR code alone: codes are made by those who speak.
 */

import { confirm } from "../../components/confirm-dialog.js";
import { byId, h, setAttribute, setText } from "../../components/dom.js";
import { Scope } from "../../components/scope.js";
import { control } from "../../control-api.js";
import { joinAddress, validity } from "../../models/join-code.js";
import { writeLink } from "../../models/session-link.js";
import { keyHeaders } from "../../models/upload.js";

/** The code's validity is brought up to date this often (ms) while the dialog is open. */
const UPDATE_EVERY = 10_000;

export class InviteDialog {
  #scope = new Scope();
  #texts;
  #dialog = byId("invite");
  #session;
  #base;
  /** The codes of the session by right, as the service has them. */
  #codes = new Map();
  /** Requests that have not ended. */
  #running = 0;
  /** The link whose QR code is drawn. */
  #drawn = null;

  /** `session`: the SessionClient; `base`: the address that links are written for; `texts`: those of the page's language. */
  constructor({ texts, session, base }) {
    this.#texts = texts;
    this.#session = session;
    this.#base = base;
  }

  start() {
    const scope = this.#scope;
    if (!scope.open()) return;
    scope.listen(byId("invite-new"), "click", () => this.#running > 0 || this.#renew());
    scope.listen(byId("invite-delete"), "click", () => this.#running > 0 || this.#delete());
    scope.listen(byId("invite-speak"), "click", (event) => this.#running > 0 && event.preventDefault());
    scope.listen(byId("invite-speak"), "change", () => this.#rightChosen());
    scope.every(UPDATE_EVERY, () => this.#show());
  }

  stop() {
    this.#scope.close();
    this.#dialog.close();
  }

  /** Show the dialog for the open session. */
  async open() {
    if (this.#dialog.open) return;
    this.#codes.clear();
    byId("invite-speak").checked = false;
    setText(byId("invite-problem"), "");
    byId("invite-code-part").hidden = !this.#mayCreate;
    this.#show();
    this.#dialog.showModal();
    await Promise.all([this.#draw(), this.#load()]);
  }

  get #mayCreate() {
    return Boolean(this.#session.keys?.speak) && !this.#session.isReadOnly;
  }

  get #right() {
    return byId("invite-speak").checked ? "speak" : "read";
  }

  get #path() {
    return `/api/sessions/${encodeURIComponent(this.#session.session_id)}/codes`;
  }

  /** Draw the QR code of the link for the chosen right. The encoder is loaded now, not with the page. */
  async #draw() {
    const { session_id, keys } = this.#session;
    const key = this.#right === "speak" ? keys?.speak : keys?.read;
    if (!key) return;
    const link = writeLink(this.#base, { session_id, key });
    if (link === this.#drawn) return;
    this.#drawn = link;
    let qrCode;
    try {
      ({ qrCode } = await import("../../models/qr-code.js"));
    } catch {
      this.#drawn = null;
      setText(byId("invite-problem"), this.#texts.text("invite.qr_failed"));
      return;
    }
    if (link !== this.#drawn) return; // the other right was chosen meanwhile
    const { size, path } = qrCode(link);
    const label = this.#right === "speak" ? this.#texts.text("invite.qr_speak") : this.#texts.text("invite.qr_read");
    byId("invite-qr").replaceChildren(
      h("svg:svg", { viewBox: `0 0 ${size} ${size}`, role: "img", "aria-label": label, "shape-rendering": "crispEdges" }, h("svg:rect", { width: size, height: size, fill: "#fff" }), h("svg:path", { d: path, fill: "#000" })),
    );
  }

  /** Show the session's codes; without one for the chosen right a new one is created. */
  async #load() {
    if (!this.#mayCreate) return;
    await this.#request(async (headers) => {
      const { codes } = await control("GET", this.#path, undefined, headers);
      this.#codes = new Map(codes.map((code) => [code.right, code]));
      if (!this.#codes.has("read")) await this.#create("read", headers);
    });
  }

  async #create(right, headers) {
    this.#codes.set(right, await control("POST", this.#path, { right }, headers));
  }

  async #renew() {
    const right = this.#right;
    await this.#request((headers) => this.#create(right, headers));
  }

  async #delete() {
    const right = this.#right;
    await this.#request(async (headers) => {
      await control("DELETE", `${this.#path}/${right}`, undefined, headers);
      this.#codes.delete(right);
    });
  }

  async #rightChosen() {
    if (this.#right === "speak" && !this.#codes.has("speak")) {
      const isSure = await confirm({
        title: this.#texts.text("invite.sure"),
        text: this.#texts.text("invite.sure_text"),
        verb: this.#texts.text("invite.sure_do"),
        cancel: this.#texts.text("page.cancel"),
      });
      if (!isSure) byId("invite-speak").checked = false;
      else await this.#renew();
    }
    this.#show();
    await this.#draw();
  }

  /** Run a request with the session's key; its failure is shown. Until it has ended the dialog's controls do nothing. */
  async #request(run) {
    this.#setRunning(this.#running + 1);
    setText(byId("invite-problem"), "");
    try {
      await run(keyHeaders(this.#session.keys?.speak));
    } catch (error) {
      if (error.code === undefined) throw error;
      setText(byId("invite-problem"), this.#texts.coded({ code: error.code, detail: error.message }));
    } finally {
      this.#setRunning(this.#running - 1);
      this.#show();
    }
  }

  /**
   * `aria-disabled`: a control that is disabled while it has the focus loses it, and the browser gives it no keys until
   * then: Escape would not close the dialog.
   */
  #setRunning(running) {
    this.#running = running;
    for (const id of ["invite-new", "invite-delete", "invite-speak"]) setAttribute(byId(id), "aria-disabled", running > 0 ? "true" : null);
  }

  #show() {
    const code = this.#codes.get(this.#right);
    const texts = this.#texts;
    setText(byId("invite-address"), joinAddress(this.#base));
    setText(byId("invite-code"), code?.shown ?? "–");
    // Read letter by letter: a screen reader would make a word of it.
    setAttribute(byId("invite-code"), "aria-label", code ? [...code.code].join(" ") : texts.text("invite.no_code_label"));
    setText(byId("invite-validity"), this.#validity(code));
    byId("invite-delete").hidden = code === undefined;
    setText(byId("invite-new"), code ? texts.text("invite.new") : texts.text("invite.create"));
  }

  /** Until when the code of the chosen right is valid, as a sentence; `code` may be undefined. */
  #validity(code) {
    const texts = this.#texts;
    if (code === undefined) return texts.text("invite.no_code");
    const values = { validity: validity(code.expires, Date.now() / 1000, texts) };
    return this.#right === "speak" ? texts.text("invite.for_speaking", values) : texts.text("invite.for_reading", values);
  }
}
