/** The files of a bot that can be downloaded, as links. Pure. */

import { languageName } from "./languages.js";
import { bytes, duration } from "./number-format.js";

const FORMATS = [
  ["txt", "Text"],
  ["srt", "SRT"],
  ["vtt", "WebVTT"],
];

/** Links to the transcript: [{label, href}], as it was spoken (`language`: null), or translated. */
export function transcriptFiles(id, language) {
  const base = `/api/bots/${encodeURIComponent(id)}`;
  const chosen = language === null ? {} : { languages: language, original: "false" };
  const json = language === null ? `${base}/transcript?limit=500` : `${base}/translations?${new URLSearchParams({ language, limit: "500" })}`;
  return [...FORMATS.map(([format, label]) => ({ label, href: `${base}/transcript?${new URLSearchParams({ format, ...chosen })}` })), { label: "JSON, by page", href: json }];
}

/** The name of a row of transcripts. */
export const transcriptTitle = (language) => (language === null ? "Transcript, as spoken" : `Translated into ${languageName(language)}`);

/** A recorded file in words: {label, note}. `file`: one of GET /api/bots/ID/recording. */
export function recordingText({ speaker_name: name = null, duration_seconds: seconds, file_size: size, file_format: format }) {
  return { label: name === null ? "Everyone together" : name, note: `${duration(seconds)}, ${bytes(size)}, ${String(format).toUpperCase()}` };
}
