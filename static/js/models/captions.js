/**
 * A session's transcript, as lines in the order of speech.
 *
 * Pure: the session's messages go in, in any order and any number of times; each segment is one line. Rules:
 * - a later revision replaces an earlier one, never the other way round; a final text is replaced only by a
 *   later final text;
 * - a marked gap (`error`) never replaces text that is final, and any final text replaces a gap;
 * - the translation of a growing line stays until that of the final comes, which continues it or says that it corrects;
 * - a translation belongs to its segment, whether it arrives before or after the transcript; those of a text that was
 *   corrected or deleted are dropped;
 * - all lines of a participant carry the newest name; those of several people at one microphone the name that was given
 *   to their label; those of a meeting the speaker that the service has found by now;
 * - the lines of several streams share one time axis: `stream_started` (epoch ms) + `start` (s); those of a
 *   recording stay together.
 */

import { speakerName } from "./speaker-names.js";

/** Translations stored for segments without a transcript; past the limit the oldest is dropped. */
const ORPHAN_LIMIT = 500;
/** Labels for segments without a transcript; past the limit the oldest is dropped. */
const LABEL_LIMIT = 500;
/** Speakers of a meeting for segments without a transcript; past the limit the oldest is dropped. */
const ATTRIBUTION_LIMIT = 500;

/** A line of which only the id is known. */
function blank(id) {
  return {
    id, revision: -1, final: false, text: "", language: null, confidence: null, start: 0, end: 0, streamStarted: 0,
    at: 0, endAt: 0, speaker: null, speakerLabel: null, participantId: null, words: [], settled: 0, corrects: false, edited: null, error: null, offset: null, timestamp: 0, recording: false,
    translations: new Map(), growing: new Map(),
  };
}

/** The id of a line's stream. */
export function streamOf(id) {
  return id.slice(0, Math.max(0, id.lastIndexOf("-")));
}

/** The order of lines: those of a recording stay together, from where it began; others are by time of speech. */
function order(a, b) {
  const [one, other] = [a, b].map(({ recording, streamStarted, at }) => (recording ? streamStarted : at));
  return one - other || a.at - b.at;
}

function replacesTranscript(next, line) {
  if (line.revision < 0) return true;
  const sealed = line.final && !line.error;
  // Of two edits of one version the later one counts.
  if (sealed && next.edited && next.revision === line.revision) return next.offset > line.offset;
  if (sealed) return next.final && !next.error && next.revision > line.revision;
  if (next.final && !next.error) return true;
  if (next.revision !== line.revision) return next.revision > line.revision;
  if (line.error && next.error) return next.error.final && !line.error.final;
  if (line.error) return true;
  return Boolean(next.error) && !line.final;
}

function replacesTranslation(next, current) {
  if (!current) return true;
  if (next.revision !== current.revision) return next.revision > current.revision;
  if (!current.error) return false;
  return !next.error || next.error.code !== current.error.code || next.error.detail !== current.error.detail;
}

/** Whether an exported transcript contains the line: its text is final, or it is a gap. */
export function isExportable(line) {
  return Boolean(line.error) || (line.final && line.text.trim() !== "");
}

export class Captions {
  /** The recordings that have lines: stream -> name. Read only. */
  recordings = new Map();

  #texts;
  #lines = [];
  #exportable = 0;
  #byId = new Map();
  #orphans = new Map();
  #spoken = new Set();
  #translated = new Set();
  #speakers = new Map();
  /** participant -> {name, timestamp}: the newest name. */
  #names = new Map();
  /** label -> {name, timestamp}: the newest name of a speaker at a shared microphone. */
  #given = new Map();
  /** segment -> label: corrections that came before their segment. */
  #labels = new Map();
  /** segment -> {revision, speaker}: who said it in a meeting, as last published. */
  #attributions = new Map();

  /** `texts`: those of the page's language, for the names of people at one microphone who have none; required where there are any. */
  constructor({ texts } = {}) {
    this.#texts = texts;
  }

  /** The lines, earliest first. Do not change them. */
  get lines() {
    return this.#lines;
  }

  /** The number of lines in an exported transcript. */
  get exportable() {
    return this.#exportable;
  }

