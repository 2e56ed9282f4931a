/**
 * The frame of every page: colours, the counts in the side bar, the bar that shows a lost connection, and how fresh
 * the figures are.
 */

import { byId, setAttribute, setText } from "./components/dom.js";
import { Scope } from "./components/scope.js";
import { Clock } from "./components/time-element.js";
import { toast } from "./components/toasts.js";
import { probeConnection } from "./connection-probe.js";
import { signIn } from "./control-api.js";
import { causeForReaders, causeText } from "./models/connection-diagnosis.js";
import { freshness, freshnessForReaders, waiting, waitingForReaders } from "./models/connection-text.js";
import { count, counted } from "./models/number-format.js";

const THEME = "theme";
/** The unit of each count in the side bar, singular. */
const COUNTED = { sessions: "session", connections: "connection", bots: "bot" };
/** Failed handshakes are probed at most this often (ms). */
const PROBE_EVERY = 15_000;
/** Placeholders stand for figures this long (ms); then a sentence says that the page waits for them. */
const PLACEHOLDERS_FOR = 1_000;
/** The connection bar and the freshness are brought up to date this often (ms). */
const UPDATE_EVERY = 500;

export class Shell {
  #socket;
  #beat;
  #isReady;
  #texts;
  #scope = new Scope();
  /** The last `state` event of the socket. */
  #state = { state: "connecting", reason: "" };
  #wasLive = false;
  /** When the next attempt to connect begins, on the clock of `performance.now()`, or null. */
  #retryAt = null;
  /** When figures were last received, on the same clock, or null. */
  #receivedAt = null;
  /** The same moment in seconds since the epoch by the service's clock. */
  #asOf = null;
  /** Why there is no connection, as text or (with `texts`) as {key, values}; or null. */
  #cause = null;
  #probedAt = -Infinity;
  /** Waits for the content to be ready, and the timer that then stops waiting; null once it is shown. */
  #observer = null;
  #placeholderTimer = null;

  /**
   * `beat`: {topic, interval}: a topic that is published every `interval` seconds, so that silence means that the
   * figures are old. Without one only the connection is judged. `isReady()`: whether the page's first content is
   * there; until then it is hidden. `texts`: those of the page's language; operators' pages have none.
   */
  constructor(socket, { beat = null, isReady = isFilled, texts = null } = {}) {
    this.#socket = socket;
    this.#beat = beat;
    this.#isReady = isReady;
    this.#texts = texts;
  }

