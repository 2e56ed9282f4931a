/**
 * The transcript: each line of models/captions.js with its translations, growing in place.
 *
 * It follows new lines while its end is in view; a reader who scrolled up stays in place, and a button counts the new
 * lines. Only final lines are announced to screen readers.
 *
 * Thousands of lines are drawn in slices, the newest first. The cost of a line does not depend on their number.
 */

import { pieces } from "../../models/confidence.js";
import { shownLanguages } from "../../models/languages.js";
import { clockTime } from "../../models/time-format.js";
import { gap, translated } from "../../models/translation-text.js";
import { settledPart } from "../../models/words.js";
import { h, setAttribute, setText } from "../dom.js";
import { EndFollower } from "../end-follower.js";
import { Scope } from "../scope.js";
import { SlicedTask } from "../sliced-task.js";
import { RowBlocks } from "./row-blocks.js";
import { SpeakerNames } from "./speaker-names.js";
import { UnsureWords, unsureWord } from "./unsure-words.js";

/** Announcements that stay for a screen reader that is still reading. */
const ANNOUNCED = 4;
/** More changed lines than this are sorted once, not inserted one by one. */
const MANY = 50;
/** Colours of speakers; further speakers use them again. */
const COLOURS = 6;

/** What a reader scrolls with. */
const MOVING = ["wheel", "touchmove", "pointerdown", "keydown"];

/** About the number of lines that fit a window: of a history these are drawn at once. */
const VISIBLE = 24;

export class Transcript {
  #scope = new Scope();
  #captions;
  #list;
  #blocks;
  #scroll;
  #jump;
  #announce;
  #rows = new Map();
  /** Ids of the lines that are shown, or waiting to be drawn. */
  #shown = new Set();
  /** Lines that changed since they were drawn; and those that wait to be drawn, the next one last. */
  #changed = new Set();
  #pending = [];
  #drawing = new SlicedTask(() => this.#drawOne(), { after: (isDone) => this.#drawn(isDone), first: VISIBLE });
  #unsure;
  #speakerNames;
  /** Rows that show an awaited translation. */
  #awaited = new Set();
  #targets = [];
  #offer = null;
  #nameOf;
  #now;
  #isOwn;
  #mayDraw;
  #onDrawn;
  #onPut;
  #texts;
  #end;
  /** Id of the line that was brought into view while others are still to be drawn around it, else null. */
  #sought = null;
  #missed = new Set();
  #announced = new Set();
  #quiet = true;

  /**
   * Elements; `nameOf(line)`: the speaker's name; `isOwn(line)`: whether the reader spoke it; `now()`: the service's time,
   * epoch ms; `onDrawn()`: lines were drawn; `onPut(line, row)`: a line was drawn in `row.element`; `mayName()`: whether
   * the reader may name the speakers at a shared microphone, as `nameSpeaker(label, name)` does; `texts`: those of the
   * page's language.
   */
  constructor({ texts, captions, list, scroll, jump, announce, nameOf, isOwn, now, mayDraw = () => true, onDrawn = () => {}, onPut = () => {}, mayName = () => false, nameSpeaker = () => {} }) {
    this.#texts = texts;
    this.#mayDraw = mayDraw;
    this.#onDrawn = onDrawn;
    this.#onPut = onPut;
    this.#captions = captions;
    this.#list = list;
    this.#blocks = new RowBlocks(list);
    this.#scroll = scroll;
    this.#jump = jump;
    this.#announce = announce;
    this.#nameOf = nameOf;
    this.#isOwn = isOwn;
    this.#now = now;
    this.#unsure = new UnsureWords({ texts, scroll, captions, rowOf: ({ id }) => this.#rows.get(id) });
    this.#speakerNames = new SpeakerNames({ texts, scroll, givenTo: (label) => captions.nameOfLabel(label), mayName, send: nameSpeaker });
    // The few lines around one that is sought are not yet the end of the transcript.
    this.#end = new EndFollower({ scroll, content: list, mayFollow: () => this.#sought === null, onChange: () => this.#moved() });
  }

  start() {
    if (!this.#scope.open()) return;
    for (const kind of MOVING) this.#scope.listen(this.#scroll, kind, () => { this.#sought = null; }, { passive: true });
    this.#scope.listen(this.#jump, "click", () => this.#jumped());
    this.#scope.start(this.#unsure);
    this.#scope.start(this.#speakerNames);
    this.#scope.start(this.#end);
  }

  stop() {
    this.#scope.close();
  }

  /** While true, the initial value, nothing is announced: a loaded history is not new. */
  set isQuiet(value) {
    this.#quiet = value;
  }

  /** Whether lines of the history are still to come, or to be drawn. */
  get isLoading() {
    return this.#quiet || this.#hasWork;
  }

  get #hasWork() {
    return this.#changed.size > 0 || this.#pending.length > 0;
  }

