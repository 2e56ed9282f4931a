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

const KINDS = { channel: "A track that several share", meeting: "The meeting's own sound", signals: "Raw signals", speaker: "A speaker without a name" };

/** A recorded file in words: {label, note}. `file`: one of GET /api/bots/ID/recording. */
export function recordingText({ speaker_name: name = null, duration_seconds: seconds, file_size: size, file_format: format, kind, processing_status: status, reason = null }) {
  const facts = [seconds > 0 && duration(seconds), bytes(size), String(format).toUpperCase()];
  if (status === "recording") facts.push("still being recorded");
  if (status === "incomplete") facts.push(reason === null ? "incomplete" : `incomplete: ${reason}`);
  return { label: name ?? KINDS[kind] ?? "Everyone together", note: facts.filter(Boolean).join(", ") };
}
