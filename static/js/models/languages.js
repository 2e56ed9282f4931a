/**
 * What can be spoken and what can be read, as the back ends say it. Pure.
 *
 * An offer is the response of GET /api/languages: {source: [codes], targets: [codes], pairs: {source: [targets]},
 * via: {source: {target: [codes]}}, any_source, any_target, errors: [{service, detail}]}. `via`: the languages that a
 * text is translated into on the way. `any_…`: the back end cannot list its languages, any may be tried. `errors`: back
 * ends that did not respond; their part of the offer is old or empty, which is not the same as none.
 */

import { isolated } from "./bidi.js";
import data from "./language-data.js";

/** What is offered where any language may be tried: the most spoken ones; others can be added by the back end. */
const COMMON = [
  "en", "es", "zh", "hi", "ar", "pt", "fr", "ru", "de", "ja", "bn", "ur", "id", "it", "tr", "vi", "ko", "pl", "uk", "fa", "nl", "th",
  "ro", "el", "cs", "sv", "hu", "he", "da", "fi", "no", "sk", "bg", "hr", "ca", "sr", "lt", "sl", "lv", "et",
];

/** Codes that are offered, and of `others` those whose language is not among them. */
function union(offered, others) {
  return [...new Set([...offered, ...others.filter((code) => !offered.some((one) => isSameLanguage(one, code)))])];
}

/** The codes that may be chosen as spoken. */
export function sources(offer) {
  return union(offer?.source ?? [], offer?.any_source ? COMMON : []);
}

/** The codes that may be chosen as target languages. */
export function readable(offer) {
  return union(offer?.targets ?? [], offer?.any_target ? COMMON : []);
}

/** Why parts of the offer are unknown, as sentences of `texts`: which back end it is, only English says. */
export function unknown(offer, texts) {
  const why = (offer?.errors ?? []).map(({ detail }) => (texts.language === "en" ? detail : texts.text("languages.back_end_silent")));
  return [...new Set(why)];
}

/** A cache of names: looking one up takes far longer than drawing its line. */
const names = new Map();
const NAMES = 1_000;

/** The name of a language in the reader's own language; a code that has none stays itself. */
export function languageName(code, locale = "en") {
  const key = `${locale} ${code}`;
  if (!names.has(key)) {
    if (names.size >= NAMES) names.clear();
    names.set(key, lookedUp(code, locale));
  }
  return names.get(key);
}

/**
 * The name of a language for a choice: in the language itself, and where that differs in the page's language too:
 * "Deutsch (German)". Readers find their own language without knowing the page's.
 */
export function ownName(code, locale = "en") {
  const [own, name] = [languageName(code, code), languageName(code, locale)];
  return own === name || own === code ? name : `${isolated(own)} (${name})`;
}

function lookedUp(code, locale) {
  try {
    return new Intl.DisplayNames([locale], { type: "language", fallback: "code" }).of(code) ?? code;
  } catch {
    // Not a BCP 47 tag (an engine's own name): the code is shown.
    return code;
  }
}

const NAMED = new Map([...Object.entries(data.names).map(([code, name]) => [name, code]), ...Object.entries(data.other_names)]);
const parsed = new Map();

/** A code as {language, script, region, variant}, "" for what it does not say; as orch/speech/languages.py reads it. */
function tag(code) {
  const known = parsed.get(code);
  if (known) return known;
  if (parsed.size > 4096) parsed.clear();
  const found = parse(code);
  parsed.set(code, found);
  return found;
}

function parse(code) {
  const text = (NAMED.get(code.trim().toLowerCase()) ?? code).trim().replaceAll("_", "-").toLowerCase();
  let [language, ...rest] = text.split("-");
  const meant = (key) => (Object.hasOwn(data.equals, key) ? data.equals[key].toLowerCase().split("-") : null);
  const both = rest.length > 0 ? meant(`${language}-${rest[0]}`) : null;
  const alone = both ? null : meant(language);
  if (both) [language, ...rest] = [...both, ...rest.slice(1)];
  else if (alone) [language, ...rest] = [...alone, ...rest];
  let [script, region, variant] = ["", "", ""];
  for (const part of rest) {
    if (part.length === 1) break; // what follows is an extension
    if (/^\p{L}{4}$/u.test(part)) script = part[0].toUpperCase() + part.slice(1);
    else if (variant === "" && (part.length === 2 || /^\p{Nd}+$/u.test(part))) region = part.toUpperCase();
    else variant += part;
  }
  const scripts = Object.hasOwn(data.scripts, language) ? data.scripts[language] : {};
  return { language, script: script || (scripts[region] ?? scripts[""] ?? ""), region, variant };
}

const isReadable = (one, other) => one.script === other.script || one.script === "" || other.script === "";

/** The language alone: "en-GB" -> "en", "iw" -> "he", "no" -> "nb". */
export function base(code) {
  return tag(code).language;
}

