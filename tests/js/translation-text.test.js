import assert from "node:assert/strict";
import { test } from "node:test";

import { isolated } from "../../static/js/models/bidi.js";

import { foreignResponseText } from "../../static/js/models/responses.js";
import { pieces } from "../../static/js/models/confidence.js";
import { closedText as closed, gap as gapOf, here as hereOf, middle, missed as missedOf, nothingYet as nothing, refusedUpload as refused, sentence, translated as translatedOf, usageText, waitsFor, whoYouAre as who } from "../../static/js/models/translation-text.js";
import { reasonText } from "../../static/js/models/reason-text.js";
import { TEXTS } from "../fakes/js/texts.js";

const word = (text, confidence) => ({ text, start: 0, end: 1, confidence });
const QUIET = {
  phase: "open", reason: "", connection: "live", microphone: "off", uplink: { state: "idle", waiting: 0 }, participants: [{ role: "owner" }],
  speaking: [], lines: 0, lag: null, waiting: null, recordings: 0, isReadOnly: false,
};
const { en } = TEXTS;
const say = (more, texts = en) => sentence({ ...QUIET, ...more }, texts);
const [closedText, gap, missed, nothingYet, refusedUpload, whoYouAre] = [closed, gapOf, missedOf, nothing, refused, who].map((write) => (state) => write(state, en));
const here = (participants, count = participants.length) => hereOf(participants, count, en);
const translated = (line, target, options) => translatedOf(line, target, { ...options, texts: en });
const seconds = (value) => en.seconds(value);

test("unsure neighbours are one piece with the lowest number, and the pieces are the text", () => {
  const text = "La oficina los manda esta tarde.";
  const words = [word("la", 0.9), word("oficina", 0.9), word("los", 0.8), word("manda", 0.7), word("esta", 0.5), word("tarde", 0.41)];
  const out = pieces({ text, words, confidence: 0.7 });
  assert.deepEqual(out, [{ text: "La oficina los manda ", confidence: null }, { text: "esta tarde", confidence: 0.41 }, { text: ".", confidence: null }]);
  assert.equal(out.map((piece) => piece.text).join(""), text);
});

test("words that are not the text's leave the line's own confidence to decide", () => {
  const words = [word("other", 0.1)];
  assert.deepEqual(pieces({ text: "had he", words, confidence: 0.9 }), [{ text: "had he", confidence: null }]);
  assert.deepEqual(pieces({ text: "had he", words: [], confidence: 0.3 }), [{ text: "had he", confidence: 0.3 }]);
  assert.deepEqual(pieces({ text: "had he", words: [word("had", null)], confidence: null }), [{ text: "had he", confidence: null }]);
  assert.deepEqual(pieces({ text: "", words: [], confidence: 0.3 }), []);
});

test("a missing confidence marks nothing, and 0.6 is sure enough", () => {
  assert.equal(pieces({ text: "a b", words: [word("a", 0.6), word("b", null)], confidence: 0.2 }).length, 1);
});

test("the Translation page's sentence covers every state", () => {
  assert.equal(say({}), "Nothing has been said yet. One person here.");
  assert.equal(say({ lines: 3 }), "Nobody is speaking. One person here.");
  assert.equal(say({ phase: "opening" }), "Opening the session.");
  assert.equal(say({ phase: "gone" }), "This session no longer exists.");
  assert.equal(say({ phase: "failed", reason: "Too many." }), "The session could not be opened. Too many.");
  assert.equal(say({ microphone: "opening" }), "Opening the microphone.");
  const open = { microphone: "open", uplink: { state: "streaming", waiting: 0 } };
  assert.equal(say({ ...open, lag: 0.84, participants: [{}, {}, { role: "observer" }] }), "Listening. Three people here, one reading only; captions follow speech by 0.8 s.");
  assert.equal(say({ ...open, waiting: { seconds: 12.2, service: "audio-service" } }), "Listening. One person here; captions are late: 12 s of speech wait to be transcribed.");
  assert.equal(say({ ...open, uplink: { state: "starting" } }), "The microphone is open; the service is not receiving yet. One person here.");
  const kept = (waiting, more = {}) => say({ ...open, uplink: { state: "streaming", waiting, ...more } });
  assert.equal(say({ ...open, connection: "waiting", uplink: { state: "waiting", waiting: 7.9 } }), "Not connected: 7 s of speech are stored and will be sent.");
  assert.equal(say({ phase: "rejoining", ...open, connection: "live", uplink: { state: "waiting", waiting: 23, isUnresponsive: true } }), "Not connected: 20 s of speech are stored and will be sent.");
  assert.equal(kept(3.4, { isUnresponsive: true }), "Not connected: 3 s of speech are stored and will be sent.", "no acknowledgement has come");
  assert.equal(say({ connection: "waiting", uplink: { state: "ending", waiting: 4 } }), "Not connected: 4 s of speech are stored and will be sent.", "stopped, and not all has arrived");
  assert.match(kept(1.2), /^Listening/);
  assert.equal(say({ ...open, capture: "silent" }), "The microphone delivers silence. Is it muted? One person here.");
  assert.equal(say({ ...open, capture: "paused" }), "Paused: the microphone is open, and nothing that is said is sent. One person here.");
  assert.equal(nothingYet({ microphone: "open", capture: "paused" }).title, "Paused");
  assert.equal(say({ ...open, capture: "stalled" }), "The microphone is open, but delivers no sound. One person here.");
  assert.equal(nothingYet({ microphone: "open", capture: "silent" }).title, "No sound from the microphone");
  assert.deepEqual([whoYouAre("Guest 3f9c"), whoYouAre(null)], ["You are Guest 3f9c.", ""]);
  assert.match(say({ connection: "waiting" }), /New captions come/);
  assert.equal(say({ recordings: 1 }), "Transcribing a recording. One person here.");
  assert.equal(say({ speaking: ["Ann", "Ben"] }), "Ann and Ben are speaking. One person here.");
  assert.equal(say({ isReadOnly: true, participants: [{ role: "observer" }] }), "Reading along. One person here, reading only.");
});

