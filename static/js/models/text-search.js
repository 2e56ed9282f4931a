/**
 * Search in the transcript. Pure.
 *
 * Case and accents do not matter: "naive" finds "Naïve"; nor do Arabic and Hebrew vowel points. Marks that make other
 * letters, as in Hindi or Thai, do.
 */

import { shownLanguages } from "./languages.js";

/** Matches that are counted and marked; a longer list helps nobody. */
export const MATCH_LIMIT = 999;

const MARKS = /[\u0300-\u036f\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u0610-\u061a\u064b-\u065f\u0670]/gu;
const ASCII = /^[\u0000-\u007f]*$/u;

/** {text, starts}: the folded text; `starts[i]`: where its character i is in the original, or null if it is at i. */
function fold(text) {
  if (ASCII.test(text)) return { text: text.toLowerCase(), starts: null };
  let folded = "";
  const starts = [];
  let at = 0;
  for (const character of text) {
    const plain = character.normalize("NFKD").replace(MARKS, "").toLowerCase();
    for (let index = 0; index < plain.length; index += 1) starts.push(at);
    folded += plain;
    at += character.length;
  }
  starts.push(text.length);
  return { text: folded, starts };
}

/** The query as it is compared, "" where there is nothing to search for. */
export function foldQuery(query) {
  return fold(query).text.trim().replace(/\s+/gu, " ");
}

/** Searches texts, and stores each folded text as long as it is searched for again. */
export class TextSearch {
  #folded = new Map();
  #used = new Map();

  /**
   * The matches in `parts` [{id, part, text}], in their order: [{id, part, start, end}], at most MATCH_LIMIT.
   * `start` and `end` are indexes in the text.
   */
  find(parts, query) {
    const wanted = foldQuery(query);
    this.#used = new Map();
    const found = [];
    if (wanted !== "") {
      for (const { id, part, text } of parts) {
        for (const [start, end] of this.#in(text, wanted)) {
          if (found.length < MATCH_LIMIT) found.push({ id, part, start, end });
        }
        if (found.length >= MATCH_LIMIT) break;
      }
    }
    // Texts that are no longer there, such as earlier revisions, are forgotten.
    this.#folded = this.#used;
    return found;
  }

  #in(text, wanted) {
    const { text: folded, starts } = this.#foldOnce(text);
    const found = [];
    for (let at = folded.indexOf(wanted); at >= 0; at = folded.indexOf(wanted, at + wanted.length)) {
      const end = at + wanted.length;
      found.push(starts === null ? [at, end] : [starts[at], ending(starts, end)]);
    }
    return found;
  }

  #foldOnce(text) {
    const known = this.#folded.get(text) ?? fold(text);
    this.#used.set(text, known);
    return known;
  }
}

/** Where a match ends in the original: marks that follow its last letter belong to it. */
function ending(starts, end) {
  // Of a character that became several, such as a ligature, the whole is marked.
  let at = end;
  while (at < starts.length - 1 && starts[at] === starts[end - 1]) at += 1;
  return starts[at];
}

/** The searched parts of lines, in the order in which they are shown. `reading`: models/reading.js. */
export function searchable(lines, { targets, isOfferKnown, show }) {
  const parts = [];
  for (const line of lines) {
    if (line.error) continue;
    const languages = shownLanguages(line, targets, { isOfferKnown });
    const translations = languages.map((target) => [target, line.translations.get(target)?.text ?? ""]).filter(([, text]) => text !== "");
    if (show !== "translation" || translations.length === 0) parts.push({ id: line.id, part: "original", text: line.text });
    if (show !== "original") for (const [target, text] of translations) parts.push({ id: line.id, part: target, text });
  }
  return parts;
}

/** Whether two matches are the same place. */
export const isSame = (one, other) => one.id === other.id && one.part === other.part && one.start === other.start;

/** The index in `found` of the match that `current` was, or the nearest after the index that it had; -1 without any. */
export function located(found, current, index) {
  if (found.length === 0) return -1;
  const same = current === null ? -1 : found.findIndex((match) => isSame(match, current));
  return same >= 0 ? same : Math.min(Math.max(index, 0), found.length - 1);
}

/** The index `steps` further, round from the last to the first. */
export function stepped(found, index, steps) {
  return found.length === 0 ? -1 : (index + steps + found.length) % found.length;
}

/** "3 of 17", "no match", in the language of `texts`; "" without a query. */
export function countText(found, index, query, texts) {
  if (foldQuery(query) === "") return "";
  if (found.length === 0) return texts.text("search.none");
  const values = { number: index + 1, count: found.length };
  return found.length >= MATCH_LIMIT ? texts.text("search.count_more", values) : texts.text("search.count", values);
}
