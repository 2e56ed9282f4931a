/**
 * What can be spoken and what can be read, as the back ends say it. Pure.
 *
 * An offer is the answer of GET /api/languages: {source: [codes], targets: [codes], pairs: {source: [targets]},
 * any_source, any_target, errors: [{service, detail}]}. `any_…`: the back end has no way to say, any may be tried.
 * `errors`: what could not be asked; what stands for it is old or empty, which is not the same as none.
 */

/** What is offered where any language may be tried: the most spoken ones; others can be added by the back end. */
const COMMON = [
  "en", "es", "zh", "hi", "ar", "pt", "fr", "ru", "de", "ja", "bn", "ur", "id", "it", "tr", "vi", "ko", "pl", "uk", "fa", "nl", "th",
  "ro", "el", "cs", "sv", "hu", "he", "da", "fi", "no", "sk", "bg", "hr", "ca", "sr", "lt", "sl", "lv", "et",
];

const union = (...lists) => [...new Set(lists.flat())];

/** Codes that may be chosen as spoken. */
export function sources(offer) {
  return union(offer?.source ?? [], offer?.any_source ? COMMON : []);
}

/** Codes that may be chosen to be read. */
export function readable(offer) {
  return union(offer?.targets ?? [], offer?.any_target ? COMMON : []);
}

/** What could not be asked, as sentences. */
export function unknown(offer) {
  return (offer?.errors ?? []).map(({ detail }) => detail);
}

/** Names that were looked up: it takes far longer than the line that they stand in. */
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

function lookedUp(code, locale) {
  try {
    return new Intl.DisplayNames([locale], { type: "language", fallback: "code" }).of(code) ?? code;
  } catch {
    // Not a BCP 47 tag (an engine's own name for something): the code is all there is to say.
    return code;
  }
}

/** "en-GB" -> "en". */
export function base(code) {
  return code.split("-", 1)[0].toLowerCase();
}

export function isSameLanguage(one, other) {
  return one !== null && other !== null && base(one) === base(other);
}

/** [{code, name}] sorted by name, each once. */
export function choices(codes, locale = "en") {
  return [...new Set(codes ?? [])]
    .map((code) => ({ code, name: languageName(code, locale) }))
    .sort((a, b) => a.name.localeCompare(b.name, locale));
}

/** What can be read of `source`: an array, or null where that is not known (detected, or no pairs given). */
export function targetsOf(offer, source) {
  if (!offer?.pairs || offer.any_target || source === "auto" || !source) return null;
  // Nothing at all is known of pairs where the translation service could not be asked.
  if (Object.keys(offer.pairs).length === 0 && (offer.errors ?? []).length > 0) return null;
  return offer.pairs[source] ?? offer.pairs[base(source)] ?? [];
}

/** Whether `target` can be read of `source`: true, false, or null where it is not known. Itself can always be. */
export function canTranslate(offer, source, target) {
  if (source && isSameLanguage(source, target)) return true;
  const targets = targetsOf(offer, source);
  return targets === null ? null : targets.some((code) => isSameLanguage(code, target));
}

/**
 * What to read at first: what was chosen before, else the reader's own languages, filled up to two so that in a
 * conversation of two languages each is translated.
 */
export function firstTargets(offer, { kept = null, preferred = [] } = {}) {
  const targets = readable(offer);
  if (kept !== null) {
    const known = targets.length > 0 ? kept.filter((code) => targets.includes(code)) : kept;
    if (known.length > 0 || kept.length === 0) return known;
  }
  const chosen = [];
  const isNew = (code) => !chosen.some((other) => isSameLanguage(code, other));
  for (const wish of preferred) {
    const match = targets.find((code) => code === wish) ?? targets.find((code) => isSameLanguage(code, wish));
    if (match && isNew(match)) chosen.push(match);
  }
  for (const code of targets) if (chosen.length < 2 && isNew(code)) chosen.push(code);
  return chosen;
}

/** "English", "English and German", "English, German and Spanish". */
export function list(names) {
  if (names.length <= 1) return names[0] ?? "";
  return `${names.slice(0, -1).join(", ")} and ${names[names.length - 1]}`;
}

/** What of `targets` cannot be read of `source`, as a sentence; "" where all can or it is not known. */
export function impossible(offer, source, targets, locale = "en") {
  const cannot = targets.filter((target) => canTranslate(offer, source, target) === false);
  if (cannot.length === 0) return "";
  const possible = targetsOf(offer, source);
  const name = languageName(source, locale);
  const offered =
    possible.length > 0
      ? `From ${name} the translation service offers ${list(choices(possible, locale).map((choice) => choice.name))}.`
      : `From ${name} the translation service offers no language.`;
  return `${list(cannot.map((code) => languageName(code, locale)))} cannot be read when ${name} is spoken. ${offered}`;
}