  /** The number of lines that are shown. */
  get length() {
    return this.#shown.size;
  }

  /** Set the target languages and the back ends' offer. */
  show({ targets, offer }) {
    this.#targets = targets;
    this.#offer = offer;
    for (const line of this.#captions.lines) this.update(line);
    this.draw();
  }

  /** A line has changed; `draw()` shows it. */
  update(line) {
    // The engine recognised no word after all: there is nothing to show.
    if (line.final && !line.error && !line.edited && line.text.trim() === "") this.#shown.delete(line.id);
    else {
      if (!this.#end.isFollowing && !this.#shown.has(line.id)) this.#missed.add(line.id);
      this.#shown.add(line.id);
      this.#announceLine(line);
    }
    this.#changed.add(line);
  }

  /** Draw the changed lines: a few before the next paint, many in slices. */
  draw() {
    if (this.#changed.size > 0 && this.#mayDraw()) this.#drawing.wake();
  }

  /** Time has passed: translations that did not arrive are no longer shown as awaited. */
  refresh() {
    for (const { line } of this.#awaited) this.update(line);
    this.draw();
  }

  /** Names may have changed. */
  rename() {
    for (const { line, speaker } of this.#rows.values()) if (speaker.textContent !== this.#nameOf(line)) this.#changed.add(line);
    this.draw();
  }

  clear() {
    for (const all of [this.#rows, this.#shown, this.#changed, this.#awaited, this.#missed, this.#announced, this.#unsure, this.#speakerNames]) all.clear();
    this.#pending = [];
    this.#blocks.clear();
    this.jump();
  }

  jump() {
    this.#sought = null;
    this.#end.jump();
  }

  /**
   * Bring a line into view, and stop following new ones: the reader looks at it. One that waits to be drawn is drawn at
   * once, and stays in view while the others are drawn around it, unless the reader scrolls.
   */
  reveal(id) {
    if (!this.#shown.has(id)) return;
    if (!this.#rows.has(id)) this.#put(this.#captions.get(id));
    this.#sought = this.#hasWork ? id : null;
    this.#end.letGo();
    this.#center(id);
  }

  #center(id) {
    this.#rows.get(id)?.element.scrollIntoView({ block: "center" });
  }

  /** The element with a line's text: `part` is "original" or a target language. Null where it is not drawn. */
  elementOf(id, part) {
    const row = this.#rows.get(id);
    if (row === undefined) return null;
    if (part === "original") return row.said;
    const cell = [...row.read.children].find(({ dataset }) => dataset.language === part && dataset.kind === "text");
    return cell?.lastElementChild ?? null;
  }

  focus() {
    this.#scroll.focus({ preventScroll: true });
  }

  // --- the order of drawing ---------------------------------------------------------------------------------

  #drawn(isDone) {
    if (this.#sought !== null) this.#center(this.#sought);
    if (isDone) this.#sought = null;
    this.#end.followSoon();
    this.#onDrawn();
  }

  /** Draw the next line. False when there is none. */
  #drawOne() {
    if (this.#changed.size > 0) this.#enqueueChanged();
    const line = this.#pending.pop();
    if (line === undefined) return false;
    // A line of the session before.
    if (this.#captions.get(line.id) !== line) return true;
    if (this.#shown.has(line.id)) this.#put(line);
    else this.#remove(line.id);
    return true;
  }

  /** Put the changed lines before those that wait already, the newest first. */
  #enqueueChanged() {
    const changed = this.#changed;
    this.#changed = new Set();
    if (changed.size > MANY) {
      for (const line of this.#pending) changed.add(line);
      this.#pending = this.#captions.lines.filter((line) => changed.has(line));
    } else {
      const inOrder = [...changed].map((line) => [this.#captions.indexOf(line), line]).sort(([one], [other]) => one - other);
      for (const [, line] of inOrder) this.#pending.push(line);
    }
  }

  // --- one line ---------------------------------------------------------------------------------------------

  #put(line) {
    const known = this.#rows.get(line.id);
    const row = known ?? this.#create(line);
    this.#place(line, row);
    setAttribute(row.element, "data-offset", line.offset);
    setAttribute(row.element, "data-revision", line.revision);
    setAttribute(row.element, "data-final", String(line.final));
    setAttribute(row.element, "data-edited", line.edited);
    setAttribute(row.element, "data-gap", line.error ? (line.error.final ? "final" : "kept") : null);
    this.#fillSpeaker(line);
    this.#fillOriginal(line);
    this.#fillTranslations(line);
    this.#onPut(line, row);
  }

  #create(line) {
    const parts = {
      speaker: h("span", { class: "line-speaker", dir: "auto" }),
      meta: h("span", { class: "line-meta" }, h("time", {}), h("span", { "data-part": "language" }), h("span", { "data-part": "corrects" })),
      said: h("div", { class: "line-said", dir: "auto" }),
      // Not read out beside each line: unsure words have theirs when they have the focus.
      confidence: h("span", { class: "line-confidence", "aria-hidden": "true" }),
      read: h("div", { class: "line-read" }),
    };
    const element = h(
      "div",
      { class: "line", role: "listitem", "data-segment": line.id },
      h("div", { class: "line-who" }, parts.speaker, parts.meta),
      h("div", { class: "line-original" }, parts.said, parts.confidence),
      parts.read,
    );
    const row = { line, element, unsure: [], drawn: null, ...parts };
    this.#rows.set(line.id, row);
    return row;
  }

  /** Place a row in the order of the captions. A row in the right place is not moved, so that it keeps the focus. */
  #place(line, row) {
    const lines = this.#captions.lines;
    let index = this.#captions.indexOf(line) + 1;
    while (index < lines.length && !this.#rows.has(lines[index].id)) index += 1;
    const next = index < lines.length ? this.#rows.get(lines[index].id).element : null;
    this.#blocks.place(row.element, next);
  }

  #remove(id) {
    const row = this.#rows.get(id);
    if (!row) return;
    this.#blocks.remove(row.element);
    this.#rows.delete(id);
    this.#missed.delete(id);
    this.#awaited.delete(row);
    this.#unsure.removed(row, this.#captions.indexOf(row.line));
  }

  #fillSpeaker(line) {
    const { speaker, meta } = this.#rows.get(line.id);
    this.#speakerNames.fill(speaker, line, this.#nameOf(line));
    setAttribute(speaker, "data-speaker", (this.#captions.speakerNumber(line) % COLOURS) + 1);
    const time = meta.querySelector("time");
    setText(time, clockTime(line.at / 1000));
    setAttribute(time, "datetime", new Date(line.at).toISOString());
    const language = meta.querySelector('[data-part="language"]');
    setText(language, line.language ? ` · ${line.language}` : "");
    setAttribute(language, "title", line.language ? this.#texts.languageName(line.language) : null);
    setText(meta.querySelector('[data-part="corrects"]'), line.edited === "corrected" ? this.#aside("line.corrected_by_host") : line.corrects ? this.#aside("line.corrected") : "");
  }

  /**
   * A revision's text does not change: a drawn one stays, with its focus and selection. What may still change of a
   * growing line is paler.
   */
  #fillOriginal(line) {
    const row = this.#rows.get(line.id);
    const { said, confidence } = row;
    const drawn = JSON.stringify([line.revision, line.final, line.language, line.error, line.edited && line.offset]);
    if (row.drawn === drawn) return;
    row.drawn = drawn;
    const { language } = this.#texts;
    setAttribute(said, "lang", line.language);
    const had = row.unsure.length;
    row.unsure = [];
    if (line.error) said.replaceChildren(h("p", { class: "gap", lang: language }, gap(line, this.#texts)));
    else if (line.edited === "deleted") said.replaceChildren(h("p", { class: "deleted", lang: language }, this.#texts.text("line.deleted")));
    else if (!line.final) {
      const [settled, growing] = settledPart(line.text, line.settled);
      said.replaceChildren(h("p", { class: "revision" }, settled, h("span", { class: "growing" }, growing)));
    } else {
      const parts = pieces(line);
      const isPlain = had === 0 && said.firstElementChild?.className === "" && parts.every((piece) => piece.confidence === null);
      if (isPlain) setText(said.firstElementChild, line.text);
      else said.replaceChildren(h("p", {}, ...parts.map((piece) => (piece.confidence === null ? piece.text : this.#unsureWord(row, piece)))));
    }
    if (had > 0 || row.unsure.length > 0) this.#unsure.filled(row);
    setText(confidence, line.final && !line.error && typeof line.confidence === "number" ? this.#texts.confidence(line.confidence) : "");
    setAttribute(confidence, "title", this.#texts.text("talk.confidence"));
  }

  /** A remark beside a line. */
  #aside(key) {
    return ` · ${this.#texts.text(key)}`;
  }

  #unsureWord(row, piece) {
    const element = unsureWord(piece, this.#texts);
    row.unsure.push(element);
    return element;
  }

  #fillTranslations(line) {
    const row = this.#rows.get(line.id);
    const { read } = row;
    const targets = shownLanguages(line, this.#targets, { isOfferKnown: this.#offer !== null });
    const cells = targets
      .map((target) => ({ target, ...translated(line, target, { offer: this.#offer, now: this.#now(), texts: this.#texts }) }))
      .filter(({ kind, text }) => kind !== "none" || text !== "")
      // Beside a translation "as spoken" adds nothing.
      .filter((cell, index, all) => cell.kind !== "same" || (index === 0 && all.every(({ kind }) => kind === "same")));
    if (line.final && cells.some(({ kind }) => kind === "waiting" || kind === "growing")) this.#awaited.add(row);
    else this.#awaited.delete(row);
    setAttribute(row.element, "data-translated", cells.some(({ kind }) => kind === "text" || kind === "growing" || kind === "waiting"));
    const shown = new Map([...read.children].map((child) => [child.dataset.language, child]));
    for (const { target, kind, text, corrects = false } of cells) {
      const old = shown.get(target);
      shown.delete(target);
      const element = old ?? h("p", { "data-language": target }, h("span", { class: "read-language", dir: "auto" }), h("span", { "data-part": "text" }), h("small", { class: "menu-way", "data-part": "corrects" }));
      setAttribute(element, "data-kind", kind);
      // Without a letter it would stand at the left in every page.
      setAttribute(element, "dir", kind === "waiting" ? null : "auto");
      const [tag, body, note] = element.children;
      setText(note, corrects ? this.#aside("line.corrected") : "");
      setText(tag, `${this.#texts.languageName(target)}: `);
      setAttribute(tag, "class", this.#targets.length === 1 ? "read-language visually-hidden" : "read-language");
      setText(body, text);
      setAttribute(body, "lang", kind === "text" || kind === "growing" ? target : null);
      if (kind === "waiting") setAttribute(body, "aria-label", this.#texts.text("talk.to_come"));
      else setAttribute(body, "aria-label", null);
      setAttribute(body, "role", kind === "waiting" ? "img" : null);
      if (!old) read.append(element);
    }
    for (const gone of shown.values()) gone.remove();
  }

  // --- following --------------------------------------------------------------------------------------------

  #jumped() {
    this.jump();
    this.focus();
  }

  #moved() {
    if (this.#end.isFollowing) this.#missed.clear();
    this.#showJump();
  }

  #showJump() {
    this.#jump.hidden = this.#end.isFollowing;
    setAttribute(this.#scroll, "data-following", this.#end.isFollowing);
    const count = this.#missed.size;
    setText(this.#jump, count === 0 ? this.#texts.text("talk.jump") : this.#texts.text("talk.jump_new", { count }));
  }

  // --- screen readers ---------------------------------------------------------------------------------------

  /** Announce a final line once, in the language that is read: the original, or the translation once it is there. */
  #announceLine(line) {
    if (this.#announced.has(line.id) || !line.final || line.edited === "deleted") return;
    const text = this.#announcement(line);
    if (text === null) return;
    this.#announced.add(line.id);
    // The reader's own words are not announced: the microphone would capture them again.
    if (this.#quiet || this.#isOwn(line)) return;
    while (this.#announce.children.length >= ANNOUNCED) this.#announce.firstElementChild.remove();
    this.#announce.append(h("p", { lang: text.language, dir: "auto" }, h("span", { lang: this.#texts.language, dir: "auto" }, `${this.#nameOf(line)}: `), text.words));
  }

  #announcement(line) {
    if (line.error) return { language: this.#texts.language, words: gap(line, this.#texts) };
    const cells = this.#targets.map((target) => ({ target, ...translated(line, target, { offer: this.#offer, now: this.#now(), texts: this.#texts }) }));
    if (cells.length === 0 || cells.some(({ kind }) => kind === "same")) return { language: line.language, words: line.text };
    const there = cells.find(({ kind }) => kind === "text");
    if (there) return { language: there.target, words: there.text };
    return cells.some(({ kind }) => kind === "waiting" || kind === "growing") ? null : { language: line.language, words: line.text };
  }
}
