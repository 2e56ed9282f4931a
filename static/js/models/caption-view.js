/**
 * The caption view's choices, which stand in its address: `/captions/SESSION?lines=3&languages=es#key=KEY`. Pure.
 *
 * docs/captions.md has the same table for readers; a test compares them.
 */

import { isSessionName } from "./session-name.js";

const KEY = /^[A-Za-z0-9_-]{1,64}$/;
const COLOUR = /^#?(?:[0-9a-f]{3}|[0-9a-f]{6})$/i;
const LANGUAGE = /^[A-Za-z]{2,8}(?:[-_][A-Za-z0-9]{1,8}){0,3}$/;

/** What a line shows in the language it is spoken in. */
export const ORIGINAL = "original";

const whole = (least, most) => ({
  expected: { key: "captions.expect_number", values: { least: String(least), most: String(most) } },
  parse: (text) => (/^\d{1,6}$/.test(text) && Number(text) >= least && Number(text) <= most ? Number(text) : null),
  write: String,
});
const oneOf = (...names) => ({ expected: { key: "captions.expect_one_of", values: { one: names[0], other: names[1] } }, parse: (text) => (names.includes(text) ? text : null), write: String });
const isOn = { ...oneOf("1", "0"), parse: (text) => (text === "1" ? true : text === "0" ? false : null), write: (value) => (value ? "1" : "0") };
const colour = {
  expected: { key: "captions.expect_colour", values: {} },
  parse: (text) => (COLOUR.test(text) ? `#${text.replace("#", "").toLowerCase()}` : null),
  write: (value) => value.replace("#", ""),
};

/** Each parameter: the text of what is expected (models/texts.js), how it is read and written, and its default. */
export const PARAMETERS = {
  lines: { ...whole(1, 20), initial: 3 },
  languages: {
    expected: { key: "captions.expect_languages", values: {} },
    parse: (text) => {
      const all = text.split(",").map((each) => each.trim());
      const isValid = all.length <= 2 && new Set(all).size === all.length && all.every((each) => each === ORIGINAL || LANGUAGE.test(each));
      return isValid ? all : null;
    },
    write: (value) => value.join(","),
    initial: [ORIGINAL],
  },
  size: { ...whole(10, 300), initial: 40 },
  colour: { ...colour, initial: "#ffffff" },
  background: {
    expected: { key: "captions.expect_background", values: {} },
    parse: (text) => (text === "transparent" ? text : colour.parse(text)),
    write: (value) => value.replace("#", ""),
    initial: "#000000",
  },
  align: { ...oneOf("start", "center"), initial: "start" },
  position: { ...oneOf("bottom", "top"), initial: "bottom" },
  names: { ...isOn, initial: true },
  growing: { ...isOn, initial: true },
  hold: { ...whole(0, 3600), initial: 0 },
  messages: { ...isOn, initial: true },
};

/** The view without any choice made. */
export const DEFAULTS = Object.freeze(Object.fromEntries(Object.entries(PARAMETERS).map(([name, { initial }]) => [name, initial])));

/** Faults that are named one by one; the others are counted. */
const FAULTS = 5;
/** Characters of a wrong value that are shown. */
const SHOWN = 40;

/**
 * Read an address: {session_id, key, view, faults}. A wrong parameter has its default and is in `faults`, a text
 * {key, values} each. `session_id` is null where the address names none, `key` where it has none.
 */
export function readCaptionLink(href) {
  const url = new URL(href);
  const faults = [];
  const view = { ...DEFAULTS };
  const seen = new Set();
  for (const [name, text] of url.searchParams) {
    const parameter = Object.hasOwn(PARAMETERS, name) ? PARAMETERS[name] : null;
    if (name === "key") faults.push({ key: "captions.fault_key", values: {} });
    else if (parameter === null) faults.push({ key: "captions.fault_unknown", values: { name: cut(name), known: Object.keys(PARAMETERS).join(", ") } });
    else if (seen.has(name)) faults.push({ key: "captions.fault_twice", values: { name } });
    else {
      seen.add(name);
      const value = parameter.parse(text);
      if (value === null) faults.push({ key: "captions.fault_wrong", values: { name, value: cut(text), expected: parameter.expected } });
      else view[name] = value;
    }
  }
  const key = new URLSearchParams(url.hash.slice(1)).get("key");
  return { session_id: sessionIn(url.pathname), key: key !== null && KEY.test(key) ? key : null, view, faults: limited(faults) };
}

