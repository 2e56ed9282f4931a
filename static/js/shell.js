/**
 * What every page has around its content: colours, the counts beside the names in the side bar, the bar that says
 * that the connection is lost, and how fresh the figures are.
 */

import { Clock } from "./components/time-element.js";
import { byId, setAttribute, setText } from "./components/dom.js";
import { signIn } from "./control-api.js";
import { count, counted } from "./models/number-format.js";
import { toast } from "./components/toasts.js";
import { freshness, waiting } from "./models/connection-text.js";
import { causeText } from "./models/connection-diagnosis.js";
import { probeConnection } from "./connection-probe.js";

const THEME = "theme";
/** What the numbers in the side bar count, one of it. */
const COUNTED = { sessions: "session", connections: "connection" };
/** Why there is no connection is asked not more often than this (ms). */
const PROBE_EVERY = 15_000;
/** Grey shapes stand for figures this long; then a sentence says that they are awaited (ms). */
const SHAPES = 1_000;

export class Shell {
  #socket;
  #clock = new Clock();
  #off = [];
  #timer = null;
  #beat = null;
  #heard = null;
  /** Of when what is shown is, in seconds since the epoch by the service's clock. */
  #asOf = null;
  #cause = null;
  #probedAt = -Infinity;
  #retryAt = null;
  #state = { state: "connecting", reason: "" };
  #wasLive = false;
  #isReady;
  #watch = null;
  #awaited = null;

  /**
   * `beat`: {topic, interval}: a topic that changes at every beat, so that its silentWorkerProblems means that the figures are
   * old (`interval` in seconds). Without one only the connection is judged. `isReady()`: whether the page has what
   * it shows first; until then its content is not shown.
   */
  constructor(socket, { beat = null, isReady = isFilled } = {}) {
    this.#isReady = isReady;
    this.#socket = socket;
    this.#beat = beat;
  }

  start() {
    this.#clock.start();
    this.#colours();
    this.#socket.addEventListener("state", this.#follow);
    this.#socket.addEventListener("message", this.#announce);
    this.#socket.addEventListener("complaint", this.#refused);
    byId("connection-now").addEventListener("click", this.#again);
    this.#off.push(this.#socket.onTopic("counts", (data) => this.#count(data)));
    if (this.#beat) this.#off.push(this.#socket.onTopic(this.#beat.topic, () => this.heard()));
    this.#timer = setInterval(() => this.#tell(), 500);
    this.#follow({ detail: this.#socket.state });
    this.#watch = new MutationObserver(() => this.reveal());
    this.#watch.observe(document.body, { subtree: true, childList: true, characterData: true, attributes: true, attributeFilter: ["aria-busy"] });
    this.#awaited = setTimeout(() => {
      document.documentElement.dataset.loading = "long";
      if (byId("page-status").textContent === "") setText(byId("page-status"), "Waiting for the service.");
    }, SHAPES);
    this.reveal();
  }

  /** Show the content, all at once, when what it shows first is there. */
  reveal() {
    if (this.#watch === null || !this.#isReady()) return;
    this.#settle();
    delete document.documentElement.dataset.loading;
  }

  #settle() {
    clearTimeout(this.#awaited);
    this.#watch?.disconnect();
    this.#watch = null;
  }

  stop() {
    this.#settle();
    this.#clock.stop();
    clearInterval(this.#timer);
    this.#socket.removeEventListener("state", this.#follow);
    this.#socket.removeEventListener("message", this.#announce);
    this.#socket.removeEventListener("complaint", this.#refused);
    byId("connection-now").removeEventListener("click", this.#again);
    for (const off of this.#off.splice(0)) off();
  }

  /** Figures have come. */
  heard() {
    this.#heard = performance.now();
    this.#asOf = this.#socket.serverNow / 1000;
    this.#tell();
  }

  #follow = ({ detail }) => {
    this.#state = detail;
    if (detail.state === "live") {
      this.#wasLive = true;
      this.#cause = null;
      this.#probedAt = -Infinity;
    }
    if (detail.state === "waiting" && !detail.opened) this.#probe();
    this.#retryAt = typeof detail.retryIn === "number" ? performance.now() + detail.retryIn : null;
    this.#tell();
  };

  /** A handshake failed, of which the browser says nothing: find out why. */
  async #probe() {
    const now = performance.now();
    if (now - this.#probedAt < PROBE_EVERY) return;
    this.#probedAt = now;
    const found = await probeConnection();
    if (this.#state.state === "live") return;
    this.#cause = causeText(found, { isOperator: document.body.dataset.operator !== undefined });
    this.#tell();
  }

  /** Show what is said to everyone; what people say stays until it has been read. */
  #announce = ({ detail }) => {
    if (detail.type !== "system_announcement") return;
    const isSaid = detail.state === undefined;
    toast(detail.message, { title: isSaid ? "Announcement" : "", tone: detail.state === "degraded" ? "bad" : "", stays: detail.state !== "restored" });
  };

  /** An operator's page whose sign-in has run out has nothing left to show: it asks for the token again. */
  #refused = ({ detail }) => {
    if (detail.code === "token_required" && document.body.dataset.operator !== undefined) signIn();
  };

  #again = () => {
    // A socket that the service refused has stopped; one that waits is told to wait no longer.
    this.#socket.start();
    this.#socket.retryNow();
  };

  #tell() {
    const now = performance.now();
    const age = this.#heard === null ? null : (now - this.#heard) / 1000;
    const retryIn = this.#retryAt === null ? null : Math.max(0, this.#retryAt - now) / 1000;
    const words = waiting({ ...this.#state, retryIn, wasLive: this.#wasLive, asOf: this.#asOf, cause: this.#cause });
    const bar = byId("connection-bar");
    bar.hidden = words === null;
    if (words !== null) {
      setText(byId("connection-text"), words.text);
      setText(byId("connection-next"), words.next);
    }
    document.body.dataset.connection = words === null ? "live" : "waiting";
    const limit = this.#beat ? 2 * this.#beat.interval : null;
    document.body.toggleAttribute("data-old", limit !== null && age !== null && age > limit);
    const live = byId("live");
    if (live === null) return;
    const { state, text } = freshness({ state: this.#state.state, age, limit, isUnresponsive: this.#socket.isUnresponsive });
    setAttribute(live, "data-state", state);
    setText(byId("live-text"), text);
  }

  #count(data) {
    for (const element of document.querySelectorAll("[data-count]")) {
      const { count: what } = element.dataset;
      const value = data[what];
      setText(element, value > 0 ? count(value) : "");
      const words = value > 0 ? counted(value, COUNTED[what]) : "";
      setText(element.previousElementSibling, words);
      setAttribute(element.closest("a"), "title", words || null);
    }
  }

  #colours() {
    const chosen = document.documentElement.dataset.theme ?? "system";
    for (const input of document.querySelectorAll(".theme-choice input")) {
      input.checked = input.value === chosen;
      input.addEventListener("change", () => choose(input.value));
    }
  }
}

/** Whether no grey shape is left. */
const isFilled = () => document.querySelector("main [aria-busy=true], main .skeleton") === null;

function choose(theme) {
  const root = document.documentElement;
  if (theme === "system") delete root.dataset.theme;
  else root.dataset.theme = theme;
  for (const input of document.querySelectorAll(".theme-choice input")) input.checked = input.value === theme;
  try {
    if (theme === "system") localStorage.removeItem(THEME);
    else localStorage.setItem(THEME, theme);
  } catch {
    // Storage is refused: the choice lasts as long as the page.
  }
  document.dispatchEvent(new CustomEvent("themechange"));
}
