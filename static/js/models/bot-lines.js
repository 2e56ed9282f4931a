/**
 * What was said in a bot's meeting, as lines in the order of speech. Pure.
 *
 * Lines come as complete states (`show`, the last ones) and stay when they are no longer among them; translations come
 * with them, or as messages of the bot's session (`translate`), before or after their line. Rules:
 * - a later revision replaces an earlier one, never the other way round; of one revision the newer state counts, as a
 *   name may have been withheld or revised;
 * - a translation of an older text is shown until the newer one is there;
 * - at most `LIMIT` lines are held, the newest: all of them are in the transcript.
 */

/** Lines, and translations whose line is not known yet. */
export const LIMIT = 400;

export class BotLines {
  /** segment -> line */
  #lines = new Map();
  /** segment -> language -> {revision, text, isGrowing} */
  #translations = new Map();
  /** Key of a speaker -> number, from 0 in order of appearance. */
  #speakers = new Map();
  /** Names that were changed after they were shown. */
  #renamed = 0;

  /** The lines, earliest first. */
  get all() {
    return [...this.#lines.values()].sort((a, b) => a.start - b.start || (a.segment < b.segment ? -1 : 1));
  }

  /** The line of a segment, or null. */
  get(segment) {
    return this.#lines.get(segment) ?? null;
  }

  get size() {
    return this.#lines.size;
  }

  get renamed() {
    return this.#renamed;
  }

  /** Apply the lines of a state (LineShown of orch/bots/shown.py). Returns the segments that are new or changed. */
  show(lines) {
    const changed = [];
    for (const line of lines) {
      const known = this.#lines.get(line.segment);
      if (known !== undefined && (known.revision > line.revision || same(known, line))) continue;
      if (known !== undefined && known.speaker !== null && known.speaker !== line.speaker) this.#renamed += 1;
      this.#lines.set(line.segment, line);
      if (line.speaker !== null) this.#number(line);
      changed.push(line.segment);
    }
    this.#bound();
    return changed;
  }

  /** Add stored lines, and the translations that they have; of equal revisions what is known is newer. */
  recall(lines) {
    const newer = ({ segment, revision }) => (this.#lines.get(segment)?.revision ?? -1) < revision;
    this.show(lines.filter(newer));
    for (const { segment, revision, translations } of lines) {
      for (const [language, text] of Object.entries(translations)) this.translate({ segment_id: segment, target_language: language, revision, text });
    }
  }

  /** Apply a `translation` message of the bot's session. Returns its segment, or null where nothing changed. */
  translate({ segment_id: segment, target_language: language, revision, text, error = null, growing = false }) {
    if (error !== null) return null;
    const known = this.#translations.get(segment) ?? new Map();
    const last = known.get(language);
    if (last !== undefined && (last.revision > revision || (last.revision === revision && last.text === text) || (growing && !last.isGrowing))) return null;
    known.set(language, { revision, text, isGrowing: growing });
    this.#translations.delete(segment);
    this.#translations.set(segment, known);
    while (this.#translations.size > LIMIT) this.#translations.delete(this.#translations.keys().next().value);
    return this.#lines.has(segment) ? segment : null;
  }

  /** The speaker's number, from 0 in order of appearance; null where the name is withheld. */
  speakerNumber(line) {
    return line.speaker === null ? null : this.#number(line);
  }

  /**
   * A line as a reader of `language` sees it (null: as it was spoken): {text, language, original, isAwaited}; `original`:
   * what was spoken, where `text` is a translation; `isAwaited`: the translation is not there yet.
   */
  read(line, language, isSame) {
    const spoken = { text: line.text, language: line.language, original: null, isAwaited: false };
    if (language === null || (line.language !== null && isSame(line.language, language))) return spoken;
    const translation = this.#translation(line, language, isSame);
    if (translation === null) return { ...spoken, isAwaited: true };
    return { text: translation, language, original: line.text === translation ? null : line.text, isAwaited: false };
  }

  clear() {
    for (const held of [this.#lines, this.#translations, this.#speakers]) held.clear();
    this.#renamed = 0;
  }

  #translation(line, language, isSame) {
    const messages = [...(this.#translations.get(line.segment) ?? [])].find(([code]) => isSame(code, language))?.[1];
    const stated = Object.entries(line.translations).find(([code]) => isSame(code, language))?.[1];
    if (messages === undefined) return stated ?? null;
    return stated !== undefined && messages.revision < line.revision ? stated : messages.text;
  }

  #number({ speaker, speaker_id: id }) {
    const key = id ?? speaker;
    if (!this.#speakers.has(key)) this.#speakers.set(key, this.#speakers.size);
    return this.#speakers.get(key);
  }

  #bound() {
    if (this.#lines.size <= LIMIT) return;
    for (const { segment } of this.all.slice(0, this.#lines.size - LIMIT)) {
      this.#lines.delete(segment);
      this.#translations.delete(segment);
    }
  }
}

const FIELDS = ["revision", "is_final", "text", "start", "end", "speaker", "speaker_id", "language", "confidence"];

function same(one, other) {
  if (FIELDS.some((field) => one[field] !== other[field])) return false;
  const [ours, theirs] = [one.translations, other.translations].map(Object.entries);
  return ours.length === theirs.length && theirs.every(([code, text]) => one.translations[code] === text);
}