  /** The index of a line in `lines`, or -1. */
  indexOf(line) {
    for (let index = this.#after(line) - 1; index >= 0 && order(this.#lines[index], line) === 0; index -= 1) {
      if (this.#lines[index] === line) return index;
    }
    return -1;
  }

  /** Lines whose text is final. */
  get finished() {
    return this.#lines.filter(({ final, error, text }) => final && !error && text !== "");
  }

  get(id) {
    return this.#byId.get(id) ?? null;
  }

  /** The spoken languages and the languages translated to, in the order they appeared. */
  get languages() {
    return { spoken: [...this.#spoken], translated: [...this.#translated] };
  }

  /** The start of the time axis: that of the earliest stream, epoch ms; null without lines. */
  get zero() {
    let zero = null;
    for (const { streamStarted } of this.#lines) if (zero === null || streamStarted < zero) zero = streamStarted;
    return zero;
  }

  /** The speaker's number, from 0 in order of appearance, so that each speaker has one colour. */
  speakerNumber(line) {
    return this.#speakers.get(speakerKey(line)) ?? 0;
  }

  /** Apply a message. Returns the line that it changed, or null: of another kind, older, or known already. */
  apply(message) {
    if (message.type === "transcript") return this.#transcript(message);
    if (message.type === "translation") return this.#translation(message);
    if (message.type === "participant_renamed") this.name(message.participant_id, message.name, message.timestamp);
    if (message.type === "speaker_named") this.#nameLabel(message);
    if (message.type === "speaker_identified") return this.#identify(message);
    if (message.type === "attribution") return this.#attribute(message);
    return null;
  }

  /** How often an existing line was given another name. */
  renamed = 0;

  /** Apply a participant's name of `timestamp` to all lines. */
  name(participantId, name, timestamp) {
    const known = this.#names.get(participantId);
    if (known && known.timestamp > timestamp) return;
    this.#names.set(participantId, { name, timestamp });
    if (known?.name === name) return;
    for (const line of this.#lines) {
      if (line.participantId !== participantId || line.speakerLabel !== null || line.speaker === name) continue;
      line.speaker = name;
      this.renamed += 1;
    }
  }

  /** The name given to a label, or "". */
  nameOfLabel(label) {
    return this.#given.get(label)?.name ?? "";
  }

  #nameLabel({ speaker_label: label, name, timestamp }) {
    const known = this.#given.get(label);
    if (known && known.timestamp > timestamp) return;
    this.#given.set(label, { name, timestamp });
    for (const line of this.#lines) {
      if (line.speakerLabel !== label) continue;
      const before = line.speaker;
      this.#label(line, label);
      if (line.speaker !== before) this.renamed += 1;
    }
  }

  /** Apply the label of an earlier line. Returns the line that it changed, or null. */
  #identify({ segment_id, speaker_label: label }) {
    const line = this.#byId.get(segment_id);
    this.#labels.delete(segment_id);
    this.#labels.set(segment_id, label);
    if (this.#labels.size > LABEL_LIMIT) this.#labels.delete(this.#labels.keys().next().value);
    if (!line || line.speakerLabel === label) return null;
    this.#label(line, label);
    this.#numberSpeaker(line);
    return line;
  }

  /** Apply who said a line in a meeting. Returns the line that it changed, or null. */
  #attribute({ segment_id, revision, speaker }) {
    const known = this.#attributions.get(segment_id);
    if (known && known.revision >= revision) return null;
    this.#attributions.delete(segment_id);
    this.#attributions.set(segment_id, { revision, speaker });
    if (this.#attributions.size > ATTRIBUTION_LIMIT) this.#attributions.delete(this.#attributions.keys().next().value);
    const line = this.#byId.get(segment_id);
    if (!line || line.speaker === speaker) return null;
    line.speaker = speaker;
    this.#numberSpeaker(line);
    return line;
  }

  #label(line, label) {
    line.speakerLabel = label;
    line.speaker = speakerName(label, this.nameOfLabel(label), this.#texts);
  }

  #numberSpeaker(line) {
    const key = speakerKey(line);
    if (!this.#speakers.has(key)) this.#speakers.set(key, this.#speakers.size);
  }

  /** Remove everything, before a history is loaded again. */
  clear() {
    this.#lines = [];
    this.#exportable = 0;
    for (const collection of [this.recordings, this.#byId, this.#orphans, this.#spoken, this.#translated, this.#speakers, this.#names, this.#given, this.#labels, this.#attributions]) collection.clear();
  }

  #transcript(message) {
    const line = this.#byId.get(message.segment_id) ?? blank(message.segment_id);
    if (!replacesTranscript(message, line)) {
      // The same line again, in the history of a new epoch: only its offset changes.
      if (message.offset === undefined || message.revision !== line.revision || message.offset === line.offset || message.text !== line.text) return null;
      line.offset = message.offset;
      return line;
    }
    if (line.revision < 0) this.#adopt(line);
    else this.#lines.splice(this.indexOf(line), 1);
    if (isExportable(line)) this.#exportable -= 1;
    Object.assign(line, {
      revision: message.revision,
      final: message.final,
      text: message.text,
      language: message.language,
      confidence: message.confidence,
      start: message.start,
      end: message.end,
      streamStarted: message.stream_started,
      at: message.stream_started + message.start * 1000,
      endAt: message.stream_started + message.end * 1000,
      speaker: message.speaker ?? null,
      speakerLabel: null,
      participantId: message.participant_id ?? null,
      words: message.words ?? [],
      settled: message.settled ?? 0,
      corrects: message.corrects === true,
      edited: message.edited ?? null,
      error: message.error ?? null,
      offset: message.offset ?? line.offset,
      timestamp: message.timestamp,
      recording: message.recording === true,
    });
    if (line.participantId && line.speaker) {
      this.name(line.participantId, line.speaker, message.timestamp);
      line.speaker = this.#names.get(line.participantId).name;
    }
    if (line.edited) this.#dropTranslations(line);
    if (line.recording) this.recordings.set(streamOf(line.id), line.speaker || "A recording");
    const label = line.final ? this.#labels.get(line.id) ?? message.speaker_label : message.speaker_label;
    if (label !== undefined) this.#label(line, label);
    const attributed = line.final ? this.#attributions.get(line.id) : undefined;
    if (attributed !== undefined) line.speaker = attributed.speaker;
    if (line.language) this.#spoken.add(line.language);
    this.#numberSpeaker(line);
    if (isExportable(line)) this.#exportable += 1;
    this.#lines.splice(this.#after(line), 0, line);
    return line;
  }

  /** The translations of a text that was corrected or deleted. */
  #dropTranslations(line) {
    for (const [language, { revision }] of line.translations) if (revision < line.revision) line.translations.delete(language);
  }

  #adopt(line) {
    this.#byId.set(line.id, line);
    const orphans = this.#orphans.get(line.id);
    this.#orphans.delete(line.id);
    if (orphans) line.translations = orphans;
  }

  /** The index where a line is inserted: after all that are not later. New lines are mostly last. */
  #after(line) {
    const lines = this.#lines;
    if (lines.length === 0 || order(lines.at(-1), line) <= 0) return lines.length;
    let [low, high] = [0, lines.length - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (order(lines[middle], line) <= 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #translation(message) {
    const line = this.#byId.get(message.segment_id);
    if (message.growing === true) return this.#growingTranslation(line, message);
    line?.growing.delete(message.target_language);
    const translations = line?.translations ?? this.#orphansOf(message.segment_id);
    const current = translations.get(message.target_language);
    if (!replacesTranslation(message, current) || (line?.edited && message.revision < line.revision)) return null;
    translations.set(message.target_language, {
      revision: message.revision,
      text: message.text,
      confidence: message.confidence,
      error: message.error ?? null,
      corrects: message.corrects === true,
      offset: message.offset ?? null,
    });
    this.#translated.add(message.target_language);
    return line ?? null;
  }

  /** The translation of a growing line's beginning: each one continues the one before. It is not part of an export. */
  #growingTranslation(line, { target_language, revision, text, words }) {
    if (!line || line.final || line.translations.has(target_language)) return null;
    const known = line.growing.get(target_language);
    if (known && (known.revision > revision || known.words >= words)) return null;
    line.growing.set(target_language, { revision, text, words });
    return line;
  }

  #orphansOf(id) {
    const known = this.#orphans.get(id);
    if (known) return known;
    if (this.#orphans.size >= ORPHAN_LIMIT) this.#orphans.delete(this.#orphans.keys().next().value);
    const translations = new Map();
    this.#orphans.set(id, translations);
    return translations;
  }
}

function speakerKey({ participantId, speaker, speakerLabel }) {
  if (speakerLabel !== null) return `\t${speakerLabel}`;
  return participantId ?? `\n${speaker ?? ""}`;
}
