/** The caption view: the last lines of one session, for a projector, a second screen, OBS or another site's page. */

import { byId, h, keyed, setAttribute, setText } from "../../components/dom.js";
import { Scope } from "../../components/scope.js";
import { WakeLock } from "../../components/wake-lock.js";
import { Captions } from "../../models/captions.js";
import { readCaptionLink, shownLines, targetsOfView, viewMessage } from "../../models/caption-view.js";
import { isSameLanguage } from "../../models/languages.js";
import { reasonText } from "../../models/reason-text.js";
import { SessionClient } from "../../session-client.js";

/** Faults of the address are shown this long (ms): the view may be on air. */
const FAULTS_FOR = 30_000;
/** A lost connection is mostly back at once: it is said after this long (ms). */
const LOST_FOR = 3_000;
/** Lines that were held long enough disappear (ms). */
const HOLD_CHECK = 500;
/** A session that could not be opened is tried again after this long (ms). */
const AGAIN_AFTER = 10_000;
/** The button for full screen is shown this long after the pointer moved (ms). */
const POINTER_FOR = 3_000;
/** Times of changes that are stored: the view shows 20 lines at most. */
const CHANGES_LIMIT = 400;
/** A final line is announced when it has not changed for this long (ms): its translations follow it. */
const ANNOUNCED_AFTER = 1_500;
/** Announcements that stay in the page. */
const ANNOUNCED = 5;

/** The name of the timer that announces a line. */
const announcementOf = (id) => `announce ${id}`;

export class CaptionsPage {
  #socket;
  #scope = new Scope();
  #session;
  #link;
  #texts;
  #captions;
  #wakeLock;
  /** When each line last changed, in seconds on the page's clock; the newest last. */
  #changedAt = new Map();
  #frame = null;
  /** The lines that were announced, the newest last. */
  #announced = new Set();
  /** Whether the history is being shown, which is not announced. */
  #isQuiet = true;
  #timers = new Map();
  /** Whether the connection has been lost for a while. */
  #isLost = false;

  /** `texts`: those of the page's language (models/texts.js). */
  constructor(socket, { texts, href = location.href, wakeLock = new WakeLock() }) {
    this.#texts = texts;
    this.#captions = new Captions({ texts });
    this.#socket = socket;
    this.#session = new SessionClient(socket);
    this.#link = readCaptionLink(href);
    this.#wakeLock = wakeLock;
  }

