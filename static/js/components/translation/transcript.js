/**
 * The transcript: each line of models/captions.js as spoken and as read, growing in place.
 *
 * It follows what is said as long as its end is in sight; who scrolls up stays where they are and is told how much
 * came since. Final lines alone are announced.
 *
 * Thousands of lines are drawn in slices, the newest first. What a line costs does not depend on how many there are.
 */

import { pieces } from "../../models/confidence.js";
import { languageName } from "../../models/languages.js";
import { clockTime } from "../../models/time-format.js";
import { gap, translated } from "../../models/translation-text.js";
import { h, setAttribute, setText } from "../dom.js";
import { Scope } from "../scope.js";
import { SlicedTask } from "../sliced-task.js";
import { RowBlocks } from "./row-blocks.js";
import { UnsureWords, unsureWord } from "./unsure-words.js";

/** Nearer to the end than this (px) counts as at the end. */
const NEAR = 56;
/** Announcements kept for a screen reader that is still reading. */
const ANNOUNCED = 4;
/** More lines than this that have changed at once are put in order once, not one by one. */
const MANY = 50;
/** Colours of speakers; then they begin again, the name tells them apart. */
const COLOURS = 6;

/** Lines that a window has room for, about: of a history these are drawn at once. */
const SEEN = 24;

export class Transcript {
  #scope = new Scope();
  #captions;
  #list;
  #blocks;
  #scroll;
  #jump;
  #announce;
  #rows = new Map();
  /** Ids of the lines that are shown, or will be when their turn comes. */
  #shown = new Set();
  /** Lines that have changed since they were drawn; and those whose turn it is, the next one last. */
  #changed = new Set();
  #turns = [];
  #drawing = new SlicedTask(() => this.#drawOne(), { after: () => this.#scheduleFollow(), first: SEEN });
  #unsure;
  /** Rows that promise a translation. */
  #promised = new Set();
  #targets = [];
  #offer = null;
  #nameOf;
  #now;
  #isOwn;
  #mayDraw;
  #isFollowing = true;
  #top = 0;
  #height = 0;
  #missed = new Set();
  #announced = new Set();
  #frame = null;
  #quiet = true;
  #resize;

  /**
   * Elements; `nameOf(line)` is who spoke; `isOwn(line)`: whether the reader said it; `now()`: the service's time,
   * epoch ms.
   */
  constructor({ captions, list, scroll, jump, announce, nameOf, isOwn, now, mayDraw = () => true }) {
    this.#mayDraw = mayDraw;
    this.#captions = captions;
    this.#list = list;
    this.#blocks = new RowBlocks(list);
    this.#scroll = scroll;
    this.#jump = jump;
    this.#announce = announce;
    this.#nameOf = nameOf;
    this.#isOwn = isOwn;
    this.#now = now;
    this.#unsure = new UnsureWords({ scroll, captions, rowOf: ({ id }) => this.#rows.get(id) });
    this.#resize = new ResizeObserver(() => this.#follow());
  }

  start() {
    if (!this.#scope.open()) return;
    this.#scope.listen(this.#scroll, "scroll", () => this.#scrolled(), { passive: true });
    this.#scope.listen(this.#jump, "click", () => this.#jumped());
    this.#scope.start(this.#unsure);
    this.#resize.observe(this.#scroll);
    this.#resize.observe(this.#list);
    this.#scope.defer(() => {
      this.#resize.disconnect();
      cancelAnimationFrame(this.#frame);
      this.#frame = null;
    });
  }

  stop() {
    this.#scope.close();
  }

  /** Until told otherwise nothing is announced: a history that is read in is not news. */
  set isQuiet(value) {
    this.#quiet = value;
  }

  /** How many lines there are to see. */
  get length() {
    return this.#shown.size;
  }

