/**
 * The transcript: each line of models/captions.js as spoken and as read, growing in place.
 *
 * It follows what is said as long as its end is in sight; who scrolls up stays where they are and is told how much
 * came since. Final lines alone are announced.
 */

import { pieces } from "../../models/confidence.js";
import { languageName } from "../../models/languages.js";
import { clockTime } from "../../models/times.js";
import { gap, translated } from "../../models/translation-words.js";
import { h, setAttribute, setText } from "../dom.js";

/** Nearer to the end than this (px) counts as at the end. */
const NEAR = 56;
/** Announcements kept for a screen reader that is still reading. */
const ANNOUNCED = 4;
/** Colours of speakers; then they begin again, the name tells them apart. */
const COLOURS = 6;

export class Transcript {
  #captions;
  #list;
  #scroll;
  #jump;
  #announce;
  #rows = new Map();
  #targets = [];
  #offer = null;
  #nameOf;
  #onCount;
  #now;
  #isFollowing = true;
  #missed = new Set();
  #announced = new Set();
  #frame = null;
  #quiet = true;
  #resize;

  /** Elements; `nameOf(line)` is who spoke; `onCount()` is called when the number of lines may have changed; `now()`: the service's time, epoch ms. */
  constructor({ captions, list, scroll, jump, announce, nameOf, onCount, now }) {
    this.#captions = captions;
    this.#list = list;
    this.#scroll = scroll;
    this.#jump = jump;
    this.#announce = announce;
    this.#nameOf = nameOf;
    this.#onCount = onCount;
    this.#now = now;
    this.#resize = new ResizeObserver(() => this.#follow());
  }

  start() {
    this.#scroll.addEventListener("scroll", this.#scrolled, { passive: true });
    this.#scroll.addEventListener("keydown", this.#keys);
    this.#jump.addEventListener("click", this.#jumped);
    this.#resize.observe(this.#scroll);
    this.#resize.observe(this.#list);
  }

