/**
 * Text in rows: how wide it is, where it may be broken. Pure.
 *
 * The same rules as the service's own (orch/speech/rows.py); tests hold both to the same cases. What is counted and
 * kept whole are grapheme clusters: a letter with its marks, an emoji with all it is joined of.
 */

export const COLUMNS = 42;

/** Unicode's East Asian Width W and F, by blocks, and the letters of flags. */
const WIDE = new RegExp(
  [
    String.raw`[\u1100-\u115f\u2e80-\u303e\u3041-\u33ff\u3400-\u4dbf\u4e00-\ua4cf\ua960-\ua97f\uac00-\ud7a3\uf900-\ufaff`,
    String.raw`\ufe0f\ufe10-\ufe19\ufe30-\ufe6f\uff01-\uff60\uffe0-\uffe6\u{1f1e6}-\u{1f1ff}\u{1f300}-\u{1f64f}\u{1f680}`,
    String.raw`-\u{1f6ff}\u{1f900}-\u{1f9ff}\u{1fa70}-\u{1faff}\u{20000}-\u{3fffd}]`,
  ].join(""),
  "u",
);
const INVISIBLE = /^[\p{Mn}\p{Me}\p{Cf}\p{Cc}]+$/u;
const LETTER = /\p{L}/gu;
/** What no row begins with: marks, vowels that Thai and Lao write after their letter, what closes, small kana. */
const NOT_FIRST = new RegExp(
  [
    String.raw`^[\p{M}\u200d\p{Pe}\p{Pf}\u0e30\u0e32\u0e33\u0e45\u0e46\u0e2f\u0eb0\u0eb2\u0eb3\u0ec6\u17d4-\u17d6\u104a\u104b`,
    String.raw`!%,.:;?\u2026\u2030\u3001\u3002\u3005\u303b\u309d\u309e\u30a0\u30fb-\u30fe\u3041\u3043\u3045\u3047\u3049\u3063`,
    String.raw`\u3083\u3085\u3087\u308e\u3095\u3096\u30a1\u30a3\u30a5\u30a7\u30a9\u30c3\u30e3\u30e5\u30e7\u30ee\u30f5\u30f6`,
    String.raw`\u31f0-\u31ff\uff01\uff05\uff0c\uff0e\uff1a\uff1b\uff1f\uff61\uff64\uff65\uff67-\uff70\uff9e\uff9f\u0964\u0965`,
    String.raw`\u060c\u061b\u061f\u06d4]`,
  ].join(""),
  "u",
);
/** What no row ends with: what opens, the vowels that Thai and Lao write before their letter. */
const NOT_LAST = new RegExp(
  [
    String.raw`^[\p{Ps}\p{Pi}\u0e40-\u0e44\u0ec0-\u0ec4$\u00a1\u00a3\u00a5\u00bf\uff04\uffe1\uffe5]`,
  ].join(""),
  "u",
);
/** Clusters that are kept in one row at most: a run of dots has to be broken somewhere. */
const TOGETHER = 8;

