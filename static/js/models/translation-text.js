/** The text of the Translation page. Pure: states in, sentences out. */

import { isolated } from "./bidi.js";
import { UNKNOWN, count as figure } from "./number-format.js";
import { isSameLanguage, canTranslate, isNear, languageName } from "./languages.js";
import { captureSentence, nothingCaptured, openingSentence } from "./sound-text.js";

const NUMBERS = ["no one", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"];

/** Seconds after which a missing translation is no longer shown as awaited. */
const AWAITED = 30;

const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);
/** Below ten with one decimal, whole from there on; "–" where it is not known. */
export const seconds = (value) => (Number.isFinite(value) ? `${value < 9.95 ? value.toFixed(1) : Math.round(value)} s` : UNKNOWN);

/**
 * "one person here", "three people here, one reading only". `count`: how many there are; where that is more than
 * `participants`, it is not known how many of them only read.
 */
export function here(participants, count = participants.length) {
  if (count === 0) return "";
  const people = `${NUMBERS[count] ?? figure(count)} ${count === 1 ? "person" : "people"} here`;
  if (count > participants.length) return people;
  const reading = participants.filter(({ role }) => role === "observer").length;
  if (reading === 0) return people;
  if (reading === count) return `${people}, reading only`;
  return `${people}, ${NUMBERS[reading] ?? reading} reading only`;
}

/** The median of delays, in seconds; null without any. */
export function middle(values) {
  if (values.length === 0) return null;
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
}

/** What speech waits for, for all readers: names of services are for operators. */
export const WAITS_FOR = { "audio-service": "to be transcribed", "translation-service": "to be translated" };

/** The delay of captions, as a clause; `isSpoken`: without figures, which change all the time. */
function delay({ waiting, lag, isSpoken }) {
  if (waiting !== null) {
    const who = WAITS_FOR[waiting.service] ?? "to be written";
    return isSpoken ? "captions are late" : `captions are late: ${seconds(waiting.seconds)} of speech wait ${who}`;
  }
  if (isSpoken) return "";
  return lag === null ? "" : `captions follow speech by ${seconds(Math.max(0.1, lag))}`;
}

/**
 * The sentence under the title.
 *
 * `phase` of the session; `shutOut`: that its host keeps this page out, as a sentence, or ""; `connection` "live" or else; `microphone` "off"|"opening"|"open"; `capture`
 * "fine"|"paused"|"stalled"|"silent"; `sound` "microphone"|"shared"|"both"; `uplink` {state, waiting, isUnresponsive}; `participants` and `count`, how many they are; `speaking`: names of others who speak; `lines`: how many; `lag` in seconds or null;
 * `waiting` {seconds, service}: what is late, or null; `recordings`: how many are being read; `isSpoken`: it is read out.
 */
export function sentence({ phase, reason, shutOut = "", connection, microphone, capture = "fine", sound = "microphone", uplink, participants, count, speaking, lines, lag, waiting, recordings, isReadOnly, isSpoken = false }) {
  if (shutOut !== "") return shutOut;
  if (phase === "gone") return "This session no longer exists.";
  if (phase === "uninvited") return "This page is opened with a link to a session.";
  if (phase === "failed") return `The session could not be opened. ${reason}`;
  const isOn = microphone === "open";
  const isSpeaking = isOn || uplink.state === "ending";
  if (isSpeaking && (phase === "open" || phase === "rejoining") && (connection !== "live" || uplink.isUnresponsive)) {
    return notConnected(uplink.waiting);
  }
  if (connection !== "live" && phase === "open") return "The connection is lost. New captions come when it is back.";
  if (phase === "new") return connection === "live" ? "Ready. The session begins when you speak, open a recording or copy a link." : "Connecting to the service.";
  if (phase === "rejoining") return "Connected again. Loading the session's history.";
  if (phase !== "open") return "Opening the session.";
  if (microphone === "opening") return openingSentence(sound);
  const clauses = [here(participants, count), delay({ waiting, lag, isSpoken })].filter((clause) => clause !== "");
  const rest = clauses.length > 0 ? ` ${capital(clauses.join("; "))}.` : "";
  const state = capture === "fine" && uplink.state !== "streaming" ? "not received" : capture;
  if (isOn) return `${captureSentence(sound, state)}${rest}`;
  if (recordings > 0) return `Transcribing ${recordings === 1 ? "a recording" : `${recordings} recordings`}.${rest}`;
  if (speaking.length > 0) return `${speaking.map(isolated).join(" and ")} ${speaking.length === 1 ? "is" : "are"} speaking.${rest}`;
  if (isReadOnly) return `Reading along.${rest}`;
  if (lines === 0) return `Nothing has been said yet.${rest}`;
  return `Nobody is speaking.${rest}`;
}

/** In growing steps, so that a screen reader does not read it every second. */
function notConnected(waiting) {
  const whole = Math.floor(waiting);
  const shown = whole < 10 ? whole : Math.floor(whole / 5) * 5;
  return `Not connected: ${shown} s of speech are stored and will be sent.`;
}

