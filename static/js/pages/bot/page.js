/** The page of one bot: where it is and what happens next, captions, camera, who spoke when, and how it ended. */

import { showBanners } from "../../components/banners.js";
import { Feed } from "../../components/bots/feed.js";
import { byId, setAttribute, setText } from "../../components/dom.js";
import { pill, setPill } from "../../components/pill.js";
import { Scope } from "../../components/scope.js";
import { control } from "../../control-api.js";
import { BotLines } from "../../models/bot-lines.js";
import { botName, endText, isFinal, meetingText, situation, statePill, stay } from "../../models/bots.js";
import { duration } from "../../models/number-format.js";
import { relative } from "../../models/time-format.js";
import { Shell } from "../../shell.js";
import { CameraCard } from "./camera-card.js";
import { CaptionsCard } from "./captions-card.js";
import { ChatLog } from "./chat-log.js";
import { Controls } from "./controls.js";
import { FactsCards } from "./facts-cards.js";
import { History } from "./history.js";
import { BotLanguages } from "./languages.js";
import { RecordsCards } from "./records-cards.js";
import { SessionReader } from "./session-reader.js";
import { SpeechCard } from "./speech-card.js";
import { TimelineCard } from "./timeline-card.js";

/** The time in the meeting is brought up to date this often (ms). */
const CLOCK_EVERY = 1_000;

export class BotPage {
  #socket;
  #scope = new Scope();
  #shell;
  #feed;
  #lines = new BotLines();
  #languages;
  #reader;
  #captions;
  #camera;
  #controls;
  #chat = new ChatLog();
  #speech;
  #timeline = new TimelineCard({ lines: this.#lines });
  #facts = new FactsCards();
  #records;
  #history;
  #pill = pill();
  /** The last state, or null until known. */
  #live = null;

  /** `send(method, path, body)` resolves to a response of the control API, or rejects. */
  constructor(socket, { send = control, id = byId("bot-body").dataset.bot } = {}) {
    this.#socket = socket;
    this.#shell = new Shell(socket);
    this.#feed = new Feed(socket, { topic: `bots/${id}`, path: `/api/bots/${encodeURIComponent(id)}`, fetch: (path) => send("GET", path) });
    this.#languages = new BotLanguages(id, { send, onRead: () => this.#refresh() });
    this.#reader = new SessionReader(socket);
    this.#captions = new CaptionsCard({ lines: this.#lines, language: () => this.#languages.read });
    this.#camera = new CameraCard(id, { send });
    this.#controls = new Controls(id, { send, onChat: (text) => this.#chat.sent(this.#live.bot, text) });
    this.#speech = new SpeechCard(id);
    this.#history = new History(id, { send, lines: this.#lines, onLines: () => this.#refresh() });
    this.#records = new RecordsCards(id, { send, lines: this.#lines, onTimeline: (timeline) => this.#recallTimeline(timeline), onQuality: (quality) => this.#facts.recall({ quality }), now: () => socket.serverNow / 1000 });
  }