  start() {
    const scope = this.#scope;
    if (!scope.open()) return;
    this.#applyView();
    this.#showFaults();
    scope.listen(this.#socket, "message", ({ detail }) => this.#apply(detail));
    scope.listen(this.#socket, "state", () => this.#connectionChanged());
    scope.listen(this.#session, "phase", () => this.#phaseChanged());
    scope.listen(this.#socket, "history", () => this.#historyShown());
    scope.listen(this.#session, "title", () => this.#showTitle());
    scope.listen(globalThis, "hashchange", () => location.reload());
    scope.listen(document, "pointermove", () => this.#pointed());
    scope.listen(document, "keydown", (event) => this.#pressed(event));
    scope.listen(byId("full-screen"), "click", () => this.#toggleFullScreen());
    scope.listen(document, "fullscreenchange", () => this.#showFullScreen());
    scope.defer(() => {
      for (const timer of this.#timers.values()) clearTimeout(timer);
      this.#timers.clear();
      cancelAnimationFrame(this.#frame);
      this.#frame = null;
    });
    if (this.#view.hold > 0) scope.every(HOLD_CHECK, () => this.#draw());
    this.#showFullScreen();
    scope.start(this.#wakeLock);
    scope.start(this.#session);
    scope.start(this.#socket);
    this.#connectionChanged();
    this.#open();
  }

  stop() {
    this.#scope.close();
  }

  get #view() {
    return this.#link.view;
  }

  async #open() {
    const { session_id, key } = this.#link;
    if (session_id !== null) await this.#session.open({ session_id, key, name: "", languages: targetsOfView(this.#view), growing: this.#view.growing, role: "observer", mayBegin: false });
    this.#showMessage();
  }

  // --- messages -------------------------------------------------------------------------------------------------

  #apply(message) {
    if (message.session_id !== this.#session.session_id) return;
    const line = this.#captions.apply(message);
    if (line !== null) this.#changed(line.id);
    if (line !== null || ["participant_renamed", "speaker_named"].includes(message.type)) this.#draw();
  }

  #changed(id) {
    this.#cancel(announcementOf(id));
    this.#changedAt.delete(id);
    this.#changedAt.set(id, performance.now() / 1000);
    if (this.#changedAt.size > CHANGES_LIMIT) this.#changedAt.delete(this.#changedAt.keys().next().value);
  }

  /** Draw before the next paint: a history arrives as many messages at once. */
  #draw() {
    this.#frame ??= requestAnimationFrame(() => {
      this.#frame = null;
      this.#drawNow();
    });
  }

  #drawNow() {
    const lines = this.#shown;
    keyed(byId("captions"), lines, { key: ({ id }) => id, create: () => h("div", { class: "caption" }), update: (element, line) => this.#fill(element, line) });
    for (const line of lines) this.#announceSoon(line);
    this.#showMessage();
  }

  get #shown() {
    return shownLines(this.#captions.lines, this.#view, { now: performance.now() / 1000, changedAt: (id) => this.#changedAt.get(id) ?? -Infinity, isSame: isSameLanguage });
  }

  #fill(element, line) {
    const { isGrowing, texts } = line;
    const name = this.#name(line);
    setAttribute(element, "data-growing", isGrowing);
    texts.forEach(({ language, text }, index) => {
      if (element.childElementCount <= index) element.append(h("p", { dir: "auto" }, h("bdi", { class: "caption-name" }), h("span", {})));
      const row = element.children[index];
      const [before, words] = row.children;
      // The name stands before the first text only.
      setText(before, index === 0 && name !== "" ? `${name}: ` : "");
      setText(words, text);
      setAttribute(words, "lang", language);
    });
    while (element.childElementCount > texts.length) element.lastElementChild.remove();
  }

  /** The speaker's name as the view shows it, or "". */
  #name({ speaker, participantId }) {
    return this.#view.names ? speaker || this.#session.nameOf(participantId) || "" : "";
  }

  // --- screen readers ---------------------------------------------------------------------------------------------

  /** Announce a final line once, when its texts no longer change: growing words would be read again and again. */
  #announceSoon({ id, isGrowing }) {
    if (this.#isQuiet || isGrowing || this.#announced.has(id)) return;
    this.#later(announcementOf(id), ANNOUNCED_AFTER, () => this.#announce(id));
  }

  #announce(id) {
    const line = this.#shown.find((each) => each.id === id);
    if (line === undefined) return;
    this.#noteAnnounced(id);
    const box = byId("announce");
    while (box.childElementCount >= ANNOUNCED) box.firstElementChild.remove();
    const name = this.#name(line);
    box.append(h("p", { dir: "auto" }, name === "" ? "" : `${name}: `, ...line.texts.map(({ language, text }) => h("span", { lang: language, dir: "auto" }, `${text} `))));
  }

  /** What was said before the view was opened is not announced. */
  #historyShown() {
    for (const { id, final } of this.#captions.lines.slice(-CHANGES_LIMIT)) if (final) this.#noteAnnounced(id);
    this.#isQuiet = false;
  }

  #noteAnnounced(id) {
    this.#announced.add(id);
    if (this.#announced.size > CHANGES_LIMIT) this.#announced.delete(this.#announced.values().next().value);
  }

  // --- what is said beside captions -----------------------------------------------------------------------------

  #connectionChanged() {
    const isLive = this.#socket.state.state === "live";
    if (isLive) {
      this.#cancel("lost");
      this.#isLost = false;
    } else this.#later("lost", LOST_FOR, () => {
      this.#isLost = true;
      this.#showMessage();
    });
    this.#showMessage();
  }

  #phaseChanged() {
    if (this.#session.phase === "failed") this.#later("again", AGAIN_AFTER, () => this.#open());
    this.#showMessage();
  }

  #showMessage() {
    const { phase, reason, shutOut } = this.#session;
    // Lines that were shown and have disappeared, or are not translated yet, show that captions arrive.
    const isEmpty = this.#captions.lines.length === 0;
    const message = viewMessage({ phase, reason: reasonText(reason, this.#texts), shutOut, connection: this.#isLost ? "lost" : "live", session_id: this.#link.session_id, lines: isEmpty ? 0 : 1 });
    const text = this.#view.messages && message !== null ? this.#texts.text(message.key, message.values) : "";
    byId("message").hidden = text === "";
    setText(byId("page-status"), text);
  }

  #showFaults() {
    const { faults } = this.#link;
    if (faults.length === 0 || !this.#view.messages) return;
    byId("faults").hidden = false;
    byId("fault-list").replaceChildren(...faults.map((fault) => h("li", {}, this.#texts.text(fault.key, fault.values))));
    this.#later("faults", FAULTS_FOR, () => (byId("faults").hidden = true));
  }

  /** Run `action` after `delay` ms; one timer for each `name`, the first one counts. */
  #later(name, delay, action) {
    if (this.#timers.has(name)) return;
    const run = () => {
      this.#timers.delete(name);
      action();
    };
    this.#timers.set(name, setTimeout(run, delay));
  }

  #cancel(name) {
    clearTimeout(this.#timers.get(name));
    this.#timers.delete(name);
  }

  // --- how it looks ---------------------------------------------------------------------------------------------

  #applyView() {
    const root = document.documentElement;
    const { size, colour, background, align, position } = this.#view;
    root.style.setProperty("--caption-size", `${size}px`);
    root.style.setProperty("--caption-colour", colour);
    root.style.setProperty("--caption-background", background);
    setAttribute(root, "data-transparent", background === "transparent");
    setAttribute(root, "data-align", align);
    setAttribute(root, "data-position", position);
    this.#showTitle();
  }

  #showTitle() {
    const { session_id } = this.#link;
    if (session_id !== null) document.title = this.#texts.text("captions.window", { session: this.#session.title || session_id });
  }

  #pointed() {
    setAttribute(document.body, "data-pointed", true);
    this.#cancel("pointed");
    this.#later("pointed", POINTER_FOR, () => setAttribute(document.body, "data-pointed", null));
  }

  #pressed(event) {
    if (event.key.toLowerCase() !== "f" || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    event.preventDefault();
    this.#toggleFullScreen();
  }

  async #toggleFullScreen() {
    if (document.fullscreenElement) await document.exitFullscreen();
    // Where it is refused, as in a frame without allow="fullscreen", the view stays as large as its window.
    else await document.documentElement.requestFullscreen?.().catch(() => (byId("full-screen").hidden = true));
  }

  #showFullScreen() {
    byId("full-screen").hidden = !document.fullscreenEnabled;
    setText(byId("full-screen"), this.#texts.text(document.fullscreenElement ? "captions.leave_full_screen" : "captions.full_screen"));
  }
}
