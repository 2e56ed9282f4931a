/** The text of a recording's card. Pure: an entry in, {text, tone, progress, canCancel} out. */

import { WAITS_FOR, seconds } from "./translation-text.js";

/** A complete recording may be a little shorter than its header says: encoders count their padding. */
const SHORT = { seconds: 0.25, share: 0.01 };

const isShort = (entry) => entry.length !== null && entry.heard !== null && entry.heard < entry.length * (1 - SHORT.share) - SHORT.seconds;

const ORDINALS = ["first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth"];

/** "of 2 sound tracks the first was read"; "" for one track. */
export function tracksRead({ tracks, track }) {
  if (!tracks || tracks < 2) return "";
  return `of ${tracks} sound tracks the ${ORDINALS[track - 1] ?? `${track}th`} was transcribed`;
}

/** The entry of a recording that was just chosen. */
export function entryOf(name) {
  return { name, phase: "waiting", share: 0, interrupted: "", written: 0, length: null, heard: null, spoken: null, tracks: null, track: null, stream_id: null, lost: 0, waitingFor: null, problem: null, isBroken: false, isFound: false };
}

/** The entry of a file that was uploaded in part before the page was left. */
export function unfinished({ name, size, url, offset }) {
  return { ...entryOf(name), phase: "unfinished", share: offset / size, url };
}

/** The entry of a recording that the service already transcribes (`GET /api/sessions/ID/recordings`). */
export function found({ stream_id, name, seconds: length }) {
  return { ...entryOf(name ?? "A recording"), phase: "reading", stream_id, length: length ?? null, isFound: true };
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
export function recordingState(entry) {
  switch (entry.phase) {
    case "waiting":
      return { text: "Waiting for the previous one", tone: "", progress: 0, canCancel: true };
    case "unfinished":
      return { text: `${Math.floor(entry.share * 100)} % uploaded. Choose the file again to go on.`, tone: "warn", progress: entry.share, canCancel: true };
    case "uploading":
      if (entry.interrupted !== "") return { text: `${entry.share < 1 ? `Uploading, ${Math.floor(entry.share * 10) * 10} %` : "Uploaded"}. ${entry.interrupted} It goes on by itself.`, tone: "warn", progress: entry.share, canCancel: true };
      // Whole tenths: a screen reader reads every change.
      if (entry.share < 1) return { text: `Uploading, ${Math.floor(entry.share * 10) * 10} %`, tone: "", progress: entry.share, canCancel: true };
      return { text: "Uploaded; the service is checking it", tone: "", progress: null, canCancel: true };
    case "reading":
      if (entry.isFound && entry.written === 0) return { text: "Being transcribed", tone: "", progress: null, canCancel: true };
      return {
        text: `${seconds(entry.written)}${entry.length === null ? "" : ` of ${seconds(entry.length)}`} transcribed${entry.waitingFor ? `; the rest waits ${WAITS_FOR[entry.waitingFor] ?? `for ${entry.waitingFor}`}` : ""}`,
        tone: "",
        progress: entry.length > 0 ? Math.min(1, entry.written / entry.length) : null,
        canCancel: true,
      };
    case "cancelling":
      return { text: "Being cancelled", tone: "", progress: null, canCancel: false };
    case "cancelled":
      return { text: entry.isFound && entry.written === 0 ? "Cancelled" : `Cancelled; ${seconds(entry.written)} transcribed`, tone: "warn", progress: undefined, canCancel: false };
    default:
      return { ...finished(entry), progress: undefined, canCancel: false };
  }
}

function finished(entry) {
  const { written, length, lost, heard, spoken, problem, isBroken } = entry;
  const whole = length === null ? "" : ` of ${seconds(length)}`;
  if (isBroken && length === null) return { text: `Done as far as known: ${seconds(written)} transcribed`, tone: "warn" };
  if (isBroken) return { text: `Stopped after ${seconds(written)}${whole}. Open it again for the rest.`, tone: "warn" };
  if (problem !== null) return { text: `Stopped after ${seconds(heard ?? written)}${whole}. ${problem}`, tone: "warn" };
  const read = heard ?? length ?? written;
  const tracks = tracksRead(entry);
  const of = tracks === "" ? "" : ` (${tracks})`;
  if (spoken === 0 && lost === 0) return { text: `Done: no speech in ${seconds(read)}${of}`, tone: "warn" };
  if (lost > 0) return { text: `Done; ${seconds(lost)} of ${seconds(read)} could not be transcribed${of}`, tone: "warn" };
  if (isShort(entry)) return { text: `Damaged: ${seconds(heard)}${whole} could be read${of}`, tone: "warn" };
  return { text: `Done, ${seconds(read)}${of}`, tone: "" };
}
