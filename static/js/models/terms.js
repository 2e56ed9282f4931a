/**
 * Names and terms as lines of text, the same as orch/protocol/terms.py: `Norland`, `chair = Vorsitz` (in every
 * language), `chair = de: Vorsitz; fr: présidence`. A term is {text, translations?}; `*` stands for every language
 * that has no translation of its own. One file of examples tests both.
 */

export const MOST_TERMS = 100;
/** Of all terms, with ", " between them. */
export const MOST_CHARACTERS = 600;
/** Of all translations. */
export const MOST_TRANSLATIONS = 6_000;

const ANY = "*";
const LANGUAGE = "[a-z]{2,3}(?:[-_][A-Za-z0-9]{2,8})*";
const BETWEEN = new RegExp(`\\s*[;,؛،]\\s*(?=${LANGUAGE}\\s*:)`, "u");
const LABELLED = new RegExp(`^(${LANGUAGE})\\s*:\\s*(.*)$`, "su");
/** Control, private and direction characters; two that join letters stay within a word. */
const INVISIBLE = /(?![\u200c\u200d])\p{C}/gu;
const OUTER = /^[ \u200c\u200d]+|[ \u200c\u200d]+$/g;

const plain = (text) => text.normalize("NFC").replace(/\s+/gu, " ").replace(INVISIBLE, "").replace(OUTER, "");
/** Characters as the service counts them. */
const length = (text) => [...text].length;

/** The term that a line states, or null. */
export function readLine(line) {
  const at = line.indexOf("=");
  const [text, given] = at < 0 ? [plain(line), ""] : [plain(line.slice(0, at)), plain(line.slice(at + 1))];
  if (!/[\p{L}\p{N}]/u.test(text)) return null;
  const translations = {};
  for (const part of given.split(BETWEEN)) {
    const [, language, translated] = LABELLED.exec(part) ?? [null, ANY, part];
    if (translated.trim() !== "") translations[language] ??= translated.trim();
  }
  return Object.keys(translations).length === 0 ? { text } : { text, translations };
}

/** The line that states a term. */
export function lineOf({ text, translations = {} }) {
  const given = Object.entries(translations).sort(([one], [other]) => (one === ANY ? -1 : other === ANY ? 1 : 0));
  return given.length === 0 ? text : `${text} = ${given.map(([language, translated]) => (language === ANY ? translated : `${language}: ${translated}`)).join("; ")}`;
}

export const linesOf = (terms) => terms.map(lineOf).join("\n");

/**
 * The terms of a text, one a line; of a term that stands there twice, the languages of both. `problem`: null, or the
 * text {key, values} that says why they cannot be stored.
 */
export function readTerms(text) {
  const found = new Map();
  let problem = null;
  text.split(/\r\n|[\n\r]/).forEach((line, at) => {
    if (line.trim() === "") return;
    const term = readLine(line);
    if (term === null) problem ??= { key: "terms.no_term", values: { line: at + 1 } };
    else found.set(term.text, joined(found.get(term.text), term));
  });
  const terms = [...found.values()];
  return { terms, problem: problem ?? tooMuch(terms) };
}

function joined(known, term) {
  const translations = { ...term.translations, ...known?.translations };
  return Object.keys(translations).length === 0 ? { text: term.text } : { text: term.text, translations };
}

function tooMuch(terms) {
  if (terms.length > MOST_TERMS) return { key: "terms.too_many", values: { count: terms.length, most: MOST_TERMS } };
  const characters = length(terms.map(({ text }) => text).join(", "));
  if (characters > MOST_CHARACTERS) return { key: "terms.too_long", values: { characters, most: MOST_CHARACTERS } };
  const translated = terms.flatMap(({ translations = {} }) => Object.values(translations)).reduce((sum, each) => sum + length(each), 0);
  return translated > MOST_TRANSLATIONS ? { key: "terms.translations_too_long", values: { characters: translated, most: MOST_TRANSLATIONS } } : null;
}

/** `mine`, and after it the lines of `theirs` whose terms it does not have. */
export function withTheirs(mine, theirs) {
  const known = new Set(readTerms(mine).terms.map(({ text }) => text));
  const more = theirs.filter(({ text }) => !known.has(text)).map(lineOf);
  return [...(mine.trim() === "" ? [] : [mine.trimEnd()]), ...more].join("\n");
}