test("up to twelve people are counted in words", () => {
  assert.equal(here([]), "");
  assert.equal(here(Array(12).fill({})), "twelve people here");
  assert.equal(here(Array(13).fill({})), "13 people here");
  assert.equal(here([], 0), "");
});

test("of many participants only their number is given", () => {
  const listed = Array(100).fill({ role: "observer" });
  assert.equal(here(listed, 4210), "4,210 people here");
  assert.equal(here(listed, 100), "100 people here, reading only");
  assert.equal(say({ participants: listed, count: 10_000 }), "Nothing has been said yet. 10,000 people here.");
});

test("the delay is the median of the last ones", () => {
  assert.equal(middle([]), null);
  assert.equal(middle([9, 1, 2]), 2);
});

test("a gap gives the reason, the amount, and whether it will be transcribed", () => {
  const line = { start: 1, end: 4.2, error: { detail: "audio-service is not answering", final: false } };
  assert.equal(gap(line), "audio-service is not answering. 3.2 s of speech are stored and will be transcribed when that is possible again.");
  assert.equal(gap({ ...line, error: { detail: "The buffer ran out.", final: true } }), "The buffer ran out. 3.2 s of speech are lost.");
});

test("a translation is text, an error, awaited, the same language, or not there", () => {
  const line = { final: true, language: "en", timestamp: 1000, error: null, translations: new Map([["es", { text: "hola", error: null }], ["de", { text: "", error: { detail: "Install apertium." } }]]) };
  const offer = { pairs: { en: ["es", "de", "fr"] } };
  const kinds = (target, now = 2000) => translated(line, target, { offer, now }).kind;
  assert.equal(translated(line, "es", { now: 0 }).text, "hola");
  assert.equal(translated(line, "de", { now: 0 }).text, "Install apertium.");
  assert.equal(kinds("en"), "same");
  assert.equal(kinds("fr"), "waiting");
  assert.equal(kinds("fr", 40_000), "none");
  assert.equal(translated(line, "it", { offer, now: 2000 }).text, "The translation service offers no translation from English to Italian.");
  assert.equal(translated({ ...line, error: {} }, "fr", { offer, now: 0 }).kind, "none");
});

test("a rejected upload has a reason and what to do", () => {
  assert.match(refusedUpload({ status: 413, code: "recording_too_large", detail: "A recording can have 1024 MB at most.", name: "a.wav" }), /1024 MB at most\. Cut it/);
  assert.match(refusedUpload({ status: 413, code: "recording_too_long", detail: "It lasts 9 h.", name: "a.wav" }), /rejected: It lasts 9 h\./);
  const proxied = refusedUpload({ status: 413, detail: "x", name: "a.wav", size: 2 * 2 ** 20 });
  assert.match(proxied, /larger than a proxy in front of the service accepts/);
  assert.match(proxied, /2\.0 MB/);
  assert.doesNotMatch(proxied, /MB at most/);
  assert.match(refusedUpload({ status: 415, code: "not_audio", detail: "It is text.", name: "a.txt" }), /a\.txt is not a recording that can be read\. It is text\./);
  assert.match(refusedUpload({ status: 503, code: "service_unavailable", detail: "audio-service is not answering.", name: "a.wav" }), /rejected: audio-service/);
  assert.match(refusedUpload({ status: 0, detail: "", name: "a.wav" }), /cannot be reached/);
});