  start() {
    const scope = this.#scope;
    if (!scope.open()) return;
    scope.start(new Clock());
    checkTheme(document.documentElement.dataset.theme ?? "system");
    scope.listen(document, "change", ({ target }) => target.closest?.(".theme-choice") && chooseTheme(target.value));
    scope.listen(this.#socket, "state", ({ detail }) => this.#follow(detail));
    scope.listen(this.#socket, "message", ({ detail }) => detail.type === "system_announcement" && showAnnouncement(detail, this.#texts));
    scope.listen(this.#socket, "complaint", ({ detail }) => this.#rejected(detail));
    scope.listen(byId("connection-now"), "click", () => this.#retry());
    scope.defer(this.#socket.onTopic("counts", showCounts));
    if (this.#beat) scope.defer(this.#socket.onTopic(this.#beat.topic, () => this.figuresReceived()));
    scope.every(UPDATE_EVERY, () => this.#update());
    this.#follow(this.#socket.state);
    this.#awaitContent();
    scope.defer(() => this.#stopWaiting());
  }

  stop() {
    this.#scope.close();
  }

  /** Show the content, all at once, when the first of it is ready. */
  reveal() {
    if (this.#observer === null || !this.#isReady()) return;
    this.#stopWaiting();
    delete document.documentElement.dataset.loading;
  }

  /** The page's figures were just received. */
  figuresReceived() {
    this.#receivedAt = performance.now();
    this.#asOf = this.#socket.serverNow / 1000;
    this.#update();
  }

  #awaitContent() {
    this.#observer = new MutationObserver(() => this.reveal());
    this.#observer.observe(document.body, { subtree: true, childList: true, characterData: true, attributes: true, attributeFilter: ["aria-busy"] });
    this.#placeholderTimer = setTimeout(() => {
      document.documentElement.dataset.loading = "long";
      if (byId("page-status").textContent === "") setText(byId("page-status"), this.#texts?.text("status.waiting_for_service") ?? "Waiting for the service.");
    }, PLACEHOLDERS_FOR);
    this.reveal();
  }

  #stopWaiting() {
    clearTimeout(this.#placeholderTimer);
    this.#observer?.disconnect();
    this.#observer = null;
  }

  /** Apply a `state` event of the socket. */
  #follow(state) {
    this.#state = state;
    if (state.state === "live") {
      this.#wasLive = true;
      this.#cause = null;
      this.#probedAt = -Infinity;
    }
    if (state.state === "waiting" && !state.opened) this.#probe();
    this.#retryAt = typeof state.retryIn === "number" ? performance.now() + state.retryIn : null;
    this.#update();
  }

  /** A handshake failed, and the browser does not say why: find out over HTTP. */
  async #probe() {
    const now = performance.now();
    if (now - this.#probedAt < PROBE_EVERY) return;
    this.#probedAt = now;
    const diagnosis = await probeConnection();
    if (this.#state.state === "live" || !this.#scope.isOpen) return;
    this.#cause = this.#texts === null ? causeText(diagnosis, { isOperator: document.body.dataset.operator !== undefined }) : causeForReaders(diagnosis);
    this.#update();
  }

  /** An operator's page whose sign-in has expired has nothing to show: it goes to the sign-in page. */
  #rejected({ code }) {
    if (code === "token_required" && document.body.dataset.operator !== undefined) signIn();
  }

  /** Start a socket that the service refused, and end the wait of one that retries. */
  #retry() {
    this.#socket.start();
    this.#socket.retryNow();
  }

  #update() {
    const now = performance.now();
    const age = this.#receivedAt === null ? null : (now - this.#receivedAt) / 1000;
    const retryIn = this.#retryAt === null ? null : Math.max(0, this.#retryAt - now) / 1000;
    const connection = { ...this.#state, retryIn, wasLive: this.#wasLive, asOf: this.#asOf, cause: this.#cause };
    this.#showBar(this.#texts === null ? waiting(connection) : waitingForReaders(connection, this.#texts));
    const limit = this.#beat ? 2 * this.#beat.interval : null;
    document.body.toggleAttribute("data-old", limit !== null && age !== null && age > limit);
    const live = byId("live");
    if (live === null) return;
    const current = { state: this.#state.state, isUnresponsive: this.#socket.isUnresponsive };
    const { state, text } = this.#texts === null ? freshness({ ...current, age, limit }) : freshnessForReaders(current, this.#texts);
    setAttribute(live, "data-state", state);
    setText(byId("live-text"), text);
  }

  /** `bar`: {text, next}, or null where there is nothing to show. */
  #showBar(bar) {
    byId("connection-bar").hidden = bar === null;
    document.body.dataset.connection = bar === null ? "live" : "waiting";
    if (bar === null) return;
    setText(byId("connection-text"), bar.text);
    setText(byId("connection-next"), bar.next);
  }
}

/** Whether no placeholder is left. */
const isFilled = () => document.querySelector("main [aria-busy=true], main .skeleton") === null;

/** Show a message to all connections. What an operator wrote stays until it is dismissed. */
function showAnnouncement({ message, state }, texts) {
  const isWritten = state === undefined;
  toast(message, { title: isWritten ? (texts?.text("page.announcement") ?? "Announcement") : "", tone: state === "degraded" ? "bad" : "", stays: state !== "restored" });
}

/** Show the topic `counts` in the side bar. */
function showCounts(counts) {
  for (const element of document.querySelectorAll("[data-count]")) {
    const name = element.dataset.count;
    const value = counts[name];
    const text = value > 0 ? counted(value, COUNTED[name]) : "";
    setText(element, value > 0 ? count(value) : "");
    setText(element.previousElementSibling, text);
    setAttribute(element.closest("a"), "title", text || null);
  }
}

export function checkTheme(theme) {
  for (const input of document.querySelectorAll(".theme-choice input")) input.checked = input.value === theme;
}

export function chooseTheme(theme) {
  const root = document.documentElement;
  if (theme === "system") delete root.dataset.theme;
  else root.dataset.theme = theme;
  checkTheme(theme);
  try {
    if (theme === "system") localStorage.removeItem(THEME);
    else localStorage.setItem(THEME, theme);
  } catch {
    // Storage is refused: the choice lasts as long as the page.
  }
  document.dispatchEvent(new CustomEvent("themechange"));
}