  /** What the reader reads in, and what the back ends offer. */
  show({ targets, offer }) {
    this.#targets = targets;
    this.#offer = offer;
    for (const line of this.#captions.lines) this.update(line);
    this.draw();
  }

  /** A line has changed; `draw()` shows it. */
  update(line) {
    // The engine heard no word after all: there is nothing to show.
    if (line.final && !line.error && line.text.trim() === "") this.#shown.delete(line.id);
    else {
      if (!this.#isFollowing && !this.#shown.has(line.id)) this.#missed.add(line.id);
      this.#shown.add(line.id);
      this.#tell(line);
    }
    this.#changed.add(line);
  }

  /** Show what has changed: what is little before the next paint, what is much in slices. */
  draw() {
    if (this.#changed.size > 0 && this.#mayDraw()) this.#drawing.wake();
  }

  /** Time has passed: translations that did not come are no longer promised. */
  refresh() {
    for (const { line } of this.#promised) this.update(line);
    this.draw();
  }

  /** Names may have changed. */
  rename() {
    for (const { line, speaker } of this.#rows.values()) if (speaker.textContent !== this.#nameOf(line)) this.#changed.add(line);
    this.draw();
  }

  clear() {
    for (const all of [this.#rows, this.#shown, this.#changed, this.#promised, this.#missed, this.#announced, this.#unsure]) all.clear();
    this.#turns = [];
    this.#blocks.clear();
    this.#isFollowing = true;
    this.#showJump();
  }

  jump() {
    this.#isFollowing = true;
    this.#missed.clear();
    this.#follow();
  }

  // --- whose turn it is -------------------------------------------------------------------------------------

  /** Draw the next line. False when there is none. */
  #drawOne() {
    if (this.#changed.size > 0) this.#line();
    const line = this.#turns.pop();
    if (line === undefined) return false;
    // Another session's, of before.
    if (this.#captions.get(line.id) !== line) return true;
    if (this.#shown.has(line.id)) this.#put(line);
    else this.#remove(line.id);
    return true;
  }

  /** Give what has changed its turn: the newest first, and before those that wait already. */
  #line() {
    const changed = this.#changed;
    this.#changed = new Set();
    if (changed.size > MANY) {
      for (const line of this.#turns) changed.add(line);
      this.#turns = this.#captions.lines.filter((line) => changed.has(line));
    } else {
      const inOrder = [...changed].map((line) => [this.#captions.indexOf(line), line]).sort(([one], [other]) => one - other);
      for (const [, line] of inOrder) this.#turns.push(line);
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
    setAttribute(row.element, "data-gap", line.error ? (line.error.final ? "final" : "kept") : null);
    this.#fillWho(line);
    this.#fillSaid(line);
    this.#fillRead(line);
  }

  #create(line) {
    const parts = {
      speaker: h("span", { class: "line-speaker", dir: "auto" }),
      meta: h("span", { class: "line-meta" }, h("time", {}), h("span", { "data-part": "language" })),
      said: h("div", { class: "line-said", dir: "auto" }),
      // Beside each line it is to be seen and not to be read out: unsure words say theirs when they have the focus.
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

  /** In the order of the captions; an element that stands right is not moved, so that nothing in it loses focus. */
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
    this.#promised.delete(row);
    this.#unsure.removed(row, this.#captions.indexOf(row.line));
  }

  #fillWho(line) {
    const { speaker, meta } = this.#rows.get(line.id);
    setText(speaker, this.#nameOf(line));
    setAttribute(speaker, "data-speaker", (this.#captions.speakerNumber(line) % COLOURS) + 1);
    const time = meta.querySelector("time");
    setText(time, clockTime(line.at / 1000));
    setAttribute(time, "datetime", new Date(line.at).toISOString());
    const language = meta.querySelector('[data-part="language"]');
    setText(language, line.language ? ` · ${line.language}` : "");
    setAttribute(language, "title", line.language ? languageName(line.language) : null);
  }

  /** A revision's words do not change: what is drawn stays, and with it focus and selection. */
  #fillSaid(line) {
    const row = this.#rows.get(line.id);
    const { said, confidence } = row;
    const drawn = JSON.stringify([line.revision, line.final, line.language, line.error]);
    if (row.drawn === drawn) return;
    row.drawn = drawn;
    setAttribute(said, "lang", line.language);
    const had = row.unsure.length;
    row.unsure = [];
    if (line.error) said.replaceChildren(h("p", { class: "gap", lang: "en" }, gap(line)));
    else {
      const parts = line.final ? pieces(line) : [{ text: line.text, confidence: null }];
      const isPlain = had === 0 && said.firstElementChild?.className === "" && parts.every((piece) => piece.confidence === null);
      if (isPlain) setText(said.firstElementChild, line.text);
      else said.replaceChildren(h("p", {}, ...parts.map((piece) => (piece.confidence === null ? piece.text : this.#unsureWord(row, piece)))));
    }
    if (had > 0 || row.unsure.length > 0) this.#unsure.filled(row);
    setText(confidence, line.final && !line.error && typeof line.confidence === "number" ? line.confidence.toFixed(2) : "");
    setAttribute(confidence, "title", "How sure the speech engine is, from 0 to 1");
  }

  #unsureWord(row, piece) {
    const element = unsureWord(piece);
    row.unsure.push(element);
    return element;
  }

  #fillRead(line) {
    const row = this.#rows.get(line.id);
    const { read } = row;
    const targets = this.#targets.length > 0 ? this.#targets : [...line.translations.keys()];
    const cells = targets
      .map((target) => ({ target, ...translated(line, target, { offer: this.#offer, now: this.#now() }) }))
      .filter(({ kind, text }) => kind !== "none" || text !== "")
      // Beside a real translation "as spoken" is no news.
      .filter((cell, index, all) => cell.kind !== "same" || (index === 0 && all.every(({ kind }) => kind === "same")));
    if (line.final && cells.some(({ kind }) => kind === "waiting")) this.#promised.add(row);
    else this.#promised.delete(row);
    const shown = new Map([...read.children].map((child) => [child.dataset.language, child]));
    for (const { target, kind, text } of cells) {
      const old = shown.get(target);
      shown.delete(target);
      const element = old ?? h("p", { "data-language": target, dir: "auto" }, h("span", { class: "read-language", dir: "ltr" }), h("span", { "data-part": "text" }));
      setAttribute(element, "data-kind", kind);
      const [tag, body] = element.children;
      setText(tag, `${languageName(target)}: `);
      setAttribute(tag, "class", this.#targets.length === 1 ? "read-language visually-hidden" : "read-language");
      setText(body, text);
      setAttribute(body, "lang", kind === "text" ? target : null);
      if (kind === "waiting") setAttribute(body, "aria-label", "translation to come");
      else setAttribute(body, "aria-label", null);
      setAttribute(body, "role", kind === "waiting" ? "img" : null);
      if (!old) read.append(element);
    }
    for (const gone of shown.values()) gone.remove();
  }

  // --- following --------------------------------------------------------------------------------------------

  /** Only the reader scrolls up; what grows below does not end the following. */
  #scrolled() {
    const { scrollHeight, scrollTop, clientHeight } = this.#scroll;
    // Where what is above became lower, the browser moved the place: that was nobody's wish.
    const isUp = scrollTop < this.#top - 1 && scrollHeight === this.#height;
    if (this.#isFollowing && scrollHeight !== this.#height) this.#scheduleFollow();
    this.#top = scrollTop;
    this.#height = scrollHeight;
    this.#isFollowing = scrollHeight - scrollTop - clientHeight < NEAR || (this.#isFollowing && !isUp);
    if (this.#isFollowing) this.#missed.clear();
    this.#showJump();
  }

  #jumped() {
    this.jump();
    this.#scroll.focus({ preventScroll: true });
  }

  #scheduleFollow() {
    if (this.#frame !== null) return;
    this.#frame = requestAnimationFrame(() => {
      this.#frame = null;
      this.#follow();
    });
  }

  #follow() {
    if (this.#isFollowing) {
      this.#scroll.scrollTop = this.#scroll.scrollHeight;
      this.#top = this.#scroll.scrollTop;
      this.#height = this.#scroll.scrollHeight;
    }
    this.#showJump();
  }

  #showJump() {
    this.#jump.hidden = this.#isFollowing;
    setAttribute(this.#scroll, "data-following", this.#isFollowing);
    const count = this.#missed.size;
    setText(this.#jump, count === 0 ? "Jump to now" : `Jump to now · ${count} new`);
  }

  // --- screen readers ---------------------------------------------------------------------------------------

  /** Say a final once, in the language that is read: the original, or the translation when it is there. */
  #tell(line) {
    if (this.#announced.has(line.id) || !line.final) return;
    const text = this.#announcement(line);
    if (text === null) return;
    this.#announced.add(line.id);
    // What one has said oneself is no news, and read out it would go into the microphone.
    if (this.#quiet || this.#isOwn(line)) return;
    while (this.#announce.children.length >= ANNOUNCED) this.#announce.firstElementChild.remove();
    this.#announce.append(h("p", { lang: text.language, dir: "auto" }, h("span", { lang: "en", dir: "auto" }, `${this.#nameOf(line)}: `), text.words));
  }

  #announcement(line) {
    if (line.error) return { language: "en", words: gap(line) };
    const cells = this.#targets.map((target) => ({ target, ...translated(line, target, { offer: this.#offer, now: this.#now() }) }));
    if (cells.length === 0 || cells.some(({ kind }) => kind === "same")) return { language: line.language, words: line.text };
    const there = cells.find(({ kind }) => kind === "text");
    if (there) return { language: there.target, words: there.text };
    return cells.some(({ kind }) => kind === "waiting") ? null : { language: line.language, words: line.text };
  }
}
