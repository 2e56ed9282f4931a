/**
 * Lines as subtitles: at most two rows a language, wrapped, each for its share of the time. Pure.
 *
 * The same rules as the service's own export (orch/speech/cues.py): a row has 42 columns at most, letters of East
 * Asian width take two. A line that needs more than two rows becomes several cues; they change where the engine
 * says the word begins, else in proportion to the letters. Times are whole milliseconds.
 */

const COLUMNS = 42;
const ROWS = 2;

/** Code points that take two columns (Unicode's East Asian Width W and F, by blocks). */
const WIDE = [
  [0x1100, 0x115f], [0x2e80, 0x303e], [0x3041, 0x33ff], [0x3400, 0x4dbf], [0x4e00, 0xa4cf], [0xa960, 0xa97f], [0xac00, 0xd7a3],
  [0xf900, 0xfaff], [0xfe10, 0xfe19], [0xfe30, 0xfe6f], [0xff01, 0xff60], [0xffe0, 0xffe6], [0x1f300, 0x1f64f], [0x1f680, 0x1f6ff],
  [0x1f900, 0x1f9ff], [0x20000, 0x3fffd],
];
const COMBINING = /^\p{Mn}$/u;

/** Text on one row. */
export function flat(text) {
  return text.replace(/\s+/gu, " ").trim();
}

/** To the nearest whole number, halves to the even one, as the service rounds. */
export function round(value) {
  const floor = Math.floor(value);
  if (value - floor !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}

const sum = (numbers) => numbers.reduce((total, number) => total + number, 0);
const split = (text) => text.split(/\s+/u).filter((word) => word !== "");

/** The columns that text takes. */
export function width(text) {
  return sum([...text].map((letter) => {
    if (COMBINING.test(letter)) return 0;
    const code = letter.codePointAt(0);
    return WIDE.some(([first, last]) => code >= first && code <= last) ? 2 : 1;
  }));
}

/** Break text into rows at spaces; what is longer than a row, and has none, between letters. */
export function wrap(text, columns = COLUMNS) {
  const rows = [];
  let row = "";
  for (const word of split(text)) {
    if (row !== "" && width(row) + 1 + width(word) <= columns) {
      row += ` ${word}`;
      continue;
    }
    if (row !== "") rows.push(row);
    const cut = pieces(word, columns);
    row = cut.pop();
    rows.push(...cut);
  }
  return row === "" ? rows : [...rows, row];
}

/** Cut a word that is longer than a row; a mark stays with its letter. */
function pieces(word, columns) {
  const out = [""];
  for (const letter of word) {
    if (width(out.at(-1)) + width(letter) > columns) out.push("");
    out[out.length - 1] += letter;
  }
  return out;
}

/** Divide text into `count` parts of about the same width, at spaces where there are enough. */
export function parts(text, count) {
  let words = split(text);
  let glue = " ";
  if (words.length < count) {
    words = letters(words.length === 1 ? words[0] : text);
    glue = "";
  }
  const total = sum(words.map(width));
  const divided = Array.from({ length: count }, () => []);
  let soFar = 0;
  for (const word of words) {
    // A word belongs to the part that its middle falls into.
    const middle = soFar + width(word) / 2;
    divided[Math.min(count - 1, Math.floor((middle * count) / Math.max(1, total)))].push(word);
    soFar += width(word);
  }
  return divided.map((part) => part.join(glue).trim());
}

/** The letters of a text, each with the marks that belong to it. */
function letters(text) {
  const out = [];
  for (const letter of text) {
    if (out.length > 0 && COMBINING.test(letter)) out[out.length - 1] += letter;
    else out.push(letter);
  }
  return out;
}

/**
 * A line's cues: [{start, end, texts: [[row]], speaker}]. `line` has start, end (ms), stream (ms, where its stream
 * began), original, words, speaker; `texts` is what is shown of it; `name` is who speaks, as the first row says it.
 */
export function cues(line, texts, { name = "" } = {}) {
  const shown = [[name, texts[0]].filter((part) => part !== "").join(" "), ...texts.slice(1)];
  for (let count = 1; ; count += 1) {
    const divided = shown.map((text) => parts(text, count));
    const fits = divided.every((text) => text.every((part) => wrap(part).length <= ROWS));
    if (!fits && count < line.end - line.start) continue;
    const at = changes(line, divided[0], name);
    return Array.from({ length: count }, (_, index) => ({
      start: at[index],
      end: at[index + 1],
      texts: divided.filter((text) => text[index] !== "").map((text) => wrap(text[index])),
      speaker: line.speaker,
    })).filter(({ texts: all }) => all.length > 0);
  }
}

/** When each part begins, and when the last one ends; each at least 1 ms after the one before. */
function changes(line, divided, name) {
  const count = divided.length;
  const length = line.end - line.start;
  const widths = divided.map((part) => Math.max(1, width(part)));
  const total = sum(widths);
  let soFar = 0;
  const at = [0, ...widths].map((one) => line.start + round((length * (soFar += one)) / total));
  const before = split(name).length;
  const written = divided.map((part) => split(part).length);
  const isOriginal = divided.join(" ") === [name, line.original].filter((part) => part !== "").join(" ");
  if (isOriginal && sum(written) - before === line.words.length) {
    let first = 0;
    for (let index = 1; index < count; index += 1) {
      first += written[index - 1];
      at[index] = line.stream + round(line.words[Math.max(0, first - before)].start * 1000);
    }
  }
  for (let index = 1; index < count; index += 1) at[index] = Math.min(Math.max(at[index], at[index - 1] + 1), line.end - (count - index));
  return at;
}

/**
 * Cues that do not overlap: players of SubRip stack those that do in any order, or drop one. While two people
 * speak, one cue has the rows of both, each begun by a dash.
 */
export function apart(overlapping) {
  const waiting = [...overlapping].sort((a, b) => a.start - b.start);
  const moments = [...new Set(waiting.flatMap(({ start, end }) => [start, end]))].sort((a, b) => a - b);
  const out = [];
  let active = [];
  let position = 0;
  for (let index = 0; index + 1 < moments.length; index += 1) {
    const [start, end] = [moments[index], moments[index + 1]];
    while (position < waiting.length && waiting[position].start <= start) active.push(waiting[position++]);
    active = active.filter((cue) => cue.end > start);
    if (active.length === 1) out.push({ ...active[0], start, end });
    else if (active.length > 1) out.push({ start, end, texts: active.map(({ texts }) => dashed(texts.flat())), speaker: null });
  }
  return out;
}

const dashed = (rows) => rows.map((row, index) => (index === 0 ? `- ${row}` : row));