  stop() {
    this.#scroll.removeEventListener("scroll", this.#scrolled);
    this.#scroll.removeEventListener("keydown", this.#keys);
    this.#jump.removeEventListener("click", this.#jumped);
    this.#resize.disconnect();
    cancelAnimationFrame(this.#frame);
  }

  /** Until told otherwise nothing is announced: a history that is read in is not news. */
  set isQuiet(value) {
    this.#quiet = value;
  }

  get length() {
    return this.#rows.size;
  }

  /** What the reader reads in, and what the back ends offer. */
  show({ targets, offer }) {
    this.#targets = targets;
    this.#offer = offer;
    for (const line of this.#captions.lines) this.update(line);
  }

  /** A line has changed. */
  update(line) {
    // The engine heard no word after all: there is nothing to show.
    if (line.final && !line.error && line.text.trim() === "") this.#remove(line.id);
    else this.#put(line);
    this.#onCount();
    this.#scheduleFollow();
  }

  /** Time has passed: translations that did not come are no longer promised. */
  refresh() {
    for (const { line } of this.#rows.values()) if (line.final && !line.error) this.#fillRead(line);
  }

  /** Names may have changed. */
  rename() {
    for (const { line } of this.#rows.values()) this.#fillWho(line);
  }

  clear() {
    for (const id of [...this.#rows.keys()]) this.#remove(id);
    this.#announced.clear();
    this.#onCount();
  }

  jump() {
    this.#isFollowing = true;
    this.#missed.clear();
    this.#scroll.scrollTop = this.#scroll.scrollHeight;
    this.#showJump();
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
    if (!this.#isFollowing && !known) this.#missed.add(line.id);
    this.#tell(line);
  }

  #create(line) {
    const parts = {
      speaker: h("span", { class: "line-speaker" }),
      meta: h("span", { class: "line-meta" }, h("time", {}), h("span", { "data-part": "language" })),
      said: h("div", { class: "line-said" }),
      confidence: h("span", { class: "line-confidence" }),
      read: h("div", { class: "line-read" }),
    };
    const element = h(
      "li",
      { class: "line", "data-segment": line.id },
      h("div", { class: "line-who" }, parts.speaker, parts.meta),
      h("div", { class: "line-original" }, parts.said, parts.confidence),
      parts.read,
    );
    const row = { line, element, ...parts };
    this.#rows.set(line.id, row);
    return row;
  }

  /** In the order of the captions; an element that stands right is not moved, so that nothing in it loses focus. */
  #place(line, row) {
    const lines = this.#captions.lines;
    let next = null;
    for (let index = lines.length - 1; index >= 0 && lines[index] !== line; index -= 1) {
      next = this.#rows.get(lines[index].id)?.element ?? next;
    }
    if (row.element.parentNode !== this.#list || row.element.nextElementSibling !== next) this.#list.insertBefore(row.element, next);
  }

  #remove(id) {
    const row = this.#rows.get(id);
    if (!row) return;
    row.element.remove();
    this.#rows.delete(id);
    this.#missed.delete(id);
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

  #fillSaid(line) {
    const { said, confidence } = this.#rows.get(line.id);
    setAttribute(said, "lang", line.language);
    if (line.error) {
      said.replaceChildren(h("p", { class: "gap", lang: "en" }, gap(line)));
      setText(confidence, "");
      return;
    }
    const parts = line.final ? pieces(line) : [{ text: line.text, confidence: null }];
    const isPlain = parts.every((piece) => piece.confidence === null);
    const p = said.firstElementChild?.tagName === "P" && !said.querySelector(".gap, .unsure") ? said.firstElementChild : h("p");
    if (p.parentNode !== said) said.replaceChildren(p);
    if (isPlain) setText(p, line.text);
    else p.replaceChildren(...parts.map((piece) => (piece.confidence === null ? piece.text : unsure(piece))));
    if (!isPlain) this.#rove();
    setText(confidence, line.final && typeof line.confidence === "number" ? line.confidence.toFixed(2) : "");
    setAttribute(confidence, "title", "How sure the speech engine is, from 0 to 1");
  }

  #fillRead(line) {
    const { read } = this.#rows.get(line.id);
    const targets = this.#targets.length > 0 ? this.#targets : [...line.translations.keys()];
    const cells = targets
      .map((target) => ({ target, ...translated(line, target, { offer: this.#offer, now: this.#now() }) }))
      .filter(({ kind, text }) => kind !== "none" || text !== "")
      // Beside a real translation "as spoken" is no news.
      .filter((cell, index, all) => cell.kind !== "same" || (index === 0 && all.every(({ kind }) => kind === "same")));
    const shown = new Map([...read.children].map((child) => [child.dataset.language, child]));
    for (const { target, kind, text } of cells) {
      const old = shown.get(target);
      shown.delete(target);
      const element = old ?? h("p", { "data-language": target }, h("span", { class: "read-language" }), h("span", { "data-part": "text" }));
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

  #scrolled = () => {
    const rest = this.#scroll.scrollHeight - this.#scroll.scrollTop - this.#scroll.clientHeight;
    this.#isFollowing = rest < NEAR;
    if (this.#isFollowing) this.#missed.clear();
    this.#showJump();
  };

  #jumped = () => {
    this.jump();
    this.#scroll.focus({ preventScroll: true });
  };

  #scheduleFollow() {
    if (this.#frame !== null) return;
    this.#frame = requestAnimationFrame(() => {
      this.#frame = null;
      this.#follow();
    });
  }

  #follow() {
    if (this.#isFollowing) this.#scroll.scrollTop = this.#scroll.scrollHeight;
    this.#showJump();
  }

  #showJump() {
    this.#jump.hidden = this.#isFollowing;
    const count = this.#missed.size;
    setText(this.#jump, count === 0 ? "Jump to now" : `Jump to now · ${count} new`);
  }

  // --- unsure words -----------------------------------------------------------------------------------------

  /** One of all unsure words is in the tab order, the last; arrows go from there. */
  #rove(to = null) {
    const all = [...this.#list.querySelectorAll(".unsure")];
    const current = to ?? all.find((element) => element === document.activeElement) ?? all.at(-1);
    for (const element of all) setAttribute(element, "tabindex", element === current ? "0" : "-1");
    return all;
  }

  #keys = (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (step === undefined || event.altKey || event.ctrlKey || event.metaKey) return;
    const all = this.#rove();
    const index = all.indexOf(document.activeElement);
    const next = index < 0 ? all.at(-1) : all[index + step];
    if (!next) return;
    event.preventDefault();
    this.#rove(next);
    next.focus();
  };

  // --- screen readers ---------------------------------------------------------------------------------------

  /** Say a final once, in the language that is read: the original, or the translation when it is there. */
  #tell(line) {
    if (this.#announced.has(line.id) || !line.final) return;
    const text = this.#announcement(line);
    if (text === null) return;
    this.#announced.add(line.id);
    if (this.#quiet) return;
    while (this.#announce.children.length >= ANNOUNCED) this.#announce.firstElementChild.remove();
    this.#announce.append(h("p", { lang: text.language }, h("span", { lang: "en" }, `${this.#nameOf(line)}: `), text.words));
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

function unsure({ text, confidence }) {
  const number = confidence.toFixed(2);
  return h(
    "span",
    { class: "unsure", tabindex: "-1", "data-confidence": number },
    text,
    h("span", { class: "visually-hidden", lang: "en" }, ` (confidence ${number})`),
  );
}
