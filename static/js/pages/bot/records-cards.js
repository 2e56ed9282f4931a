/** What is stored of a bot: what happened, files to download, and what it saw when it failed. */

import { byId, h, keyed, setAttribute, setText } from "../../components/dom.js";
import { emptyState } from "../../components/empty-state.js";
import { showEvents } from "../../components/event-list.js";
import { fillPlaceholder } from "../../components/placeholder.js";
import { Polling } from "../../components/polling.js";
import { Scope } from "../../components/scope.js";
import { ProblemError } from "../../control-api.js";
import { EVENT_TYPES, eventRows } from "../../models/bot-events.js";
import { recordingText, transcriptFiles, transcriptTitle } from "../../models/bot-files.js";
import { isFinal } from "../../models/bots.js";

/** Between two requests of what changes while a bot runs, and after one that failed (ms). */
const EVERY = 5_000;
/** What is stored of a bot may still change for so long after its end (s): the last words, the recordings. */
const SETTLES = 60;
/** Events of a type that are requested, the newest. */
const EVENTS = 100;

export class RecordsCards {
  #scope = new Scope();
  #id;
  #lines;
  #onTimeline;
  #onQuality;
  #send;
  #now;
  #pollings;
  #bot = null;
  /** The revision of the bot that its events, and once it has ended the others, were requested for. */
  #revision = null;
  #timer = null;
  #recordings = [];

  /** `send(method, path, body)`: the control API; `lines`: models/bot-lines.js; `onTimeline`, `onQuality`: they were loaded; `now()`: the service's time, s. */
  constructor(id, { send, lines, onTimeline, onQuality, now }) {
    this.#id = id;
    this.#send = send;
    this.#lines = lines;
    this.#onTimeline = onTimeline;
    this.#now = now;
    this.#onQuality = onQuality;
    this.#pollings = Object.fromEntries(["timeline", "recording", "evidence", "correlations"].map((name) => [name, new Polling({ fetch: (path) => send("GET", path), interval: EVERY })]));
  }

