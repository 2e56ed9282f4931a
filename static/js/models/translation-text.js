/** The text of the Translation page. Pure: states in, sentences out, in the language of `texts` (models/texts.js). */

import { isolated } from "./bidi.js";
import { isSameLanguage, canTranslate, isNear } from "./languages.js";
import { failureText } from "./responses.js";
import { captureSentence, nothingCaptured, openingSentence } from "./sound-text.js";

/** English spells small numbers out. */
const NUMBERS = ["no one", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"];
const spelled = (count, texts) => (texts.language === "en" && NUMBERS[count]) || texts.number(count);

/** Why messages could not be recovered, as the service says it. */
const LOSSES = { history_expired: "missed.history_expired", epoch_changed: "missed.epoch_changed", offset_unknown: "missed.offset_unknown" };

/** Seconds after which a missing translation is no longer shown as awaited. */
const AWAITED = 30;

const capital = (text, { language }) => text.replace(/^./u, (first) => first.toLocaleUpperCase(language));

/**
 * "one person here", "three people here, one reading only". `count`: how many there are; where that is more than
 * `participants`, it is not known how many of them only read.
 */
export function here(participants, count, texts) {
  if (count === 0) return "";
  const people = texts.text("status.here", { count, number: spelled(count, texts) });
  if (count > participants.length) return people;
  const reading = participants.filter(({ role }) => role === "observer").length;
  if (reading === 0) return people;
  if (reading === count) return texts.text("status.here_all_reading", { people });
  return texts.text("status.here_reading", { people, reading: spelled(reading, texts) });
}

/** The median of delays, in seconds; null without any. */
export function middle(values) {
  if (values.length === 0) return null;
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
}

/** What speech waits for, for all readers: names of services are for operators. */
const WAITS_FOR = { "audio-service": "status.for_transcription", "translation-service": "status.for_translation" };

/** "to be transcribed": what is waited for, of a back end by its name. */
export function waitsFor(service, texts) {
  return texts.text(WAITS_FOR[service] ?? "status.for_writing");
}

/** The delay of captions, as a clause; `isSpoken`: without figures, which change all the time. */
function delay({ waiting, lag, isSpoken }, texts) {
  if (waiting !== null) {
    if (isSpoken) return texts.text("status.late");
    return texts.text("status.late_for", { seconds: texts.seconds(waiting.seconds), for: waitsFor(waiting.service, texts) });
  }
  if (isSpoken || lag === null) return "";
  return texts.text("status.lag", { seconds: texts.seconds(Math.max(0.1, lag)) });
}

/** "Three people here; captions follow speech by 1.2 s." */
function clausesOf({ participants, count = participants.length, ...state }, texts) {
  const [first, second] = [here(participants, count, texts), delay(state, texts)].filter((clause) => clause !== "");
  if (first === undefined) return "";
  return capital(second === undefined ? texts.text("status.one_clause", { first }) : texts.text("status.two_clauses", { first, second }), texts);
}

/**
 * The sentence under the title.
 *
 * `phase` of the session, and `reason` as text; `shutOut`: that its host keeps this page out, as a sentence, or "";
 * `connection` "live" or else; `microphone` "off"|"opening"|"open"; `capture` "fine"|"paused"|"stalled"|"silent"; `sound` "microphone"|"shared"|"both"; `uplink` {state, waiting,
 * isUnresponsive}; `participants` and `count`, how many they are; `speaking`: names of others who speak; `lines`: how
 * many; `lag` in seconds or null; `waiting` {seconds, service}: what is late, or null; `recordings`: how many are being
 * read; `isSpoken`: it is read out.
 */
export function sentence(state, texts) {
  const { phase, shutOut = "", connection, microphone, uplink } = state;
  if (shutOut !== "") return shutOut;
  const isSpeaking = microphone === "open" || uplink.state === "ending";
  if (isSpeaking && (phase === "open" || phase === "rejoining") && (connection !== "live" || uplink.isUnresponsive)) {
    const stored = texts.text("status.seconds", { value: texts.number(inSteps(uplink.waiting)) });
    return texts.text("status.stored", { seconds: stored });
  }
  if (connection !== "live" && phase === "open") return texts.text("status.lost");
  if (phase !== "open") return phaseText(state, texts);
  if (microphone === "opening") return openingSentence(state.sound ?? "microphone", texts);
  return texts.sentences(happening(state, texts), clausesOf(state, texts));
}

/** The sentence while there is no open session. */
function phaseText({ phase, reason, connection }, texts) {
  switch (phase) {
    case "gone":
      return texts.text("status.gone");
    case "uninvited":
      return texts.text("status.uninvited");
    case "failed":
      return texts.text("status.failed", { reason });
    case "new":
      return texts.text(connection === "live" ? "status.new" : "status.connecting");
    case "rejoining":
      return texts.text("status.rejoining");
    default:
      return texts.text("status.opening");
  }
}

/** What happens in an open session. */
function happening({ microphone, capture = "fine", sound = "microphone", uplink, recordings, speaking, isReadOnly, lines }, texts) {
  if (microphone === "open") return captureSentence(sound, capture === "fine" && uplink.state !== "streaming" ? "not received" : capture, texts);
  if (recordings > 0) return texts.text("status.transcribing", { count: recordings });
  if (speaking.length > 0) return texts.text("status.speaking", { count: speaking.length, names: texts.list(speaking.map(isolated)) });
  if (isReadOnly) return texts.text("status.reading");
  return texts.text(lines === 0 ? "status.nothing_yet" : "status.nobody");
}

/** Whole seconds in growing steps, so that a screen reader does not read the sentence every second. */
function inSteps(waiting) {
  const whole = Math.floor(waiting);
  return whole < 10 ? whole : Math.floor(whole / 5) * 5;
}

/** What the reader can do where there is no session. `hasLines`: its transcript is on the page. */
export function closedText({ phase, hasLines, mayBegin }, texts) {
  const stays = texts.text("closed.stays");
  if (phase === "failed") return texts.sentences(hasLines ? stays : "", texts.text("closed.failed"));
  if (hasLines) return stays;
  if (phase === "uninvited") return texts.text("closed.uninvited");
  return texts.text(mayBegin ? "closed.begin" : "closed.ask");
}

/** The reader's own name, which others see beside each line. `name` as the service has it, or null until known. */
export function whoYouAre(name, texts) {
  return name ? texts.text("join.you_are", { name }) : "";
}

/** The text in place of an empty transcript: what it means, and what to do: {title, text}. */
export function nothingYet({ microphone, capture = "fine", sound = "microphone", recordings, isReadOnly }, texts) {
  if (microphone === "open") return nothingCaptured(sound, capture, texts);
  const of = (title, text) => ({ title: texts.text(title), text: texts.text(text) });
  if (recordings > 0) return of("talk.recording_title", "talk.recording_text");
  return of("talk.empty_title", isReadOnly ? "talk.empty_read" : "talk.empty_text");
}

/** The text in place of a missing transcript. `line.error` is set. */
export function gap(line, texts) {
  const { code, detail, final } = line.error;
  const why = ended(texts.coded({ code, detail }));
  if (line.end > line.start) return texts.text(final ? "gap.lost" : "gap.stored", { why, seconds: texts.seconds(line.end - line.start) });
  return texts.text(final ? "gap.lost_some" : "gap.stored_some", { why });
}

/** A sentence with its end: what back ends report may have none. */
const ended = (text) => (/[.!?؟。]$/u.test(text) ? text : `${text}.`);

/**
 * A line's translation into `target`: {kind: "text"|"growing"|"error"|"waiting"|"same"|"none", text}. "growing": of the
 * line's beginning. `corrects` is true where a "text" differs from what was shown while the line grew.
 * `now` in epoch milliseconds.
 */
export function translated(line, target, { offer = null, now, texts }) {
  const translation = line.translations.get(target);
  if (translation?.error) return { kind: "error", text: texts.coded(translation.error) };
  if (translation && translation.text !== "") return { kind: "text", text: translation.text, ...(translation.corrects ? { corrects: true } : {}) };
  if (line.error || line.edited === "deleted") return { kind: "none", text: "" };
  const growing = line.growing?.get(target);
  if (growing && !line.edited && line.text !== "") return { kind: "growing", text: `${growing.text} …` };
  if (line.language && isSameLanguage(line.language, target)) return { kind: "same", text: texts.text("talk.same") };
  if (line.language && canTranslate(offer, line.language, target) === false) {
    // The same language in another script: there is no other translation.
    if (isNear(line.language, target)) return { kind: "same", text: texts.text("talk.same") };
    return { kind: "error", text: texts.text("talk.no_pair", { from: texts.languageName(line.language), to: texts.languageName(target) }) };
  }
  if (!line.final || now - line.timestamp < AWAITED * 1000) return { kind: "waiting", text: "…" };
  return { kind: "none", text: texts.text("talk.not_translated") };
}

/** How many requests a minute are sent to translate growing lines. `usage` {used, limit, isReached} or null. */
export function usageText(usage, limit, texts) {
  if (usage === null) return texts.text("languages.growing_limit", { limit });
  if (usage.isReached) return texts.text("languages.growing_all", { limit: usage.limit });
  return texts.text("languages.growing_used", { used: usage.used, limit: usage.limit });
}

const megabytes = (bytes) => `${(bytes / 2 ** 20).toFixed(1)} MB`;

/** Why an upload was rejected, and what to do. `code`: "" where it was not the service that rejected it. */
export function refusedUpload({ status, code = "", detail, name, size = 0 }, texts) {
  if (status === 0) return texts.text("recording.unreachable", { name });
  if (status === 413 && !code) return texts.text("recording.proxy_limit", { name, size: megabytes(size) });
  const why = failureText({ status, code, detail }, texts);
  if (code === "recording_too_large") return texts.text("recording.too_large", { name, why });
  return texts.text(status === 415 && code ? "recording.not_audio" : "recording.refused", { name, why });
}

/** The notice about messages that could not be recovered. */
export function missed({ complete, reason }, texts) {
  const why = LOSSES[reason] ?? "missed.other";
  return texts.sentences(texts.text(why), texts.text(complete ? "missed.complete" : "missed.partial"));
}