  start() {
    const scope = this.#scope;
    if (!scope.open()) return;
    byId("bot-pill").replaceChildren(this.#pill);
    for (const part of [this.#shell, this.#languages, this.#reader, this.#captions, this.#chat, this.#camera, this.#controls, this.#speech, this.#records, this.#history]) scope.start(part);
    scope.listen(this.#reader, "translation", ({ detail }) => this.#lines.translate(detail) !== null && this.#refresh());
    scope.listen(this.#reader, "chat", ({ detail }) => this.#chat.add(detail));
    scope.every(CLOCK_EVERY, () => this.#showStay());
    scope.defer(this.#feed.follow({ onData: (live) => this.#show(live), onError: (error) => this.#failed(error) }));
    scope.start(this.#socket);
  }

  stop() {
    this.#scope.close();
  }

  #show(live) {
    const isFirst = this.#live === null;
    this.#live = live;
    const { bot, lines } = live;
    if (bot.state === "data_deleted") for (const part of [this.#lines, this.#chat, this.#facts, this.#timeline]) part.clear();
    const before = new Set(this.#lines.all.filter(({ is_final: isDone }) => isDone).map(({ segment }) => segment));
    const changed = this.#lines.show(lines);
    // What was announced already is not announced again for a name or a translation.
    if (!isFirst) this.#captions.arrived(changed.filter((segment) => !before.has(segment)));
    byId("bot-gone").hidden = true;
    byId("bot-body").hidden = false;
    // Of a bot that was in no meeting, or whose data was deleted, there is nothing to show that was said.
    setAttribute(byId("bot-body"), "data-outside", isFinal(bot) && (bot.admitted_at === null || bot.state === "data_deleted"));
    setAttribute(byId("bot-body"), "data-before", !isFinal(bot) && bot.admitted_at === null);
    this.#showHead(live);
    this.#showProblems(live);
    this.#controls.show(bot);
    this.#languages.show(bot);
    this.#camera.show(live);
    this.#chat.show(bot);
    this.#speech.show(bot);
    this.#facts.show(live);
    this.#records.show(live);
    this.#refresh();
  }

  /** Draw what depends on lines and on the reader's language. */
  #refresh() {
    if (this.#live === null) return;
    const { bot, people } = this.#live;
    const { read } = this.#languages;
    this.#reader.show(bot, read);
    this.#history.show(this.#live, read);
    this.#captions.show(bot, people);
    this.#timeline.show();
  }

  #recallTimeline({ speakers }) {
    this.#timeline.follow(speakers);
    this.#facts.recall({ speakers });
  }

  #showHead({ bot, recording_allowed: allowed }) {
    const name = botName(bot);
    setText(byId("page-title"), name);
    setAttribute(byId("page-title"), "dir", "auto");
    document.title = `${name} · LiveTranslate`;
    const { says, next } = situation(bot, { allowed });
    setText(byId("page-status"), `${says} ${next}`.trim());
    byId("bot-line").hidden = false;
    const { word, tone } = statePill(bot);
    setPill(this.#pill, word, tone);
    const link = byId("bot-meeting");
    setText(link, meetingText(bot.meeting_url));
    setAttribute(link, "href", /^https?:\/\//i.test(bot.meeting_url) ? bot.meeting_url : null);
    this.#showStay();
  }

  #showStay() {
    if (this.#live === null) return;
    const { bot } = this.#live;
    const seconds = stay(bot, this.#socket.serverNow / 1000);
    const over = bot.ended_at === null ? "" : `${bot.state === "failed" ? "failed" : "ended"} ${relative(bot.ended_at, this.#socket.serverNow / 1000)}`;
    const there = seconds === null ? "" : `${isFinal(bot) ? "was" : "has been"} in the meeting for ${duration(seconds)}`;
    setText(byId("bot-stay"), [there, over].filter(Boolean).join(", "));
  }

  #showProblems({ bot, is_here: isHere }) {
    const problems = [];
    const end = endText(bot);
    if (end !== null) problems.push({ key: `end ${bot.state}`, tone: end.tone, word: end.word, subject: "How it ended", text: end.text, more: end.more, since: null, action: null });
    if (!isFinal(bot) && bot.admitted_at !== null && !isHere) problems.push({ key: "elsewhere", tone: "warn", word: "another worker", subject: "This page is not live", text: "Another worker runs this bot, and does not reply right now.", more: "What is stored is shown. Its live captions and its camera are shown as soon as that worker replies, or another one has taken the bot over.", since: null, action: null });
    showBanners(byId("problems"), problems);
  }

  #failed(error) {
    if (this.#live !== null) {
      showBanners(byId("problems"), [{ key: "failed", tone: "warn", word: "not current", subject: "This bot", text: error.message, more: "What is shown was received before. It is tried again.", since: null, action: null }]);
      return;
    }
    const isUnknown = error.status === 404;
    setText(byId("page-status"), isUnknown ? "There is no such bot." : "This bot cannot be shown right now.");
    setText(byId("bot-gone-why"), isUnknown ? "There is no such bot." : error.message);
    byId("bot-gone").hidden = false;
    byId("bot-body").hidden = true;
    this.#records.stopWaiting();
  }
}
