/** The files of a bot that can be downloaded, as links. Pure. */

import { languageName } from "./languages.js";
import { bytes, duration } from "./number-format.js";

const FORMATS = [
  ["txt", "Text"],
  ["srt", "Subtitles (SRT)"],
  ["vtt", "Subtitles (WebVTT)"],
  ["json", "JSON"],
];

/** Links to the transcript: [{label, href, language}]; first as it was spoken, then in each of `languages`. */
export function transcriptFiles(id, languages) {
  const base = `/api/bots/${encodeURIComponent(id)}/transcript`;
  return [null, ...languages].flatMap((language) =>
    FORMATS.map(([format, label]) => ({ label, language, href: `${base}?${new URLSearchParams({ format, ...(language === null ? {} : { language }) })}` })),
  );
}

/** The name of a row of transcripts. */
export const transcriptTitle = (language) => (language === null ? "Transcript, as spoken" : `Translated into ${languageName(language)}`);

/** A recorded file in words: {label, note}. `file`: one of GET /api/bots/ID/recording. */
export function recordingText({ speaker_name: name = null, duration_seconds: seconds, file_size: size, file_format: format }) {
  return { label: name === null ? "Everyone together" : name, note: `${duration(seconds)}, ${bytes(size)}, ${String(format).toUpperCase()}` };
}
