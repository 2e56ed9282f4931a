/**
 * A transcript as a file: TXT, SubRip, WebVTT, JSON. Pure.
 *
 * What is on the screen, by the rules of the service's own export (orch/speech/exports.py; a test compares them).
 * Lines are those of models/captions.js. Times count from `zero`, the start of the session's earliest stream.
 * Final lines, and gaps in brackets, are written; what is still growing is not. The translations into `languages`
 * stand under the original. `texts`: those of the reader's language, for the words of the file itself.
 */

import { isExportable, streamOf } from "./captions.js";
import { apart, cues, flat, round } from "./cues.js";
import { closest, isSameLanguage } from "./languages.js";

export { streamOf };

/** What each format is called: {label, extension, type, write}. */
export const FORMATS = Object.freeze({
  txt: { label: "TXT", extension: "txt", type: "text/plain;charset=utf-8", write: toTxt },
  srt: { label: "SRT", extension: "srt", type: "application/x-subrip;charset=utf-8", write: toSrt },
  vtt: { label: "VTT", extension: "vtt", type: "text/vtt;charset=utf-8", write: toVtt },
  json: { label: "JSON", extension: "json", type: "application/json", write: toJson },
});

/** The lines that a file has: those with final text, and gaps, in words. */
export function exportable(lines) {
  return lines.filter(isExportable);
}

/** What a file says of each line: whole milliseconds from `zero`, and the texts that are shown. */
function rows(lines, { languages = [], zero = zeroOf(lines), texts }) {
  const begins = beginsOf(lines, zero);
  return exportable(lines)
    .map((line) => {
      const stream = begins.get(streamOf(line.id));
      const start = stream + round(line.start * 1000);
      const end = Math.max(start + 1, stream + round(line.end * 1000));
      const original = line.error ? `[${flat(texts.coded(line.error))}]` : flat(line.text);
      const speaker = line.speaker || null;
      const block = line.recording ? stream : start;
      return { line, block, stream, start, end, original, speaker, words: line.words, said: [original, ...translations(line, languages)] };
    })
    .sort((a, b) => a.block - b.block || a.start - b.start);
}

/** When each stream begins, ms from `zero`: recordings one after the other, speech as it was. */
function beginsOf(lines, zero) {
  const begins = new Map();
  const lengths = new Map();
  for (const { id, streamStarted, recording, end, final, error } of lines) {
    const stream = streamOf(id);
    if (!begins.has(stream)) begins.set(stream, round(streamStarted - zero));
    if (recording && (final || error)) lengths.set(stream, Math.max(lengths.get(stream) ?? 0, round(end * 1000)));
  }
  let free = 0;
  for (const stream of [...lengths.keys()].sort((a, b) => begins.get(a) - begins.get(b))) {
    begins.set(stream, Math.max(begins.get(stream), free));
    free = begins.get(stream) + lengths.get(stream);
  }
  return begins;
}

function translations(line, languages) {
  if (line.error) return [];
  return languages
    .filter((language) => !(line.language && isSameLanguage(line.language, language)))
    .map((language) => translation(line, language))
    .filter((text) => text !== "");
}

/** The translation into a language, also by another region's code of it; "" without one. */
function translation(line, language) {
  const found = line.translations.get(closest(language, [...line.translations.keys()]));
  return !found || found.error ? "" : flat(found.text);
}

function zeroOf(lines) {
  return lines.reduce((zero, { streamStarted }) => Math.min(zero, streamStarted), Infinity);
}

/** 3725500 ms -> "01:02:05<mark>500". */
export function stamp(milliseconds, mark) {
  const pad = (number, digits = 2) => String(number).padStart(digits, "0");
  const [hours, minutes, rest] = [Math.floor(milliseconds / 3_600_000), Math.floor(milliseconds / 60_000) % 60, milliseconds % 60_000];
  return `${pad(hours)}:${pad(minutes)}:${pad(Math.floor(rest / 1000))}${mark}${pad(rest % 1000, 3)}`;
}

const who = (speaker) => (speaker ? `${flat(speaker)}: ` : "");

/**
 * A reader's text: time, speaker, words; translations indented under them. With a `session_id`, its head has the
 * session's `title`, its name, when it began and who spoke.
 */