test("a proxy's rejection blames neither the file nor the service", () => {
  const of = (status) => refusedUpload({ status, detail: foreignResponseText(status), name: "a.wav", size: 1 });
  assert.doesNotMatch(of(415), /not a recording/);
  assert.match(of(429), /proxy.*\(429\).*in a minute/);
  assert.match(of(504), /proxy.*got no response.*\(504\)/);
  for (const status of [400, 401, 403, 415, 429, 500, 502, 503, 504]) {
    assert.match(of(status), /a\.wav was rejected: A proxy in front of the service/);
    assert.doesNotMatch(of(status), /rejected: The service responded/);
  }
});

test("unknown seconds are a dash", () => {
  for (const unknown of [null, undefined, NaN, Infinity]) assert.equal(seconds(unknown), "–");
  assert.deepEqual([0, 5.44, 9.96, 61].map(seconds), ["0.0 s", "5.4 s", "10 s", "61 s"]);
});

test("messages lost for good are reported, and so is a complete transcript", () => {
  assert.match(missed({ complete: false, reason: "history_expired" }), /longer than the service stores.*may be missing/);
  assert.match(missed({ complete: true, reason: "gap" }), /complete transcript/);
});

test("a right-to-left text does not reorder the sentence around it", () => {
  const arabic = "مترجم 12";
  assert.equal(isolated("Ann 12"), "Ann 12", "what turns nothing stays as it is");
  assert.equal(isolated(arabic), `\u200e\u2068${arabic}\u2069`);
  assert.equal(isolated("\u202eevil"), "\u200e\u2068\u202eevil\u2069", "an override ends with the isolate");
  assert.equal(isolated(`${arabic}\u2069 x`), `\u200e\u2068${arabic} x\u2069`, "it cannot be ended from within");
  assert.equal(whoYouAre(arabic), `You are \u200e\u2068${arabic}\u2069.`);
  assert.match(refusedUpload({ status: 0, detail: "", name: `${arabic}.wav` }), /^\u200e\u2068.*\u2069: the service/);
});

test("after a failed opening no new session is suggested", () => {
  const failed = closedText({ phase: "failed", hasLines: false, mayBegin: true });
  assert.match(failed, /Try again/);
  assert.doesNotMatch(failed, /new one/);
  assert.match(closedText({ phase: "gone", hasLines: false, mayBegin: true }), /Start a new session/);
  assert.match(closedText({ phase: "gone", hasLines: false, mayBegin: false }), /Ask the person/);
});

test("what speech waits for is named without services", () => {
  for (const name of ["audio-service", "translation-service", "other-service", null]) assert.match(waitsFor(name, en), /^to be \w+$/);
});

test("the sentence, the gap and the notices are in the language of the page", () => {
  const { de, ar } = TEXTS;
  assert.equal(say({ participants: [{}, {}, { role: "observer" }], lag: 0.84 }, de), "Noch wurde nichts gesagt. 3 Personen anwesend, davon 1 nur lesend; die Untertitel folgen dem Gesprochenen nach 0,8 s.");
  assert.doesNotMatch(say({ microphone: "open", sound: "both", uplink: { state: "streaming", waiting: 0 }, speaking: ["Ann"] }, ar), /\p{Script=Latin}/u);
  const line = { start: 1, end: 4.2, error: { code: "service_unavailable", detail: "audio-service is not answering", final: false } };
  assert.doesNotMatch(gapOf(line, de), /answering|audio-service/);
  assert.match(gapOf(line, de), /3,2 s/);
  assert.doesNotMatch(refused({ status: 413, code: "recording_too_large", detail: "At most 25 MB.", name: "a.wav" }, de), /At most/);
});

test("a reason is the page's own text, the service's in English, or the text of its code", () => {
  const of = (code, detail, texts) => reasonText({ code, detail }, texts);
  assert.equal(of("", "", en), "");
  assert.equal(of("ended", "", en), "The session was ended.");
  assert.equal(of("sessions_full", "At most 200 sessions.", en), "At most 200 sessions.");
  assert.doesNotMatch(of("sessions_full", "At most 200 sessions.", TEXTS.fr), /At most/);
  assert.match(of("strange_code", "Strange.", TEXTS.es), /strange_code/);
});

test("the requests that translate growing lines are named with their limit, and when it is reached", () => {
  assert.equal(usageText(null, 120, en), "at most 120 requests a minute");
  assert.equal(usageText({ used: 37, limit: 120, isReached: false }, 120, en), "37 of 120 requests used in the last minute");
  assert.equal(usageText({ used: 120, limit: 120, isReached: true }, 120, en), "all 120 requests of this minute are used");
});