/** What Python's str.split() splits at. */
const SPACE = /[\u0009-\u000d\u001c-\u0020\u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+/u;
const ASCII = /^[\u0000-\u007f]*$/u;

const segmenter = new Intl.Segmenter("en", { granularity: "grapheme" });

/** The words of a text. */
export function words(text) {
  return text.split(SPACE).filter((word) => word !== "");
}

/** Control characters that are no space. */
const CONTROLS = /[\u0000-\u0008\u000e-\u001b\u007f-\u0084\u0086-\u009f]/gu;

/** Text on one row, without control characters: players end a file at some of them. */
export function flat(text) {
  return words(text.replace(CONTROLS, "")).join(" ");
}

/** The grapheme clusters of a text. */
export function clusters(text) {
  return ASCII.test(text) ? text.split("") : Array.from(segmenter.segment(text), ({ segment }) => segment);
}

function clusterWidth(cluster) {
  if (INVISIBLE.test(cluster)) return 0;
  return WIDE.test(cluster) || (cluster.match(LETTER) ?? []).length > 1 ? 2 : 1;
}

/** The columns that text takes; a cluster takes two at most. */
export function width(text) {
  return ASCII.test(text) ? text.length : clusters(text).reduce((sum, cluster) => sum + clusterWidth(cluster), 0);
}

/** The parts of a word that stay in one row, with their widths, as [text, width]. */
function units(word, columns = COLUMNS) {
  const found = [];
  let unit = [];
  let taken = 0;
  for (const cluster of clusters(word)) {
    const wide = clusterWidth(cluster);
    const mayPart = unit.length > 0 && !NOT_FIRST.test(cluster) && !NOT_LAST.test(unit.at(-1));
    if (mayPart || unit.length >= TOGETHER || (unit.length > 0 && taken + wide > columns)) {
      found.push([unit.join(""), taken]);
      unit = [];
      taken = 0;
    }
    unit.push(cluster);
    taken += wide;
  }
  if (unit.length > 0) found.push([unit.join(""), taken]);
  return found;
}

const letters = (word) => clusters(word).map((cluster) => [cluster, clusterWidth(cluster)]);

/** The first index from `low` up to `high` where `isIn` is true; it stays true from there. */
function first(low, high, isIn) {
  let [from, to] = [low, high];
  while (from < to) {
    const middle = (from + to) >> 1;
    if (isIn(middle)) to = middle;
    else from = middle + 1;
  }
  return from;
}

/** [1, 2, 3] -> [[1, 2], [2, 3]]. */
export function pairs(all) {
  return all.slice(1).map((one, index) => [all[index], one]);
}

/**
 * A text in pieces that are not broken: its words; of those longer than a row, what may stand in one.
 *
 * `texts`: the pieces. `spaces`: 1 where a space stands before one. `ends`: the columns, with those spaces, before
 * each piece and after the last.
 */
export class Pieces {
  #middles;

  /** `all`: [[text, width, space]]. */
  constructor(all) {
    this.texts = all.map(([text]) => text);
    this.spaces = all.map(([, , space]) => space);
    this.ends = [0];
    for (const [, wide, space] of all) this.ends.push(this.ends.at(-1) + wide + space);
    this.#middles = pairs(this.ends).map(([start, end]) => start + end);
  }

  static of(text, columns = COLUMNS) {
    return new Pieces(
      words(text).flatMap((word) => {
        const wide = width(word);
        const cut = wide <= columns ? [[word, wide]] : units(word, columns);
        return cut.map(([part, taken], index) => [part, taken, index === 0 ? 1 : 0]);
      }),
    );
  }

  /** What stands from one piece up to another. */
  text(start, stop) {
    let text = "";
    for (let index = start; index < stop; index += 1) text += this.spaces[index] && index > start ? ` ${this.texts[index]}` : this.texts[index];
    return text;
  }

  /** Where rows begin, and `stop`; `lead` columns of the first are taken. */
  rows(start, stop, { columns = COLUMNS, lead = 0 } = {}) {
    const found = [start];
    let room = columns - lead;
    let at = start;
    while (at < stop) {
      const most = room + this.ends[at] + this.spaces[at];
      const end = first(at, stop + 1, (index) => this.ends[index] > most) - 1;
      // Where nothing fits beside what leads, that stands alone.
      if (end > at) at = end;
      else if (room === columns) at += 1;
      found.push(at);
      room = columns;
    }
    return found;
  }

  /** Where each of `count` parts of about the same width begins, and the number of pieces. */
  divided(count, lead = 0) {
    const doubled = 2 * (lead + this.ends.at(-1));
    const found = [0];
    for (let part = 1; part < count; part += 1) {
      // A piece belongs to the part that its middle falls into.
      const from = Math.ceil((doubled * part) / count) - 2 * lead;
      found.push(first(0, this.#middles.length, (index) => this.#middles[index] >= from));
    }
    return [...found, this.texts.length];
  }

  /** At least `count` pieces, if there are so many: words are cut where there are too few. */
  finer(count) {
    let found = this;
    for (const cut of [(word) => units(word), letters]) {
      if (found.texts.length >= count) continue;
      const { texts, spaces } = found;
      found = new Pieces(texts.flatMap((text, of) => cut(text).map(([part, wide], index) => [part, wide, index === 0 ? spaces[of] : 0])));
    }
    return found;
  }
}

/**
 * Break text into rows at spaces; what is longer than a row, and has none, between letters. A row does not begin with
 * what closes, nor end with what opens.
 */
export function wrap(text, columns = COLUMNS) {
  const pieces = Pieces.of(text, columns);
  return pairs(pieces.rows(0, pieces.texts.length, { columns })).map(([start, stop]) => pieces.text(start, stop));
}

/** Divide text into `count` parts of about the same width, at spaces where there are enough. */
export function parts(text, count) {
  const pieces = Pieces.of(text).finer(count);
  return pairs(pieces.divided(count)).map(([start, stop]) => pieces.text(start, stop));
}