export function toTxt(lines, options = {}) {
  const all = rows(lines, options);
  const out = all.flatMap(({ start, speaker, said: [first, ...more] }) => {
    const [time] = stamp(start, ".").split(".");
    return [`[${time}] ${who(speaker)}${first}`, ...more.map((text) => `    ${text}`)];
  });
  if (out.length > 0 && options.session_id) out.unshift(...head(all, options, options.zero ?? zeroOf(lines)));
  return out.map((row) => `${row}\n`).join("");
}

function head(all, { session_id, title = "", texts }, zero) {
  const names = [...new Set(all.filter(({ speaker }) => speaker).map(({ speaker }) => flat(speaker)))];
  return [
    ...(title === "" ? [] : [`${texts.text("file.title")} ${flat(title)}`]),
    `${texts.text("file.session")} ${session_id}`,
    `${texts.text("file.started")} ${new Date(zero).toISOString().slice(0, 19).replace("T", " ")} UTC`,
    ...(names.length > 0 ? [`${texts.text("file.participants")} ${names.join(", ")}`] : []),
    "",
  ];
}

/** SubRip. No cue overlaps another, and nothing in a text is read as markup. */
export function toSrt(lines, options = {}) {
  const all = rows(lines, options).flatMap((row) => cues(row, row.said, { name: who(row.speaker).trim() }));
  return apart(all)
    .map(({ start, end, texts }, index) => `${index + 1}\n${stamp(start, ",")} --> ${stamp(end, ",")}\n${literal(texts.flat().join("\n"))}\n`)
    .join("\n");
}

/**
 * Text that players of SubRip show as it is, though the format has no way to escape: a word joiner, which is not seen,
 * stands in what would begin markup. libass hides a pair of braces in any case, unless a backslash is before it.
 */
function literal(text) {
  return text.replace(/[<&{\\]|--(?=>)/gu, (found) => `${found === "{" ? "\\" : ""}${found}\u2060`);
}

const escaped = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

/** WebVTT. Who speaks is a voice span; cues may overlap, which the format provides for. */
export function toVtt(lines, options = {}) {
  const all = rows(lines, options).flatMap((row) => cues(row, row.said));
  const blocks = all
    .sort((a, b) => a.start - b.start)
    .map(({ start, end, texts, speaker }) => {
      const text = texts.flat().map(escaped).join("\n");
      return `${stamp(start, ".")} --> ${stamp(end, ".")}\n${speaker ? `<v ${escaped(flat(speaker))}>${text}</v>` : text}\n`;
    });
  // An arrow would begin the times of a cue.
  const title = flat(options.title ?? "").replaceAll("-->", "→");
  return [title === "" ? "WEBVTT\n" : `WEBVTT - ${title}\n`, ...blocks].join("\n");
}

/** Everything that is known of each line; times in seconds from `started`. */
export function toJson(lines, options = {}) {
  const { session_id = null, title = "", languages = [], zero = zeroOf(lines) } = options;
  const document = {
    session_id,
    title: title || null,
    started: Number.isFinite(zero) ? new Date(zero).toISOString() : null,
    lines: rows(lines, options).map(({ line, start, end }) => ({
      segment_id: line.id,
      start: start / 1000,
      end: end / 1000,
      speaker: line.speaker,
      participant_id: line.participantId,
      ...(line.speakerLabel === null || line.speakerLabel === undefined ? {} : { speaker_label: line.speakerLabel }),
      language: line.language,
      text: line.text,
      confidence: line.confidence,
      words: line.words,
      error: line.error,
      translations: Object.fromEntries(
        [...line.translations]
          .filter(([language]) => languages.length === 0 || languages.includes(language))
          .sort(([one], [other]) => (one < other ? -1 : 1))
          .map(([language, { text, confidence, error }]) => [language, { text, confidence, error }]),
      ),
    })),
  };
  return `${JSON.stringify(document, null, 2)}\n`;
}

/** Characters of a title in a file's name. */
const NAMED = 40;

/** A title for a file's name: its letters and digits, with a hyphen for all between them. */
const named = (title) => [...title.replace(/[^\p{L}\p{M}\p{N}]+/gu, " ").trim().replaceAll(" ", "-")].slice(0, NAMED).join("").replace(/-+$/, "");

/** A file's name: "translation-budget-7f3k.srt", with a title "Plan-2027-budget-7f3k.srt". */
export function fileName(session_id, format, { stream = "", title = "" } = {}) {
  return `${named(title) || "translation"}-${session_id}${stream === "" ? "" : `-${stream}`}.${FORMATS[format]?.extension ?? format}`;
}
