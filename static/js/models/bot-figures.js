/** How well a bot's words are attributed, what it received, and who spoke when. Pure. */

import { bytes, count, counted, duration, percent, UNKNOWN } from "./number-format.js";

/** Below this share of named words the attribution is weak. */
const WEAK = 0.6;
const GOOD = 0.85;

/** The quality of the attribution in words: {says, tone}. `quality`: QualityShown of orch/bots/shown.py; null: not known. */
export function qualityText(quality) {
  if (quality === null) return { says: "Not known right now.", tone: "quiet" };
  const { words, named, revised } = quality;
  if (words === 0) return { says: "No word has been transcribed yet.", tone: "quiet" };
  const share = named / words;
  const [says, tone] = share >= GOOD ? ["Nearly all words have a name.", "ok"] : share >= WEAK ? ["Most words have a name; where it is unsure who spoke, none is shown.", "ok"] : named > 0 ? ["Many words have no name: it is unsure who spoke them.", "warn"] : ["No word has a name yet: it is unsure who speaks.", "warn"];
  const changed = revised === 0 ? "" : revised === 1 ? " One name was corrected after it was shown." : ` ${count(revised)} names were corrected after they were shown.`;
  return { says: `${says}${changed}`, tone };
}

/** The quality as it is stored, of a bot that is not live here: the `quality` of GET /api/bots/ID/correlations. */
export function storedQuality({ words = 0, words_named: named = 0, names_revised: revised = 0, average_offset: offset = null }) {
  return { words, named, revised, offset, drift_ppm: null };
}

/** Participants as they are stored, of a bot that is not live here: `speakers` of GET /api/bots/ID/timeline. */
export function storedPeople(speakers, isOver) {
  return speakers.map(({ id, name, seconds, present }) => ({ id, name, is_present: isOver || present.at(-1)?.[1] === null, is_speaking: false, is_presenting: false, is_bot: false, spoke: seconds }));
}

/** The figures of the attribution: [[name, text]]. */
export function qualityFacts({ words, named, revised, offset, drift_ppm: drift }) {
  return [
    ["Words with a name", words === 0 ? UNKNOWN : `${percent(named / words)}, ${count(named)} of ${count(words)}`],
    ["Names corrected", count(revised)],
    ["Captions are late by", offset === null ? "not known" : offset < 0 ? `−${duration(-offset)} (they are early)` : duration(offset)],
    ["Drift of the clocks", drift === null ? "not known" : `${drift > 0 ? "+" : drift < 0 ? "−" : ""}${count(Math.abs(drift))} ppm`],
  ];
}

/** What arrived from the meeting: [[name, text]]. `media`: MediaShown. */
export function mediaFacts({ tracks, sound, lost, memory, processor }) {
  return [
    ["Tracks of sound", count(tracks)],
    ["Sound received", sound === 0 ? "none yet" : duration(sound)],
    ["Sound lost", lost === 0 ? "none" : `${duration(lost)}, marked as missing`],
    ["Memory of its browser", memory === null ? "not known" : bytes(memory)],
    ["Processor", processor === null ? "not known" : `${percent(processor)} of a core`],
  ];
}

/**
 * Who spoke when: rows of {key, name, number, seconds, spans: [[start, end]]}, in the order of their first words; the
 * words without a name last. Spans of one speaker that touch are one. `number(line)`: of the speaker's colour.
 */
export function speakerRows(lines, number) {
  const rows = new Map();
  for (const line of lines) {
    if (!(line.end > line.start)) continue;
    const key = line.speaker === null ? "" : (line.speaker_id ?? line.speaker);
    if (!rows.has(key)) rows.set(key, { key, name: line.speaker, number: number(line), spans: [] });
    const row = rows.get(key);
    row.name = line.speaker;
    const last = row.spans.at(-1);
    if (last !== undefined && line.start - last[1] < JOINED) last[1] = Math.max(last[1], line.end);
    else row.spans.push([line.start, line.end]);
  }
  const all = [...rows.values()].map((row) => ({ ...row, seconds: row.spans.reduce((sum, [start, end]) => sum + end - start, 0) }));
  return [...all.filter(({ key }) => key !== ""), ...all.filter(({ key }) => key === "")];
}

/**
 * The same from the stored timeline, which has all of the meeting: `speakers` {id, name, seconds, spoke: [[start, end]]},
 * where the end of a span that goes on is null; it lasts until `until`.
 */
export function storedRows(speakers, until, number) {
  return speakers
    .filter(({ spoke }) => spoke.length > 0)
    .map(({ id, name, spoke }) => {
      const spans = spoke.map(([start, end]) => [start, Math.max(start, end ?? until)]);
      return { key: id, name, number: number({ speaker: name, speaker_id: id }), spans, seconds: spans.reduce((sum, [start, end]) => sum + end - start, 0) };
    });
}

/** Seconds between two utterances of a speaker that are shown as one. */
const JOINED = 1;

/** The time axis of rows: {from, to} in seconds, null without any. */
export function axis(rows) {
  const spans = rows.flatMap((row) => row.spans);
  if (spans.length === 0) return null;
  const from = spans.reduce((least, [start]) => Math.min(least, start), Infinity);
  const to = spans.reduce((most, [, end]) => Math.max(most, end), 0);
  return { from: Math.max(0, from), to: Math.max(to, from + 1) };
}

/** The same in words, for those who do not see it. */
export function timelineText(rows) {
  if (rows.length === 0) return "Nobody has spoken yet.";
  return `${rows.map(({ name, seconds, spans }) => `${name ?? "Without a name"}: ${duration(seconds)} in ${counted(spans.length, "turn")}`).join("; ")}.`;
}

/** Where a moment of the meeting stands: "0:42", "12:05", "1:02:09". */
export function position(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const pad = (value) => String(value).padStart(2, "0");
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60), whole % 60];
  return h > 0 ? `${h}:${pad(m)}:${pad(s)}` : `${m}:${pad(s)}`;
}

/** Ticks of an axis: at most seven round moments. */
export function ticks({ from, to }) {
  const step = [5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200].find((each) => (to - from) / each <= 6) ?? 14_400;
  const found = [];
  for (let at = Math.ceil(from / step) * step; at <= to; at += step) found.push(at);
  return found;
}

/** A row of the participants: "Ann", "presenting, spoke 42 s". */
export function personText({ is_present: isPresent, is_speaking: isSpeaking, is_presenting: isPresenting, is_bot: isBot, spoke }) {
  return [isBot ? "a bot" : "", isPresent ? "" : "left", isSpeaking ? "speaking" : "", isPresenting ? "presenting" : "", spoke >= 0.5 ? `spoke ${duration(spoke)}` : ""].filter(Boolean).join(", ");
}