  start() {
    if (!this.#scope.open()) return;
    this.#scope.defer(() => clearTimeout(this.#timer));
    this.#scope.defer(() => Object.values(this.#pollings).forEach((polling) => polling.stop()));
  }

  stop() {
    this.#scope.close();
  }

  /** Follow what is stored; of a bot that ended a while ago each part is requested once. */
  show({ bot, is_here: isHere }) {
    this.#bot = bot;
    const isOver = isFinal(bot);
    if (bot.state === "data_deleted") {
      this.#showDeleted();
      return;
    }
    if (this.#revision !== bot.revision) {
      this.#revision = bot.revision;
      this.#loadEvents(bot.revision);
      if (isOver) for (const polling of Object.values(this.#pollings)) polling.stop();
    }
    if (bot.admitted_at !== null) this.#poll("timeline", (data) => this.#onTimeline(data), isOver);
    if (bot.admitted_at !== null && bot.recording.audio !== "none") this.#poll("recording", (data) => this.#showRecordings(data), isOver);
    if (bot.admitted_at !== null && !isHere) this.#poll("correlations?limit=1", ({ quality }) => this.#onQuality(quality), isOver);
    const hasEvidence = bot.end?.has_evidence === true;
    if (hasEvidence) this.#poll("evidence", (data) => this.#showEvidence(data), true);
    byId("evidence").hidden = !hasEvidence;
    this.#showFiles();
  }

  /** Nothing is stored any more, and nothing is requested. */
  #showDeleted() {
    this.stopWaiting();
    this.#revision = null;
    byId("evidence").hidden = true;
    fillPlaceholder(byId("events-placeholder"), emptyState("What happened in the meeting was deleted."));
    fillPlaceholder(byId("files-placeholder"), emptyState("There is nothing to download any more."));
  }

  /** The bot cannot be shown: nothing is waited for. */
  stopWaiting() {
    clearTimeout(this.#timer);
    for (const polling of Object.values(this.#pollings)) polling.stop();
  }

  get #path() {
    return `/api/bots/${encodeURIComponent(this.#id)}`;
  }

  #poll(part, onData, isOnce = false) {
    const path = `${this.#path}/${part}`;
    const [name] = part.split("?");
    this.#pollings[name].poll(path, ({ data, error }) => {
      if (error !== null) {
        this.#failed(name, error);
        return;
      }
      onData(data);
      if (isOnce && this.#now() - this.#bot.ended_at > SETTLES) this.#pollings[name].pause();
    });
  }

  #failed(name, error) {
    if (name === "evidence") setText(byId("evidence-note"), error.message);
    if (name === "recording") setText(byId("files-note"), error.message);
  }

  /** Load the events as of a revision of the bot; the next one is loaded instead once it is there. */
  async #loadEvents(revision) {
    clearTimeout(this.#timer);
    let pages;
    try {
      pages = await Promise.all(EVENT_TYPES.map((type) => this.#send("GET", `${this.#path}/events?${new URLSearchParams({ type, limit: EVENTS })}`)));
    } catch (error) {
      if (!(error instanceof ProblemError)) throw error;
      if (!this.#scope.isOpen || revision !== this.#revision) return;
      this.#eventsFailed(error);
      this.#timer = setTimeout(() => this.#loadEvents(revision), EVERY);
      return;
    }
    if (!this.#scope.isOpen || revision !== this.#revision) return;
    const rows = eventRows({ events: pages.flatMap(({ events }) => events), consents: pages[0].consents });
    if (rows.length === 0) fillPlaceholder(byId("events-placeholder"), emptyState("Nothing has happened yet."));
    else showEvents(byId("events-placeholder"), rows);
    setText(byId("events-note"), "newest first");
  }

  #eventsFailed(error) {
    const slot = byId("events-placeholder");
    if (slot.querySelector(".events") === null) fillPlaceholder(slot, emptyState(...(error.status === 410 ? ["What happened in the meeting was deleted."] : ["What happened cannot be loaded right now.", error.message])));
    else setText(byId("events-note"), "not current");
  }

  #showRecordings({ files }) {
    this.#recordings = files;
    this.#showFiles();
  }

  #showFiles() {
    const bot = this.#bot;
    const slot = byId("files-placeholder");
    if (bot.admitted_at === null) fillPlaceholder(slot, emptyState(isFinal(bot) ? "It was not in the meeting: there is nothing to download." : "There is a transcript once it is in the meeting."));
    else this.#showLinks(slot, bot);
  }

  #showLinks(slot, bot) {
    const seen = this.#lines.all.flatMap(({ translations }) => Object.keys(translations));
    const languages = [...new Set([...bot.languages.targets, ...seen])];
    const rows = [null, ...languages].map((language) => ({
      key: `transcript ${language ?? ""}`,
      title: transcriptTitle(language),
      note: "",
      links: transcriptFiles(this.#id, language),
    }));
    const sound = this.#recordings.map((file) => {
      const { label, note } = recordingText(file);
      return { key: `sound ${file.file_id}`, title: label, note, links: [{ label: "Sound", href: file.href }] };
    });
    keyed(fillPlaceholder(slot, null, "ul", "bot-files"), [...rows, ...sound], {
      key: ({ key }) => key,
      create: ({ links }) => h("li", {}, h("span", {}, h("bdi", { dir: "auto" }), " ", h("span", { class: "muted small" })), h("span", { class: "bot-links" }, links.map(({ label, href }) => h("a", { href, download: "" }, label)))),
      update: (element, { title, note }) => {
        const [name, more] = element.firstElementChild.children;
        setText(name, title);
        setText(more, note);
        for (const link of element.lastElementChild.children) setAttribute(link, "aria-label", `${title}: ${link.textContent}`);
      },
    });
  }

  #showEvidence({ files }) {
    const body = byId("evidence-body");
    if (body.dataset.files === JSON.stringify(files)) return;
    body.dataset.files = JSON.stringify(files);
    const picture = files.find(({ kind }) => kind === "screenshot");
    const others = files.filter((file) => file !== picture);
    body.replaceChildren(
      ...[
        picture && h("a", { class: "bot-evidence", href: picture.href }, h("img", { src: picture.href, alt: "The meeting's page as it was when the bot gave up." })),
        h("p", { class: "bot-links" }, others.map(({ kind, href }) => h("a", { href, download: "" }, kind === "dom" ? "The page as HTML" : kind === "log" ? "The last lines logged" : kind))),
      ].filter(Boolean),
    );
    setText(byId("evidence-note"), files.length === 0 ? "It has been deleted, as it is after some days." : "kept for some days");
  }
}