/** A link to the caption view of a session at `base`, any address of the service; defaults are left out. */
export function writeCaptionLink(base, { session_id, key = null, view }) {
  const url = new URL(`/captions/${encodeURIComponent(session_id)}`, base);
  const chosen = Object.entries(PARAMETERS).filter(([name, { write, initial }]) => view[name] !== undefined && write(view[name]) !== write(initial));
  // Written by hand: what URLSearchParams would encode, a comma, is easier to read and to change as it is.
  url.search = chosen.map(([name, { write }]) => `${name}=${write(view[name])}`).join("&");
  url.hash = key === null ? "" : new URLSearchParams({ key }).toString();
  return url.href;
}

/** The languages that the session has to be translated to. */
export function targetsOfView({ languages }) {
  return languages.filter((language) => language !== ORIGINAL);
}

function sessionIn(path) {
  try {
    const name = decodeURIComponent(path.split("/").at(-1));
    return isSessionName(name) ? name : null;
  } catch {
    return null; // not UTF-8
  }
}

function limited(faults) {
  if (faults.length <= FAULTS) return faults;
  return [...faults.slice(0, FAULTS), { key: "captions.faults_more", values: { count: faults.length - FAULTS } }];
}

const cut = (text) => (text.length > SHOWN ? `${text.slice(0, SHOWN)}…` : text);

/**
 * The last lines as the view shows them: [{id, speaker, isGrowing, texts: [{language, text}]}].
 *
 * `changedAt(id)`: when a line last changed, in seconds on the clock of `now`; with `hold` a line is shown that long.
 * A line is shown with the texts that it has; without any, not at all. `language` is null for the original of an
 * unknown language. A line whose own language is chosen shows its original in its place.
 */
export function shownLines(lines, view, { now = 0, changedAt = () => 0, isSame = (one, other) => one === other } = {}) {
  const shown = [];
  for (let index = lines.length - 1; index >= 0 && shown.length < view.lines; index -= 1) {
    const line = lines[index];
    if (line.error || (!view.growing && !line.final)) continue;
    if (view.hold > 0 && now - changedAt(line.id) > view.hold) continue;
    const texts = textsOf(line, view, isSame);
    if (texts.length > 0) shown.unshift({ id: line.id, speaker: line.speaker, participantId: line.participantId, isGrowing: !line.final || translationGrows(line, view), texts });
  }
  return shown;
}

/** Whether a line is shown with the translation of its beginning, until that of the final comes. */
function translationGrows(line, { languages, growing }) {
  return growing && languages.some((language) => !line.translations.has(language) && Boolean(translatedSoFar(line, language)));
}

/** The translation of a growing line's beginning; undefined without one. */
function translatedSoFar(line, language) {
  return line.edited ? undefined : line.growing?.get(language)?.text;
}

function textsOf(line, { languages, growing }, isSame) {
  const texts = [];
  let hasOriginal = false;
  for (const language of languages) {
    const isOriginal = language === ORIGINAL || (line.language !== null && isSame(line.language, language));
    if (isOriginal && hasOriginal) continue;
    hasOriginal ||= isOriginal;
    const translation = line.translations.get(language);
    const text = isOriginal ? line.text : translation && !translation.error ? translation.text : (growing && translatedSoFar(line, language)) || "";
    if (text.trim() !== "") texts.push({ language: isOriginal ? line.language : language, text });
  }
  return texts;
}

/** What the view says while it shows no captions or cannot go on, as a text {key, values}, or null. */
export function viewMessage({ phase, reason, shutOut = null, connection, session_id, lines }) {
  const key = messageKey({ phase, shutOut, connection, session_id, lines });
  return key === null ? null : { key: `captions.${key}`, values: { reason, session: session_id ?? "" } };
}

function messageKey({ phase, shutOut, connection, session_id, lines }) {
  if (session_id === null) return "no_session";
  if (shutOut === "locked" || shutOut === "removed") return shutOut;
  if (phase === "uninvited") return "no_key";
  if (phase === "gone") return "gone";
  if (phase === "failed") return "failed";
  if (connection !== "live") return "not_connected";
  if (lines > 0) return null;
  return phase === "open" ? "ready" : "opening";
}