/** Whether two codes name one language, in any script. */
export function isNear(one, other) {
  return one !== null && other !== null && base(one) === base(other);
}

/** Whether two codes name one language in one script. */
export function isSameLanguage(one, other) {
  return isNear(one, other) && isReadable(tag(one), tag(other));
}

/** Which of `offered` means `code`, or null: itself, else what differs least in script, variant, region. */
export function closest(code, offered) {
  if (offered.includes(code)) return code;
  const wanted = tag(code);
  const distance = (other) => {
    const { region, variant, ...rest } = tag(other);
    const far = region === wanted.region ? 0 : region === "" ? 1 : 2;
    return [isReadable(rest, wanted) ? 0 : 1, variant === wanted.variant ? 0 : 1, far, other.length];
  };
  const order = (one, other) => {
    const [first, second] = [distance(one), distance(other)];
    const index = first.findIndex((number, at) => number !== second[at]);
    return index < 0 ? (one < other ? -1 : 1) : first[index] - second[index];
  };
  return offered.filter((other) => isNear(code, other)).sort(order)[0] ?? null;
}

/** The target languages for `source`: an array, or null where it is not known (detected, or no pairs given). */
export function targetsOf(offer, source) {
  if (!offer?.pairs || offer.any_target || source === "auto" || !source) return null;
  // No pairs are known where the translation service did not respond.
  if (Object.keys(offer.pairs).length === 0 && (offer.errors ?? []).length > 0) return null;
  return offer.pairs[closest(source, Object.keys(offer.pairs))] ?? [];
}

/** Whether `source` can be translated to `target`: true, false, or null where it is not known. The same language always can. */
export function canTranslate(offer, source, target) {
  if (source && isSameLanguage(source, target)) return true;
  const targets = targetsOf(offer, source);
  if (targets === null) return null;
  // Of another language, one script is better than none; of its own, only the other script is a translation.
  return targets.some((code) => (isNear(source, target) ? isSameLanguage(code, target) : isNear(code, target)));
}

/** The languages between `source` and `target`, if it is translated by way of others; [] where it is not or not known. */
export function between(offer, source, target) {
  if (!offer?.via || !source || source === "auto" || isSameLanguage(source, target)) return [];
  const targets = offer.via[closest(source, Object.keys(offer.pairs ?? {}))] ?? {};
  const spelled = closest(target, targetsOf(offer, source) ?? []);
  return targets[spelled] ?? [];
}

/** "by way of Portuguese and Spanish", or "" where `source` is translated to `target` directly. */
export function wayText(offer, source, target, texts) {
  const codes = between(offer, source, target);
  return codes.length === 0 ? "" : texts.text("languages.by_way", { languages: texts.languageNames(codes) });
}

/**
 * The first target languages: the stored choice, else the first of `preferred` that is offered, and the languages that
 * are `spoken`.
 */
export function firstTargets(offer, { stored = null, preferred = [], spoken = [] } = {}) {
  const targets = readable(offer);
  const offered = (wish) => {
    const found = closest(wish, targets);
    return found !== null && isSameLanguage(found, wish) ? found : null;
  };
  if (stored !== null) {
    const known = targets.length > 0 ? stored.map(offered).filter((code) => code !== null) : stored;
    if (known.length > 0 || stored.length === 0) return [...new Set(known)];
  }
  const own = preferred.map((wish) => offered(wish) ?? closest(wish, targets)).find((code) => code !== null);
  const chosen = own === undefined ? [] : [own];
  for (const code of spoken.map(offered)) {
    if (code !== null && !chosen.some((other) => isSameLanguage(code, other))) chosen.push(code);
  }
  return chosen;
}

/** The reader's first language, without its region, where nothing like it is offered; null where it is, or none is known. */
export function notOffered(offer, preferred) {
  const targets = readable(offer);
  if (preferred.length === 0 || targets.length === 0 || closest(preferred[0], targets) !== null) return null;
  return preferred[0].split("-")[0];
}

/** The `targets` that `source` cannot be translated to, as a sentence; "" where all can or it is not known. */
export function impossible(offer, source, targets, texts) {
  const cannot = targets.filter((target) => canTranslate(offer, source, target) === false);
  if (cannot.length === 0) return "";
  const possible = texts.choices(targetsOf(offer, source)).map(({ name }) => name);
  const name = texts.languageName(source);
  const offered = possible.length > 0 ? texts.text("languages.offered", { source: name, languages: texts.list(possible) }) : texts.text("languages.offered_none", { source: name });
  return texts.text("languages.impossible", { source: name, languages: texts.languageNames(cannot), offered });
}

/**
 * The languages in which a line's translation is shown: those that are read. While the back ends' offer is unknown, so
 * is what is read: better the languages of others than none.
 */
export function shownLanguages(line, targets, { isOfferKnown }) {
  return targets.length > 0 || isOfferKnown ? targets : [...line.translations.keys()];
}
