/**
 * Lines as subtitles: at most two rows a language, wrapped, each for its share of the time. Pure.
 *
 * The same rules as the service's own export (orch/speech/cues.py): a row has 42 columns at most. A line that needs
 * more than two rows becomes several cues; they change where the engine says the word begins, else in proportion to
 * the letters. Times are whole milliseconds.
 */

import { COLUMNS, Pieces, clusters, flat, pairs, parts, width, words, wrap } from "./text-rows.js";

export { flat, parts, width, wrap };

const ROWS = 2;
/** Columns of a short text that a cue is given at least. */
const SHARE = 8;
/** Columns that a name takes at most, with its colon. */
const NAME = 26;
/** Cues that are carried on while others begin; with more, those that are there longest end. */
const AT_ONCE = 16;
/** While several speak, nothing changes for less than this (ms): who reads would have to find the place again. */
const SHORT = 1_500;

/** To the nearest whole number, halves to the even one, as the service rounds. */
export function round(value) {
  const floor = Math.floor(value);
  if (value - floor !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}

const sum = (numbers) => numbers.reduce((total, number) => total + number, 0);

/**
 * A line's cues: [{start, end, texts: [[row]], speaker}]. `line` has start, end (ms), stream (ms, where its stream
 * began), original, words, speaker; `texts` is what is shown of it; `name` is who speaks, as the first row says it.
 * There are as many cues as the text that needs most of them has; a shorter one is spread over them, but not into
 * single words.
 */
export function cues(line, texts, { name = "" } = {}) {
  const laid = texts.map((text, index) => lay(text, index === 0 ? name : "", line));
  const count = Math.max(...laid.map((text) => text.parts.length));
  const leading = laid.findIndex((text) => text.parts.length === count);
  const { pieces, parts: leadingParts } = laid[leading];
  const at = changes(line, leadingParts.map(([start, stop]) => pieces.text(start, stop)), leading === 0);
  const spread = laid.map((text) => over(text, count));
  return Array.from({ length: count }, (_, index) => ({
    start: at[index],
    end: at[index + 1],
    texts: spread.map((text) => text[index]).filter((rows) => rows.length > 0),
    speaker: line.speaker,
  })).filter(({ texts: shown }) => shown.length > 0);
}

/** Whether no part has more rows than it may. */
function fit(pieces, all, lead) {
  return all.every(([start, stop], index) => pieces.rows(start, stop, { lead: index === 0 ? lead : 0 }).length <= ROWS + 1);
}

/** A text in as many parts as it needs cues; `name` stands before the first. */
function lay(text, name, line) {
  const found = Pieces.of(text);
  const before = short(name);
  const lead = name === "" ? 0 : width(before) + 1;
  const most = line.end - line.start;
  let count = Math.max(1, Math.floor((lead + found.ends.at(-1)) / (COLUMNS * ROWS)));
  for (;;) {
    count = Math.min(count, most);
    const cut = found.finer(count);
    const all = pairs(cut.divided(count, lead));
    if (count >= most || fit(cut, all, lead)) return { pieces: cut, name: before, lead, parts: all };
    // By a share of what there is: a long text is tried a few times, not once for each cue.
    count += 1 + Math.floor(count / 16);
  }
}

/** The rows that the text has in each of so many cues, in some of them perhaps none. */
function over({ pieces: whole, name, lead, parts: few }, count) {
  const most = Math.min(count, Math.floor((lead + whole.ends.at(-1)) / Math.max(SHARE, 2 * lead)));
  let [pieces, all] = [whole, few];
  if (few.length < most) {
    const finer = whole.finer(most);
    const more = pairs(finer.divided(most, lead));
    if (fit(finer, more, lead)) [pieces, all] = [finer, more];
  }
  const found = Array.from({ length: count }, () => []);
  for (const [index, [start, stop]] of all.entries()) {
    const shown = pairs(pieces.rows(start, stop, { lead: index === 0 ? lead : 0 })).map(([from, to]) => pieces.text(from, to));
    if (index === 0 && name !== "") shown.splice(0, 1, `${name} ${shown[0] ?? ""}`.trimEnd());
    found[Math.floor((index * count) / all.length)] = shown;
  }
  return found;
}

/** A name that leaves room for the text. */
function short(name) {
  if (width(name) <= NAME) return name;
  const shown = [];
  let taken = 0;
  for (const cluster of clusters(name)) {
    taken += width(cluster);
    if (taken > NAME - 2) break;
    shown.push(cluster);
  }
  return `${shown.join("").trimEnd()}…:`;
}

/** When each part begins, and when the last one ends; each at least 1 ms after the one before. */
function changes(line, divided, isOriginal) {
  const count = divided.length;
  const length = line.end - line.start;
  const widths = divided.map((part) => Math.max(1, width(part)));
  const total = sum(widths);
  let soFar = 0;
  const at = [0, ...widths].map((one) => line.start + round((length * (soFar += one)) / total));
  const written = divided.map((part) => words(part).length);
  if (isOriginal && sum(written) === line.words.length && divided.join(" ") === line.original) {
    let first = 0;
    for (let index = 1; index < count; index += 1) {
      first += written[index - 1];
      at[index] = line.stream + round(line.words[first].start * 1000);
    }
  }
  for (let index = 1; index < count; index += 1) at[index] = Math.min(Math.max(at[index], at[index - 1] + 1), line.end - (count - index));
  return at;
}

/**
 * Cues that do not overlap: players of SubRip stack those that do in any order, or drop one. While two people
 * speak, one cue has the rows of both, each begun by a dash. Who stops or starts changes the cue, unless that would
 * last less than SHORT: then rows are there so much earlier or later.
 */
export function apart(overlapping) {
  const waiting = [...overlapping].sort((a, b) => a.start - b.start);
  const moments = [...new Set(waiting.flatMap(({ start, end }) => [start, end]))].sort((a, b) => a - b);
  const spans = [];
  let active = [];
  let position = 0;
  for (let index = 0; index + 1 < moments.length; index += 1) {
    const [start, end] = [moments[index], moments[index + 1]];
    while (position < waiting.length && waiting[position].start <= start) active.push(waiting[position++]);
    // Each cue stands at least from its own start; only then may it be one too many.
    const carried = active.filter((cue) => cue.start < start && cue.end > start);
    active = [...carried.slice(-AT_ONCE), ...active.filter((cue) => cue.start === start)];
    if (active.length > 0) spans.push({ start, end, cues: [...active] });
  }
  return steady(spans).map(({ start, end, cues: shown }) =>
    shown.length === 1 ? { ...shown[0], start, end } : { start, end, texts: shown.map(({ texts }) => dashed(texts.flat())), speaker: null },
  );
}

/**
 * The spans without those, next to one of several cues, that are too short to be read. A short one becomes part of
 * the one before, or else of the one after it, where these show all it does; no cue is lost by that. However many
 * short ones follow each other, a span is prolonged by less than SHORT in all.
 */
function steady(spans) {
  const out = [];
  let early = null;
  let ownEnd = 0; // of the last of them, before short ones became part of it
  for (const [index, given] of spans.entries()) {
    const span = early === null ? given : { ...given, start: early };
    early = null;
    const before = out.at(-1)?.end === span.start ? out.at(-1) : null;
    const after = spans[index + 1]?.start === span.end ? spans[index + 1] : null;
    const isShort = span.end - span.start < SHORT;
    const isShared = (other) => Math.max(span.cues.length, other.cues.length) > 1;
    if (span.end - ownEnd < SHORT && before !== null && isShared(before) && span.cues.every((cue) => before.cues.includes(cue))) out.splice(-1, 1, { ...before, end: span.end });
    else if (isShort && after !== null && isShared(after) && span.cues.every((cue) => after.cues.includes(cue) || before?.cues.includes(cue))) early = span.start;
    else {
      out.push(span);
      ownEnd = span.end;
    }
  }
  return out;
}

const dashed = (rows) => rows.map((row, index) => (index === 0 ? `- ${row}` : row));
