/** Recordings that a bot is to speak: which can be sent, and how far one is, in words. Pure. */

import { isolated } from "./bidi.js";
import { bytes, duration } from "./number-format.js";

/** Sound for which the API is sent its own type; of other files it finds out itself what they are. */
const SOUND = /^audio\/[\w.+-]+$/i;

/** Why a file cannot be sent, or "". `limits`: {bytes, seconds} that the API accepts. */
export function speechFault({ name, size }, limits) {
  if (size === 0) return `${isolated(name)} is empty. Choose another recording.`;
  if (size > limits.bytes) return `${isolated(name)} has ${bytes(size)}; at most ${bytes(limits.bytes)} can be sent, and ${duration(limits.seconds)} of sound. Cut it, or store it as MP3.`;
  return "";
}

/** The type with which a file is sent: the API refuses those that browsers give some recordings, such as video/webm. */
export function speechType({ type }) {
  return SOUND.test(type) ? type : "application/octet-stream";
}

/**
 * Where a recording is: {text, share}; the text changes with the steps alone, since it is read out. `share` 0–1, null
 * while none is known, undefined where there is none. `step`: "chosen", "sending" with the `sent` share, or "spoken" with
 * `seconds` of length and `left`, which is more than the length while others come first.
 */
export function speechState({ step, name, size, sent = 0, seconds = 0, left = 0 }) {
  if (step === "chosen") return { text: `${isolated(name)}, ${bytes(size)}`, share: undefined };
  if (step === "sending") return sent < 1 ? { text: `Sending ${isolated(name)}.`, share: sent } : { text: `${isolated(name)} has been sent; it is being read.`, share: null };
  if (left > seconds) return { text: `It speaks ${isolated(name)} after what it says now.`, share: 0 };
  return { text: `It speaks ${isolated(name)}, ${duration(seconds)} long.`, share: seconds === 0 ? 1 : Math.max(0, 1 - left / seconds) };
}