/** What the reader can do where there is no session. `hasLines`: its transcript is on the page. */
export function closedText({ phase, hasLines, mayBegin }) {
  const stays = "The transcript stays on this page and can be downloaded.";
  if (phase === "failed") return `${hasLines ? `${stays} ` : ""}The session itself still exists. Try again in a moment.`;
  if (hasLines) return stays;
  if (phase === "uninvited") return "Open the complete link, with everything after its #, or enter the code that is shown in the room.";
  return mayBegin ? "Start a new session and send its link to the others." : "Ask the person who sent you the link for a new one.";
}

/** The reader's own name, which others see beside each line. `name` as the service has it, or null until known. */
export function whoYouAre(name) {
  return name ? `You are ${isolated(name)}.` : "";
}

/** The text in place of an empty transcript: what it means, and what to do. */
export function nothingYet({ microphone, capture = "fine", sound = "microphone", recordings, isReadOnly }) {
  if (microphone === "open") return nothingCaptured(sound, capture);
  if (recordings > 0) return { title: "Transcribing the recording", text: "Its speech appears here, with its translation beside it." };
  if (isReadOnly) return { title: "Nothing has been said yet", text: "What is said in this session appears here, with its translation beside it." };
  return {
    title: "Nothing has been said yet",
    text: "Start the microphone and speak, or open a recording: drop the file anywhere on this page. What is said appears here, with its translation beside it.",
  };
}

/** The text in place of a missing transcript. `line.error` is set. */
export function gap(line) {
  const { detail, final } = line.error;
  const length = line.end > line.start ? `${seconds(line.end - line.start)} of speech` : "Speech";
  const verb = line.end > line.start ? "are" : "is";
  const what = isolated(/[.!?]$/.test(detail) ? detail : `${detail}.`);
  if (final) return `${what} ${length} ${verb} lost.`;
  return `${what} ${length} ${verb} stored and will be transcribed when that is possible again.`;
}

/**
 * A line's translation into `target`: {kind: "text"|"growing"|"error"|"waiting"|"same"|"none", text}. "growing": of the
 * line's beginning. `corrects` is true where a "text" differs from what was shown while the line grew.
 * `now` in epoch milliseconds.
 */
export function translated(line, target, { offer = null, now, locale = "en" }) {
  const translation = line.translations.get(target);
  if (translation?.error) return { kind: "error", text: translation.error.detail };
  if (translation && translation.text !== "") return { kind: "text", text: translation.text, ...(translation.corrects ? { corrects: true } : {}) };
  if (line.error || line.edited === "deleted") return { kind: "none", text: "" };
  const growing = line.growing?.get(target);
  if (growing && !line.edited && line.text !== "") return { kind: "growing", text: `${growing.text} …` };
  if (line.language && isSameLanguage(line.language, target)) return { kind: "same", text: "as spoken" };
  if (line.language && canTranslate(offer, line.language, target) === false) {
    // The same language in another script: there is no other translation.
    if (isNear(line.language, target)) return { kind: "same", text: "as spoken" };
    const [from, to] = [languageName(line.language, locale), languageName(target, locale)];
    return { kind: "error", text: `The translation service offers no translation from ${from} to ${to}.` };
  }
  if (!line.final || now - line.timestamp < AWAITED * 1000) return { kind: "waiting", text: "…" };
  return { kind: "none", text: "not translated" };
}

/** How many requests a minute are sent to translate growing lines. `usage` {used, limit, isReached} or null. */
export function usageText(usage, limit) {
  if (usage === null) return `at most ${limit} requests a minute`;
  if (usage.isReached) return `all ${usage.limit} requests of this minute are used`;
  return `${usage.used} of ${usage.limit} requests used in the last minute`;
}

const megabytes = (bytes) => `${(bytes / 2 ** 20).toFixed(1)} MB`;

/** Why an upload was rejected, and what to do. */
export function refusedUpload({ status, code = "", detail, name: file, size = 0 }) {
  const name = isolated(file);
  if (status === 0) return `${name}: the service cannot be reached. Nothing was uploaded; try again when the connection is back.`;
  if (status === 413 && !code) return `${name} was rejected: it is larger than a proxy in front of the service accepts (${megabytes(size)}). Make the file smaller, or have the proxy's limit raised to 26 MB.`;
  if (status === 413 && code !== "recording_too_large") return `${name} was rejected: ${detail}`;
  if (status === 413) return `${name} is too large. ${detail} Cut it, or save it as Opus, MP3 or FLAC.`;
  if (status === 415 && code) return `${name} is not a recording that can be read. ${detail}`;
  return `${name} was rejected: ${detail}`;
}

/** The notice about messages that could not be recovered. */
export function missed({ complete, reason }) {
  const why = {
    history_expired: "The connection was lost for longer than the service stores the history.",
    epoch_changed: "The service was restarted without this session's history.",
    offset_unknown: "The service and this page have different histories.",
  }[reason];
  const what = complete ? "The complete transcript is here again." : "The transcript has what the service still stores; messages in between may be missing.";
  return `${why ?? "The session could not be resumed where it was left."} ${what}`;
}
