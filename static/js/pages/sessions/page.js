/** The page of one's own sessions: checked with the service one by one, searched, saved as files, forgotten. */

import { confirm } from "../../components/confirm-dialog.js";
import { byId, h, setText } from "../../components/dom.js";
import { Scope } from "../../components/scope.js";
import { saveText } from "../../components/text-export.js";
import { control } from "../../control-api.js";
import { fileName } from "../../models/exports.js";
import { ownTitle, titleOf } from "../../models/own-sessions.js";
import { foreignResponse, parseProblem } from "../../models/responses.js";
import { CheckPace, checkOrder } from "../../models/session-checks.js";
import { foldQuery } from "../../models/text-search.js";
import { keyHeaders } from "../../models/upload.js";
import { SessionList } from "./session-list.js";

/** Errors that mean that a session is gone for this browser: it ended, or its key is valid no longer. */
const GONE = new Set(["unknown_session", "key_required"]);
/** Texts of the errors that a reader can do something about. */
const REASONS = {
  unreachable: "connection.unreachable",
  rate_limited: "problem.rate_limited",
  store_unavailable: "problem.store_unavailable",
};

/** The page that is shown again within this time (ms) of the last time checks nothing again. */
const AGAIN_AFTER = 5_000;

/** What a request for a session is known by: with another key it is another request. */
const requestOf = ({ session_id, key }) => `${session_id} ${key}`;

const pathOf = (session_id) => `/api/sessions/${encodeURIComponent(session_id)}`;

export class SessionsPage {
  #scope = new Scope();
  #own;
  #tab;
  #texts;
  #list;
  #pace = new CheckPace();
  #isChecking = false;
  /** The requests that were sent; each is sent once, until it is repeated. */
  #requested = new Set();
  /** Whether the checks ended early, because all further ones would fail too. */
  #isCutOff = false;
  #shownAt = 0;
  #canStore;
  /** What the service said of each session, or {reason: {key, values}}; without an entry it is not checked yet. */
  #details = new Map();
  /** Titles of the sessions that were found to be gone; shown until the page is left. */
  #gone = [];
  /** {query, found: Map of session_id to {lines, count}, done, failed, isCutOff, isOver}, or null. */
  #search = null;

