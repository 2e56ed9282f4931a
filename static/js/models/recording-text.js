/** The text of a recording's card. Pure: an entry in, {text, tone, progress, canCancel} out. */

import { waitsFor } from "./translation-text.js";

/** A complete recording may be a little shorter than its header says: encoders count their padding. */
const SHORT = { seconds: 0.25, share: 0.01 };

const isShort = (entry) => entry.length !== null && entry.heard !== null && entry.heard < entry.length * (1 - SHORT.share) - SHORT.seconds;

/** English counts tracks in words. */
const ORDINALS = ["first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth"];

/** The entry of a recording that was just chosen. */
export function entryOf(name) {
  return { name, phase: "waiting", share: 0, interrupted: "", written: 0, length: null, heard: null, spoken: null, tracks: null, track: null, stream_id: null, lost: 0, waitingFor: null, problem: null, isBroken: false, isFound: false };
}

/** The entry of a file that was uploaded in part before the page was left. */
export function unfinished({ name, size, url, offset }) {
  return { ...entryOf(name), phase: "unfinished", share: offset / size, url };
}

/** The entry of a recording that the service already transcribes (`GET /api/sessions/ID/recordings`). */
export function found({ stream_id, name, seconds: length }, texts) {
  return { ...entryOf(name ?? texts.text("recording.unnamed")), phase: "reading", stream_id, length: length ?? null, isFound: true };
}

/** The entry after `audio_ended`. */
export function ended(entry, message) {
  return {
    ...entry,
    phase: message.cancelled ? "cancelled" : "done",
    lost: message.lost_seconds,
    heard: message.seconds,
    spoken: message.speech_seconds ?? null,
    tracks: message.tracks ?? entry.tracks,
    track: message.track ?? entry.track,
  };
}

/** The state of a recording. A length that the recording does not give is not shown. */
export function recordingState(entry, texts) {
  const { share, written } = entry;
  switch (entry.phase) {
    case "waiting":
      return { text: texts.text("recording.waiting"), tone: "", progress: 0, canCancel: true };
    case "unfinished":
      return { text: texts.text("recording.unfinished", { share: Math.floor(share * 100) }), tone: "warn", progress: share, canCancel: true };
    case "uploading":
      return { ...uploading(entry, texts), canCancel: true };
    case "reading":
      if (entry.isFound && written === 0) return { text: texts.text("recording.reading"), tone: "", progress: null, canCancel: true };
      return { text: reading(entry, texts), tone: "", progress: entry.length > 0 ? Math.min(1, written / entry.length) : null, canCancel: true };
    case "cancelling":
      return { text: texts.text("recording.cancelling"), tone: "", progress: null, canCancel: false };
    case "cancelled": {
      const text = entry.isFound && written === 0 ? texts.text("recording.cancelled") : texts.text("recording.cancelled_after", { seconds: texts.seconds(written) });
      return { text, tone: "warn", progress: undefined, canCancel: false };
    }
    default:
      return { ...finished(entry, texts), progress: undefined, canCancel: false };
  }
}

function uploading({ share, interrupted: why }, texts) {
  // Whole tenths: a screen reader reads every change.
  const tenths = Math.floor(share * 10) * 10;
  if (why !== "") return { text: share < 1 ? texts.text("recording.uploading_waits", { share: tenths, why }) : texts.text("recording.uploaded_waits", { why }), tone: "warn", progress: share };
  if (share < 1) return { text: texts.text("recording.uploading", { share: tenths }), tone: "", progress: share };
  return { text: texts.text("recording.uploaded"), tone: "", progress: null };
}

function reading({ written, length, waitingFor }, texts) {
  const seconds = texts.seconds(written);
  const text = length === null ? texts.text("recording.transcribed", { seconds }) : texts.text("recording.transcribed_of", { seconds, whole: texts.seconds(length) });
  return waitingFor ? texts.text("recording.rest_waits", { text, for: waitsFor(waitingFor, texts) }) : text;
}

function finished(entry, texts) {
  const { written, length, lost, heard, spoken, problem, isBroken } = entry;
  const of = (seconds) => (length === null ? texts.seconds(seconds) : texts.text("recording.of", { seconds: texts.seconds(seconds), whole: texts.seconds(length) }));
  if (isBroken && length === null) return { text: texts.text("recording.done_known", { seconds: texts.seconds(written) }), tone: "warn" };
  if (isBroken) return { text: texts.text("recording.stopped_again", { seconds: of(written) }), tone: "warn" };
  if (problem !== null) return { text: texts.text("recording.stopped", { seconds: of(heard ?? written), why: texts.coded(problem) }), tone: "warn" };
  const read = texts.seconds(heard ?? length ?? written);
  if (spoken === 0 && lost === 0) return { text: withTrack(texts.text("recording.no_speech", { seconds: read }), entry, texts), tone: "warn" };
  if (lost > 0) return { text: withTrack(texts.text("recording.partly", { seconds: texts.seconds(lost), whole: read }), entry, texts), tone: "warn" };
  if (isShort(entry)) return { text: withTrack(texts.text("recording.damaged", { seconds: of(heard) }), entry, texts), tone: "warn" };
  return { text: withTrack(texts.text("recording.done", { seconds: read }), entry, texts), tone: "" };
}

/** `text`, followed by which of several sound tracks was transcribed. */
function withTrack(text, { tracks, track }, texts) {
  if (!tracks || tracks < 2) return text;
  const which = texts.language === "en" ? (ORDINALS[track - 1] ?? `${track}th`) : texts.number(track);
  return texts.text("recording.track", { text, tracks, track: which });
}
