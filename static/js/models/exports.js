/**
 * A transcript as a file: TXT, SRT, WebVTT, JSON. Pure.
 *
 * Lines are those of models/captions.js. Times count from `zero`, the start of the session's earliest stream.
 * Final lines and given-up gaps are written; what is still growing is not. Each line carries the translations
 * that there are into `languages`, under the original.
 */

/** What each format is called: {label, extension, type}. */
export const FORMATS = Object.freeze({
  txt: { label: "TXT", extension: "txt", type: "text/plain;charset=utf-8", write: toTxt },
  srt: { label: "SRT", extension: "srt", type: "application/x-subrip;charset=utf-8", write: toSrt },
  vtt: { label: "VTT", extension: "vtt", type: "text/vtt;charset=utf-8", write: toVtt },
  json: { label: "JSON", extension: "json", type: "application/json", write: toJson },
});

/** The lines that a file has: those with final text, and gaps, in words. */
export function exportable(lines) {
  return lines.filter((line) => line.error || (line.final && line.text.trim() !== ""));
}

/** {start, end} in seconds from `zero`, to the millisecond. */
function seconds(line, zero) {
  const start = Math.max(0, Math.round(line.at - zero));
  // A cue that ends before it begins is not shown by any player.
  const end = Math.max(start + 1, Math.round(line.endAt - zero));
  return { start: start / 1000, end: end / 1000 };
}

/** 3725.5 -> "01:02:05<mark>500". */
export function stamp(value, mark) {
  const milliseconds = Math.round(value * 1000);
  const pad = (number, width = 2) => String(number).padStart(width, "0");
  const [hours, minutes, rest] = [Math.floor(milliseconds / 3_600_000), Math.floor(milliseconds / 60_000) % 60, milliseconds % 60_000];
  return `${pad(hours)}:${pad(minutes)}:${pad(Math.floor(rest / 1000))}${mark}${pad(rest % 1000, 3)}`;
}

/** One line of text: a cue ends at an empty line, so that none may hold one. */
function flat(text) {
  return text.replace(/\s+/gu, " ").trim();
}

function spoken(line) {
  return line.error ? `[${flat(line.error.detail)}]` : flat(line.text);
}

function translations(line, languages) {
  return languages
    .map((language) => [language, line.translations.get(language)])
    .filter(([language, translation]) => translation && !translation.error && translation.text.trim() !== "" && language !== line.language)
    .map(([language, { text }]) => [language, flat(text)]);
}

function zeroOf(lines) {
  return lines.reduce((zero, { streamStarted }) => Math.min(zero, streamStarted), Infinity);
}

/** A reader's text: time, speaker, words; translations indented under them. */
export function toTxt(lines, { languages = [], zero = zeroOf(lines) } = {}) {
  const blocks = exportable(lines).map((line) => {
    const who = line.speaker ? `${flat(line.speaker)}: ` : "";
    const [time] = stamp(seconds(line, zero).start, ".").split(".");
    const under = translations(line, languages).map(([language, text]) => `    ${language}: ${text}`);
    return [`[${time}] ${who}${spoken(line)}`, ...under].join("\n");
  });
  return blocks.length > 0 ? `${blocks.join("\n")}\n` : "";
}

/** SubRip. `-->` in a text would be read as a time. */
export function toSrt(lines, { languages = [], zero = zeroOf(lines) } = {}) {
  return exportable(lines)
    .map((line, index) => {
      const { start, end } = seconds(line, zero);
      const who = line.speaker ? `${flat(line.speaker)}: ` : "";
      const text = [`${who}${spoken(line)}`, ...translations(line, languages).map(([, words]) => words)];
      return `${index + 1}\n${stamp(start, ",")} --> ${stamp(end, ",")}\n${text.join("\n").replaceAll("-->", "→")}\n`;
    })
    .join("\n");
}

function escapeVtt(text) {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

/** WebVTT; who speaks is a voice span. */
export function toVtt(lines, { languages = [], zero = zeroOf(lines) } = {}) {
  const cues = exportable(lines).map((line) => {
    const { start, end } = seconds(line, zero);
    const words = [spoken(line), ...translations(line, languages).map(([, text]) => text)].map(escapeVtt).join("\n");
    const text = line.speaker ? `<v ${escapeVtt(flat(line.speaker))}>${words}` : words;
    return `${stamp(start, ".")} --> ${stamp(end, ".")}\n${text}\n`;
  });
  return `WEBVTT\n\n${cues.join("\n")}`;
}

/** Everything that is known of each line; times in seconds from `started`. */
export function toJson(lines, { languages = [], zero = zeroOf(lines), session_id = null } = {}) {
  const document = {
    session_id,
    started: Number.isFinite(zero) ? new Date(zero).toISOString() : null,
    lines: exportable(lines).map((line) => ({
      segment_id: line.id,
      offset: line.offset,
      ...seconds(line, zero),
      speaker: line.speaker,
      participant_id: line.participantId,
      language: line.language,
      text: line.text,
      confidence: line.confidence,
      words: line.words,
      error: line.error,
      translations: Object.fromEntries(
        languages
          .filter((language) => line.translations.has(language))
          .map((language) => {
            const { text, confidence, error } = line.translations.get(language);
            return [language, { text, confidence, error }];
          }),
      ),
    })),
  };
  return `${JSON.stringify(document, null, 2)}\n`;
}

/** A file's name: "translation-budget-7f3k.srt". */
export function fileName(session_id, format) {
  return `translation-${session_id}.${FORMATS[format].extension}`;
}