  /** `own`: OwnSessions; `tab`: TabSession; `texts`: those of the page's language. */
  constructor({ own, tab, texts }) {
    this.#own = own;
    this.#tab = tab;
    this.#texts = texts;
    this.#list = new SessionList(byId("own-sessions"), {
      texts,
      onName: (entry, title) => this.#name(entry, title),
      onForget: (entry) => this.#forget(entry),
      onSave: (entry, format) => this.#save(entry, format),
    });
  }

  start() {
    if (!this.#scope.open()) return;
    this.#scope.listen(byId("own-search"), "submit", (event) => {
      event.preventDefault();
      this.#find(byId("own-query").value);
    });
    // The cross of the search field, or an emptied field.
    this.#scope.listen(byId("own-query"), "input", ({ target }) => target.value.trim() === "" && this.#find(""));
    this.#scope.listen(byId("forget-all"), "click", () => this.#forgetAll());
    this.#scope.listen(byId("own-again"), "click", () => this.#again());
    this.#scope.listen(document, "visibilitychange", () => this.#shownAgain());
    // Another tab opened or forgot a session.
    this.#scope.listen(globalThis, "storage", () => this.#check());
    this.#canStore = this.#own.canStore;
    this.#show();
    this.#check();
  }

  stop() {
    this.#scope.close();
  }

  /** Request each session from the service: the last used first, those that have probably ended last. */
  async #check() {
    if (this.#isChecking) return;
    this.#isChecking = true;
    this.#isCutOff = false;
    for (let entry; (entry = this.#nextUnchecked()) !== undefined && !this.#isCutOff; ) {
      const wait = this.#pace.wait(Date.now());
      if (wait > 0) {
        this.#scope.after(wait, () => this.#check());
        break;
      }
      await this.#checkOne(entry);
      if (!this.#scope.isOpen) return;
    }
    this.#isChecking = false;
    this.#show();
  }

  #nextUnchecked() {
    return checkOrder(this.#own.list(), Date.now()).find((entry) => !this.#requested.has(requestOf(entry)));
  }

  async #checkOne(entry) {
    const { session_id, key } = entry;
    this.#requested.add(requestOf(entry));
    try {
      const details = await control("GET", pathOf(session_id), undefined, keyHeaders(key));
      this.#details.set(session_id, details);
      this.#own.checked(session_id, { expires: details.expires * 1000, given: details.title });
    } catch (error) {
      if (GONE.has(error.code)) this.#isGone(entry);
      else this.#failed(entry, error);
    }
    this.#show();
  }

  /** A session could not be checked. What all the others would meet as well ends the checks until they are repeated. */
  #failed(entry, error) {
    this.#details.set(entry.session_id, { reason: this.#reason(error) });
    this.#isCutOff = error.code === "not_the_service" || Object.hasOwn(REASONS, error.code);
  }

  /** Check again what could not be checked: the page is shown again, or the reader wants it. */
  #again() {
    for (const entry of this.#own.list()) {
      if (this.#details.get(entry.session_id)?.reason === undefined) continue;
      this.#details.delete(entry.session_id);
      this.#requested.delete(requestOf(entry));
    }
    this.#check();
  }

  #shownAgain() {
    const now = Date.now();
    if (document.visibilityState !== "visible" || now - this.#shownAt < AGAIN_AFTER) return;
    this.#shownAt = now;
    this.#again();
  }

  /** A key opens the session no longer: the key to read may, else the session is gone. */
  #isGone(entry) {
    this.#pace.gone(Date.now());
    if (this.#own.fallBack(entry.session_id) !== null) {
      this.#details.delete(entry.session_id);
      this.#check();
      return;
    }
    this.#gone.push(titleOf(entry));
    this.#drop([entry.session_id]);
  }

  /** Remove sessions from all that this tab stores. */
  #drop(session_ids) {
    this.#own.forget(session_ids);
    if (session_ids.includes(this.#tab.read()?.session_id)) this.#tab.forget();
    for (const session_id of session_ids) this.#details.delete(session_id);
  }

  #reason({ code, status }) {
    if (code === "not_the_service") return foreignResponse(status);
    return Object.hasOwn(REASONS, code) ? { key: REASONS[code] } : { key: "problem.other", values: { code } };
  }

  #name(entry, title) {
    this.#own.name(entry.session_id, title);
    this.#show();
  }

  async #forget(entry) {
    const title = titleOf(entry);
    const answer = await confirm({
      title: this.#texts.text("sessions.forget_one", { title }),
      text: this.#texts.text("sessions.forget_means"),
      verb: this.#texts.text("sessions.forget"),
      cancel: this.#texts.text("sessions.cancel"),
      isDangerous: true,
    });
    if (!answer) return;
    this.#drop([entry.session_id]);
    this.#requested.delete(requestOf(entry));
    this.#show();
    byId("main").focus();
  }

  async #forgetAll() {
    const answer = await confirm({
      title: this.#texts.text("sessions.forget_all_title"),
      text: this.#texts.text("sessions.forget_means"),
      verb: this.#texts.text("sessions.forget_all"),
      cancel: this.#texts.text("sessions.cancel"),
      isDangerous: true,
    });
    if (!answer) return;
    this.#own.forgetAll();
    this.#tab.forget();
    this.#details.clear();
    this.#requested.clear();
    this.#gone = [];
    this.#search = null;
    this.#show();
    byId("main").focus();
  }

  async #save(entry, format) {
    const { session_id, key } = entry;
    const fault = byId("own-fault");
    fault.hidden = true;
    const response = await fetch(`${pathOf(session_id)}/transcript?format=${format}`, { headers: keyHeaders(key) }).catch(() => null);
    const body = response?.ok ? await response.blob().catch(() => null) : null;
    if (body !== null) {
      saveText(body, { name: fileName(session_id, format, { title: ownTitle(entry) }), type: body.type });
      return;
    }
    const problem = response === null || response.ok ? null : parseProblem(await response.text().catch(() => ""));
    const code = response === null || response.ok ? "unreachable" : (problem?.code ?? "not_the_service");
    if (GONE.has(code)) {
      this.#isGone(entry);
      this.#show();
      return;
    }
    setText(fault, this.#texts.text("sessions.not_saved", { reason: this.#reason({ code, status: response?.status }) }));
    fault.hidden = false;
  }

  /** Search in the titles here, and in the stored texts by the service, one session after another. */
  async #find(query) {
    const words = query.trim();
    if (words === "") {
      this.#search = null;
      this.#show();
      return;
    }
    const entries = this.#own.list();
    const search = (this.#search = { query: words, found: new Map(), done: 0, all: entries.length, failed: 0, isCutOff: false, isOver: false });
    this.#show();
    for (const entry of entries) {
      const { session_id, key } = entry;
      try {
        const found = await control("POST", `${pathOf(session_id)}/search`, { query: words }, keyHeaders(key));
        if (found.count > 0) search.found.set(session_id, found);
      } catch (error) {
        if (GONE.has(error.code)) this.#isGone(entry);
        else search.failed += 1;
        // The others would meet the same.
        if (error.code === "not_the_service" || error.code === "unreachable") search.isCutOff = true;
      }
      // Another search has begun, or the field was emptied.
      if (this.#search !== search || !this.#scope.isOpen) return;
      search.done += 1;
      this.#show();
      // A list with ended sessions is not asked further now: see CheckPace.
      if (search.isCutOff || this.#pace.wait(Date.now()) > 0) {
        search.failed += search.all - search.done;
        break;
      }
    }
    search.isOver = true;
    this.#show();
  }

  #show() {
    const entries = this.#own.list();
    const rows = entries
      .map((entry) => ({ entry, details: this.#details.get(entry.session_id) ?? null, found: this.#search?.found.get(entry.session_id) ?? null }))
      .filter((row) => this.#search === null || row.found !== null || foldQuery(titleOf(row.entry)).includes(foldQuery(this.#search.query)));
    this.#list.show(rows);
    byId("own-empty").hidden = entries.length > 0;
    byId("own-tools").hidden = byId("forget-all").hidden = entries.length === 0;
    byId("no-storage").hidden = entries.length > 0 || this.#canStore;
    setText(byId("own-result"), this.#result(rows.length));
    byId("own-again").hidden = this.#isChecking || !entries.some(({ session_id }) => this.#details.get(session_id)?.reason !== undefined);
    this.#showGone();
  }

  #result(count) {
    const search = this.#search;
    if (search === null) return this.#pace.wait(Date.now()) > 0 ? this.#texts.text("sessions.more_later") : "";
    if (!search.isOver) return this.#texts.text("sessions.searching", { done: search.done, all: search.all });
    const failed = search.failed > 0 ? ` ${this.#texts.text("sessions.not_searched", { count: search.failed })}` : "";
    if (count === 0) return `${this.#texts.text("sessions.nothing", { query: search.query })}${failed}`;
    return `${this.#texts.text("sessions.found", { count })}${failed}`;
  }

  #showGone() {
    const box = byId("own-gone");
    box.hidden = this.#gone.length === 0;
    if (this.#gone.length === 0) return;
    setText(box.querySelector("p"), this.#texts.text("sessions.gone", { count: this.#gone.length }));
    box.querySelector("ul").replaceChildren(...this.#gone.map((title) => h("li", { dir: "auto" }, title)));
  }
}
