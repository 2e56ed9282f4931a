/**
 * What is said in the meeting, by speaker, in the language that this reader has chosen. New lines are followed while the
 * end is in view; screen readers are given each final line once, when its translation had time to arrive.
 */

import { byId, endLoading, h, keyed, setAttribute, setText } from "../../components/dom.js";
import { emptyState } from "../../components/empty-state.js";
import { EndFollower } from "../../components/end-follower.js";
import { fillPlaceholder } from "../../components/placeholder.js";
import { Scope } from "../../components/scope.js";
import { position } from "../../models/bot-figures.js";
import { isFinal, isInCall } from "../../models/bots.js";
import { LIMIT } from "../../models/bot-lines.js";
import { isSameLanguage } from "../../models/languages.js";

/** A final line is announced after this long (ms): its translation follows it. */
const ANNOUNCED_AFTER = 1_500;
/** Announcements that stay in the page. */
const ANNOUNCED = 4;
/** A speaker who goes on within this long (s) is not named again. */
const GOES_ON = 20;
/** Lines whose translation is awaited: the last ones. */
const RECENT = 4;
/** Colours of speakers; further speakers use them again. */
const COLOURS = 6;

export class CaptionsCard {
  #scope = new Scope();
  #lines;
  #language;
  #bot = null;
  #hasSpeech = false;
  #end = new EndFollower({ scroll: byId("scroll"), content: byId("lines"), onChange: () => this.#moved() });
  #frame = null;
  /** Segments that arrived live and are not announced yet, with their timers once they are final. */
  #awaited = new Map();

  /** `lines`: models/bot-lines.js; `language()`: the reader's, null: what is spoken. */
  constructor({ lines, language }) {
    this.#lines = lines;
    this.#language = language;
  }

  start() {
    if (!this.#scope.open()) return;
    this.#scope.start(this.#end);
    this.#scope.listen(byId("jump"), "click", () => this.#jump());
    this.#scope.defer(() => {
      cancelAnimationFrame(this.#frame);
      this.#frame = null;
      for (const timer of this.#awaited.values()) clearTimeout(timer);
      this.#awaited.clear();
    });
  }

  stop() {
    this.#scope.close();
  }

  /** Announce these segments once they are final: they were said while this page is open. */
  arrived(segments) {
    for (const segment of segments) if (!this.#awaited.has(segment)) this.#awaited.set(segment, null);
    while (this.#awaited.size > LIMIT) this.#awaited.delete(this.#awaited.keys().next().value);
  }

  /** Draw before the next paint: lines have changed, or the reader's language, or the bot's state; `people`: SpeakerShown. */
  show(bot, people) {
    this.#bot = bot;
    this.#hasSpeech = people.some(({ is_speaking: speaks, spoke }) => speaks || spoke > 0);
    this.#frame ??= requestAnimationFrame(() => {
      this.#frame = null;
      this.#draw();
    });
  }

  #draw() {
    const all = this.#lines.all.filter(({ text }) => text.trim() !== "");
    this.#showEmpty(all.length === 0);
    const language = this.#language();
    let before = null;
    const rows = all.map((line, index) => {
      const goesOn = before !== null && speakerOf(before) === speakerOf(line) && line.start - before.end < GOES_ON;
      before = line;
      // Of what was said before this reader joined, and of what is over, no further translation comes.
      const mayCome = !isFinal(this.#bot) && index >= all.length - RECENT;
      return { line, goesOn, mayCome, read: this.#lines.read(line, language, isSameLanguage) };
    });
    keyed(byId("lines"), rows, { key: ({ line }) => line.segment, create: () => row(), update: (element, each) => this.#fill(element, each) });
    this.#end.follow();
    this.#announceFinal();
  }

  #fill(element, { line, goesOn, mayCome, read }) {
    const [who, words, original] = element.children;
    const number = this.#lines.speakerNumber(line);
    setAttribute(element, "data-growing", !line.is_final);
    setAttribute(element, "data-goes-on", goesOn);
    setAttribute(who.firstElementChild, "data-speaker", number === null ? "none" : (number % COLOURS) + 1);
    setText(who.firstElementChild, line.speaker ?? "Speaker unsure");
    setText(who.lastElementChild, position(line.start));
    setAttribute(words, "lang", read.language);
    setAttribute(words, "data-awaited", read.isAwaited && line.is_final && mayCome);
    setText(words, read.text);
    original.hidden = read.original === null;
    setAttribute(original, "lang", line.language);
    setText(original, read.original ?? "");
  }

  #showEmpty(isEmpty) {
    byId("lines-placeholder").hidden = !isEmpty;
    if (isEmpty) fillPlaceholder(byId("lines-placeholder"), emptyState(...emptyText(this.#bot, this.#hasSpeech)));
    else endLoading(byId("lines-placeholder"));
  }

  // --- following ------------------------------------------------------------------------------------------------

  #moved() {
    byId("jump").hidden = this.#end.isFollowing;
  }

  #jump() {
    this.#end.jump();
    byId("scroll").focus({ preventScroll: true });
  }

  // --- screen readers -------------------------------------------------------------------------------------------

  #announceFinal() {
    for (const [segment, timer] of this.#awaited) {
      if (timer === null && this.#lines.get(segment)?.is_final) this.#awaited.set(segment, setTimeout(() => this.#announce(segment), ANNOUNCED_AFTER));
    }
  }

  #announce(segment) {
    this.#awaited.delete(segment);
    const line = this.#lines.get(segment);
    if (line === null) return;
    const { text, language } = this.#lines.read(line, this.#language(), isSameLanguage);
    const box = byId("announce");
    while (box.childElementCount >= ANNOUNCED) box.firstElementChild.remove();
    box.append(h("p", { dir: "auto" }, line.speaker === null ? "" : `${line.speaker}: `, h("span", { lang: language, dir: "auto" }, text)));
  }
}

const row = () => h("div", { class: "bot-said" }, h("p", { class: "bot-who" }, h("bdi", { class: "bot-name", dir: "auto" }), " ", h("span", { class: "faint small" })), h("p", { class: "bot-words", dir: "auto" }), h("p", { class: "bot-original", dir: "auto" }));

const speakerOf = ({ speaker, speaker_id: id }) => id ?? speaker ?? "";

function emptyText(bot, hasSpeech) {
  if (bot.state === "data_deleted") return ["What was said has been deleted."];
  if (isFinal(bot)) return bot.utterances > 0 ? ["The captions are in the transcript.", "It can be downloaded below."] : ["Nothing was transcribed."];
  if (bot.state === "paused") return ["Nothing is captured while it is paused."];
  if (isInCall(bot) && hasSpeech) return ["Someone is heard.", "The first words come once they are transcribed."];
  if (isInCall(bot)) return ["Nobody has spoken yet.", "What is said appears here as it is said."];
  return ["It is not in the meeting yet.", "What is said appears here once it is."];
}
