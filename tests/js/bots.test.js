import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { CAMERA_FIELDS, cameraNote } from "../../static/js/models/bot-camera.js";
import { eventRows } from "../../static/js/models/bot-events.js";
import { axis, personText, position, qualityFacts, qualityText, speakerRows, storedPeople, storedQuality, storedRows, ticks, timelineText } from "../../static/js/models/bot-figures.js";
import { recordingText, transcriptFiles } from "../../static/js/models/bot-files.js";
import { BotLines, LIMIT } from "../../static/js/models/bot-lines.js";
import { AS_SPOKEN, botRequest, CAMERA_OFF, demoFields, likeBot, rejection, startFault } from "../../static/js/models/bot-request.js";
import { botsSummary } from "../../static/js/models/bots-overview.js";
import { speechFault, speechState, speechType } from "../../static/js/models/bot-speech.js";
import { botFacts } from "../../static/js/models/bot-facts.js";
import { endText, leaveConfirmation, listSentence, meetingText, rowText, situation, statePill, stay, unavailableProblems } from "../../static/js/models/bots.js";
import { isSameLanguage } from "../../static/js/models/languages.js";

const source = (path) => readFileSync(new URL(`../../orch/bots/${path}`, import.meta.url), "utf8");
const STATES = [...source("states.py").split("class State(")[1].split("FINAL:")[0].matchAll(/ = "(\w+)"/g)].map(([, name]) => name);
const ENDS = [...source("ends.py").split("class End(")[0].matchAll(/ = "(\w+)"/g)].map(([, name]) => name);

const bot = (more = {}) => ({
  bot_id: "b", session_id: "s", name: "Bot", meeting_url: "https://meet.google.com/abc-defg-hij", state: "capturing", since: 1_000, requested_at: 900, revision: 1, can: ["leave"],
  due_at: null, position: null, admitted_at: 950, ended_at: null, recoveries: 0, lost_to: null, end: null, people: 2, utterances: 3,
  languages: { spoken: "auto", targets: [], camera: null }, camera: {}, recording: { audio: "none" }, metadata: {}, ...more,
});
const list = (more = {}) => ({ now: 1_000, limit: 10, running: 0, waiting: 0, bots: [bot()], unavailable: "", more: false, ...more });

test("each state of the service has words, a colour, and what happens next unless it is over", () => {
  assert.equal(STATES.length, 13);
  for (const state of STATES) {
    const { says, next } = situation(bot({ state }));
    assert.doesNotMatch(says, /Its state is/, state);
    assert.equal(next === "", ["ended", "failed", "data_deleted"].includes(state), state);
    assert.notEqual(statePill({ state }).word, "");
  }
  assert.deepEqual(statePill({ state: "brand_new" }), { word: "brand new", tone: "quiet" });
  assert.deepEqual(situation(bot({ state: "brand_new" })), { says: "Its state is “brand new”.", next: "" });
});

test("what is known of a state is said: the place in the queue, the time, why it joins again, who must act", () => {
  assert.match(situation(bot({ state: "requested", position: 3 })).says, /as number 3 in the queue/);
  assert.match(situation(bot({ state: "scheduled", due_at: 0 })).next, /It starts on .*19(70|69)/);
  assert.match(situation(bot({ state: "recovering", lost_to: "browser_crashed" })).says, /^Its browser crashed\. It is joining/);
  assert.match(situation(bot({ state: "recovering", lost_to: "unheard_of" })).says, /^It was interrupted\./);
  assert.match(situation(bot({ state: "waiting_in_lobby", name: "Cap" })).next, /admit Cap\./);
  assert.match(situation(bot({ state: "in_call_not_recording" }), { allowed: false }).says, /may not transcribe/);
  assert.equal(rowText(bot({ state: "requested", position: 2 })), "number 2 in the queue");
  assert.equal(rowText(bot({ state: "requested" })), "");
});

test("each end of the service is shown in its sentence, with what to do where that does not say it", () => {
  assert.equal(ENDS.length, 25);
  for (const reason of ENDS) {
    const end = { reason, stage: "meeting", sentence: "It is so.", has_evidence: false };
    const shown = endText(bot({ state: "failed", end, ended_at: 1_000 }));
    assert.equal(shown.text, "It is so.");
    assert.doesNotMatch(shown.more, /undefined/);
  }
  const lobby = endText(bot({ state: "failed", admitted_at: null, ended_at: 1_200, end: { reason: "admission_denied", stage: "lobby", sentence: "Refused." } }));
  assert.equal(lobby.more, "Ask the host to let it in, then send it again. That was while it waited in the lobby. It was not in the meeting; it ended 5\u00a0min after the request.");
  assert.equal(endText(bot()), null);
});

test("the sentence of the list counts, and does not read aloud what changes each second", () => {
  assert.equal(listSentence(list({ bots: [] })), "No bot has been sent to a meeting yet.");
  assert.equal(listSentence(list({ bots: [], unavailable: "Chromium is missing." })), "No bot can be started now.");
  assert.equal(listSentence(list({ running: 1 })), "One bot runs, of 10 at a time.");
  assert.equal(listSentence(list({ running: 10 })), "10 bots run, of 10 at a time. Further ones wait until one has left.");
  assert.equal(listSentence(list({ running: 10, waiting: 2 })), "10 bots run, of 10 at a time. 2 wait for a place.");
  assert.equal(listSentence(list({ waiting: 1 })), "No bot runs now. One waits for a place.");
  assert.deepEqual(unavailableProblems(list()), []);
  assert.equal(unavailableProblems(list({ unavailable: "Why." }))[0].text, "Why.");
});

test("an address is as short as can be read, and a stay goes on until the end", () => {
  assert.equal(meetingText("https://meet.google.com/abc-defg-hij/"), "meet.google.com/abc-defg-hij");
  assert.equal(meetingText(`https://x/${"a".repeat(2_000)}`).length, 73);
  assert.equal(stay(bot(), 1_010), 60);
  assert.equal(stay(bot({ ended_at: 1_000 }), 5_000), 50);
  assert.equal(stay(bot({ admitted_at: null }), 1_010), null);
  assert.equal(Object.fromEntries(botFacts(bot({ camera: null })))["On the camera"], "camera off");
});

test("a request has what was chosen, and leaves the rest to the service", () => {
  const fields = { url: " https://meet.google.com/x ", name: "", spoken: "auto", targets: [], camera: AS_SPOKEN, mode: "overlay", theme: "dark", recording: "none", consent: "none", startAt: null };
  assert.deepEqual(botRequest(fields, "k"), { meeting_url: "https://meet.google.com/x", camera: { mode: "overlay", theme: "dark" }, idempotency_key: "k" });
  const all = botRequest({ ...fields, name: " Cap ", spoken: "es", targets: ["de"], camera: "en", recording: "both", consent: "host", startAt: 5 }, "k");
  assert.deepEqual(all.languages, { spoken: "es", targets: ["de", "en"], camera: "en" });
  assert.deepEqual([all.name, all.recording, all.consent, all.start_at], ["Cap", { audio: "both" }, { require: "host" }, 5]);
  assert.equal(botRequest({ ...fields, camera: CAMERA_OFF }, "k").camera, null);
  assert.equal(botRequest({ ...fields, spoken: "es", targets: ["de"] }, "k").languages.camera, "es", "without it, the camera would show the first target");
});

test("a rejection names the field that it is about", () => {
  assert.deepEqual(rejection({ detail: "Expected a meeting.", path: "$.meeting_url" }), { text: "Expected a meeting.", field: "url" });
  assert.deepEqual(rejection({ title: "Too many.", detail: "" }), { text: "Too many.", field: null });
  assert.equal(rejection({ detail: "Late.", path: "$.start_at" }).field, "start");
});

test("a form for another bot is that of the first one", () => {
  const like = likeBot(bot({ languages: { spoken: "es", targets: ["en", "de"], camera: null }, camera: { mode: "sidebar", theme: "light" } }));
  assert.deepEqual([like.spoken, like.targets, like.camera, like.mode, like.theme], ["es", ["en", "de"], "en", "sidebar", "light"]);
  assert.equal(likeBot(bot({ camera: null })).camera, CAMERA_OFF);
});

const line = (segment, more = {}) => ({ segment, revision: 1, is_final: true, text: "hola", start: Number(segment), end: Number(segment) + 1, speaker: "Ana", speaker_id: "p1", language: "es", confidence: 0.9, translations: {}, ...more });

test("lines keep their order of speech, newer revisions replace older ones, and those that left the state stay", () => {
  const lines = new BotLines();
  assert.deepEqual(lines.show([line("2"), line("1")]), ["2", "1"]);
  assert.deepEqual(lines.show([line("2", { revision: 2, text: "hola, Ben" })]), ["2"]);
  assert.deepEqual(lines.show([line("2")]), [], "an older revision");
  assert.deepEqual(lines.show([line("2", { revision: 2, text: "hola, Ben" })]), [], "the same again");
  assert.deepEqual(lines.all.map(({ segment, text }) => [segment, text]), [["1", "hola"], ["2", "hola, Ben"]]);
});

test("a name that was withheld appears, and one that is replaced is counted", () => {
  const lines = new BotLines();
  lines.show([line("1", { speaker: null, speaker_id: null })]);
  assert.equal(lines.speakerNumber(lines.get("1")), null);
  lines.show([line("1")]);
  assert.deepEqual([lines.renamed, lines.speakerNumber(lines.get("1"))], [0, 0]);
  lines.show([line("1", { speaker: "Ben", speaker_id: "p2" })]);
  assert.deepEqual([lines.renamed, lines.speakerNumber(lines.get("1"))], [1, 1]);
});

test("each reader reads in their own language: from the state, or from the session, before the line or after it", () => {
  const lines = new BotLines();
  const read = (language) => lines.read(lines.get("1"), language, isSameLanguage);
  assert.equal(lines.translate({ segment_id: "1", target_language: "fr", revision: 1, text: "salut" }), null, "its line is not there yet");
  lines.show([line("1", { translations: { en: "hello" } })]);
  assert.deepEqual(read(null), { text: "hola", language: "es", original: null, isAwaited: false });
  assert.deepEqual(read("es-MX"), { text: "hola", language: "es", original: null, isAwaited: false });
  assert.deepEqual(read("en"), { text: "hello", language: "en", original: "hola", isAwaited: false });
  assert.deepEqual(read("fr"), { text: "salut", language: "fr", original: "hola", isAwaited: false });
  assert.deepEqual(read("de"), { text: "hola", language: "es", original: null, isAwaited: true });
  assert.equal(lines.translate({ segment_id: "1", target_language: "fr", revision: 0, text: "old" }), null);
  assert.equal(lines.translate({ segment_id: "1", target_language: "fr", revision: 2, text: "", error: { code: "x" } }), null);
  assert.equal(lines.translate({ segment_id: "1", target_language: "fr", revision: 2, text: "bonjour" }), "1");
  assert.equal(read("fr").text, "bonjour");
});

test("a long meeting is held up to a limit, the newest lines of it", () => {
  const lines = new BotLines();
  lines.show(Array.from({ length: LIMIT + 50 }, (_, number) => line(String(number))));
  assert.equal(lines.size, LIMIT);
  assert.equal(lines.all[0].segment, "50");
  lines.clear();
  assert.deepEqual(lines.all, []);
});

test("who spoke when: a row a speaker, in order of their first words, what has no name last", () => {
  const rows = speakerRows([line("0", { speaker: null, speaker_id: null }), line("3"), line("4"), line("9", { speaker: "Ben", speaker_id: "p2" }), line("20"), line("30", { end: 30 })], () => 0);
  assert.deepEqual(rows.map(({ name, spans, seconds }) => [name, spans, seconds]), [["Ana", [[3, 5], [20, 21]], 3], ["Ben", [[9, 10]], 1], [null, [[0, 1]], 1]]);
  assert.deepEqual(axis(rows), { from: 0, to: 21 });
  assert.equal(axis([]), null);
  assert.deepEqual(ticks({ from: 2, to: 21 }), [5, 10, 15, 20]);
  assert.ok(ticks({ from: 0, to: 14_000 }).length <= 7);
  assert.match(timelineText(rows), /^Ana: 3\u00a0s in 2 turns; /);
  assert.deepEqual([position(0), position(65.9), position(3_729)], ["0:00", "1:05", "1:02:09"]);
});

test("the quality of names is said in words, and nothing is known is not zero", () => {
  const quality = (more) => ({ words: 100, named: 90, revised: 0, offset: null, drift_ppm: null, ...more });
  assert.deepEqual(qualityText(quality({ words: 0, named: 0 })), { says: "No word has been transcribed yet.", tone: "quiet" });
  assert.equal(qualityText(quality({ named: 20 })).tone, "warn");
  assert.equal(qualityText(quality({ named: 0 })).tone, "warn");
  assert.match(qualityText(quality({ revised: 1 })).says, /One name was corrected/);
  const facts = Object.fromEntries(qualityFacts(quality({ words: 0, named: 0 })));
  assert.deepEqual([facts["Words with a name"], facts["Captions are late by"]], ["–", "not known"]);
  assert.equal(Object.fromEntries(qualityFacts(quality({ offset: 1.24, drift_ppm: -18 })))["Drift of the clocks"], "−18 ppm");
});

test("a participant's line says what is known, and only that", () => {
  assert.equal(personText({ is_present: true, is_speaking: false, is_presenting: false, is_bot: false, spoke: 0 }), "");
  assert.equal(personText({ is_present: false, is_speaking: false, is_presenting: true, is_bot: true, spoke: 42 }), "a bot, left, presenting, spoke 42\u00a0s");
});

test("the camera says why it shows nothing; its fields send what they are", () => {
  const live = (more = {}, own = {}) => ({ is_here: true, camera_frame: 3, ...more, bot: bot(own) });
  assert.equal(cameraNote(live()), "");
  assert.match(cameraNote(live({}, { camera: null })), /off/);
  assert.match(cameraNote(live({ is_here: false })), /Another worker/);
  assert.match(cameraNote(live({ camera_frame: 0 })), /starts when it joins/);
  assert.match(cameraNote(live({}, { state: "ended" })), /has left/);
  assert.deepEqual(CAMERA_FIELDS.lines.write("3"), { lines: 3 });
  assert.deepEqual(CAMERA_FIELDS.on.write(false), { on: false });
  assert.equal(CAMERA_FIELDS.on.read(null), false);
});

test("to leave is confirmed in the words of what happens: one that waits is cancelled", () => {
  assert.equal(leaveConfirmation(bot({ state: "requested" })).verb, "Cancel it");
  assert.match(leaveConfirmation(bot()).title, /^Have Bot leave/);
});

test("stored lines are added with their translations, and replace nothing that is as new", () => {
  const lines = new BotLines();
  lines.show([line("2", { text: "live" })]);
  lines.recall([line("1", { translations: { de: "hallo" } }), line("2", { text: "stored", translations: { de: "gespeichert" } }), line("3", { revision: 2 })]);
  assert.deepEqual(lines.all.map(({ segment, text }) => [segment, text]), [["1", "hola"], ["2", "live"], ["3", "hola"]]);
  assert.equal(lines.read(lines.get("1"), "de", isSameLanguage).text, "hallo");
  assert.equal(lines.read(lines.get("2"), "de", isSameLanguage).text, "gespeichert");
});

test("the stored timeline is all of the meeting; what goes on lasts until now", () => {
  const speakers = [{ id: "p1", name: "Ana", seconds: 3, spoke: [[0, 3], [10, null]] }, { id: "p2", name: "Ben", seconds: 0, spoke: [] }];
  assert.deepEqual(storedRows(speakers, 12, () => 0), [{ key: "p1", name: "Ana", number: 0, spans: [[0, 3], [10, 12]], seconds: 5 }]);
});

test("events are sentences, newest first, with what was decided about consent", () => {
  const event = (id, at, type, subtype, data = {}, severity = "info") => ({ event_id: id, at, event_type: type, event_subtype: subtype, event_data: data, severity });
  const rows = eventRows({
    events: [event("1", 5, "state", "capturing"), event("2", 9, "state", "failed", { reason: "page_changed", detail: "No button." }, "error"), event("3", 7, "consent", "announcement_failed", { detail: "No chat." }, "warning")],
    consents: [{ action: "opted_out", at: 8, participant: "Ana", statement: "stop" }],
  });
  assert.deepEqual(rows.map(({ severity, subject, text }) => [severity, subject, text]), [
    ["bad", "failed", "page changed: No button."],
    ["warn", "consent", "A participant opted out: Ana. “stop”"],
    ["warn", "consent", "Its announcement could not be written in the chat. No chat."],
    ["ok", "transcribing", ""],
  ]);
});

test("files: as it was spoken in each format, and translated alone", () => {
  assert.deepEqual(transcriptFiles("b", null).map(({ href }) => href), ["/api/bots/b/transcript?format=txt", "/api/bots/b/transcript?format=srt", "/api/bots/b/transcript?format=vtt", "/api/bots/b/transcript?limit=500"]);
  assert.equal(transcriptFiles("b", "de")[1].href, "/api/bots/b/transcript?format=srt&languages=de&original=false");
  assert.deepEqual(recordingText({ speaker_name: null, duration_seconds: 60, file_size: 1_500, file_format: "flac" }), { label: "Everyone together", note: "1\u00a0min, 1.5\u00a0kB, FLAC" });
  const cut = { speaker_name: null, duration_seconds: 60, file_size: 1_500, file_format: "wav", kind: "channel", processing_status: "incomplete", reason: "The disk is full." };
  assert.deepEqual(recordingText(cut), { label: "A track that several share", note: "1\u00a0min, 1.5\u00a0kB, WAV, incomplete: The disk is full." });
  assert.equal(recordingText({ ...cut, kind: "signals", duration_seconds: 0, processing_status: "recording" }).note, "1.5\u00a0kB, WAV, still being recorded");
});

test("of a bot that is not live here the stored figures are shown, and none that are not known", () => {
  assert.deepEqual(storedQuality({ words: 400, words_named: 380, names_revised: 1 }), { words: 400, named: 380, revised: 1, offset: null, drift_ppm: null });
  assert.equal(qualityText(null).says, "Not known right now.");
  const speakers = [{ id: "p1", name: "Ana", seconds: 4, present: [[0, null]] }, { id: "p2", name: "Ben", seconds: 0, present: [[0, 5]] }];
  assert.deepEqual(storedPeople(speakers, false).map(({ is_present: is }) => is), [true, false]);
  assert.deepEqual(storedPeople(speakers, true).map(({ is_present: is }) => is), [true, true], "who had left does not matter once it is over");
});

test("the demo's camera shows a translation unless something else was chosen", () => {
  const offer = { source: ["en"], targets: ["en", "es", "de"], pairs: { en: ["es", "de"] } };
  const fields = { spoken: "auto", targets: [], camera: AS_SPOKEN };
  assert.deepEqual(demoFields(fields, offer, ["en-US", "de-AT", "es"]), { ...fields, spoken: "en", camera: "de" });
  assert.equal(demoFields(fields, offer, ["en"]).camera, "es");
  assert.equal(demoFields(fields, null, ["de"]).camera, AS_SPOKEN);
  assert.equal(demoFields({ ...fields, camera: CAMERA_OFF }, offer, ["de"]).camera, CAMERA_OFF);
});

test("a start that has passed, is half entered or years away is explained before it is sent", () => {
  assert.equal(startFault(null, 1_000), "");
  assert.equal(startFault(1_500, 1_000), "");
  assert.match(startFault(NaN, 1_000), /whole date/);
  assert.match(startFault(500, 1_000), /has passed/);
  assert.match(startFault(1_000 + 400 * 86_400, 1_000), /next year/);
});

test("a recording that cannot be sent is named with the limit", () => {
  const limits = { bytes: 16 * 2 ** 20, seconds: 120 };
  assert.equal(speechFault({ name: "a.wav", size: limits.bytes }, limits), "");
  assert.match(speechFault({ name: "a.wav", size: limits.bytes + 1 }, limits), /a\.wav.* at most 17\u00a0MB can be sent, and 2\u00a0min of sound\./);
  assert.match(speechFault({ name: "a.wav", size: 0 }, limits), /is empty/);
});

test("a file that is no sound by its type is sent as bytes", () => {
  assert.deepEqual(["audio/wav", "video/webm", "", "audio/x y"].map((type) => speechType({ type })), ["audio/wav", ...Array(3).fill("application/octet-stream")]);
});

test("how far a recording is: sent, read, waiting for the one before, spoken", () => {
  const of = (more) => speechState({ name: "a.wav", size: 5_000, ...more });
  assert.deepEqual(of({ step: "chosen" }), { text: "a.wav, 5\u00a0kB", share: undefined });
  assert.equal(of({ step: "sending", sent: 0.4 }).share, 0.4);
  const read = of({ step: "sending", sent: 1 });
  assert.equal(read.share, null);
  assert.match(read.text, /is being read/);
  const waits = of({ step: "spoken", seconds: 10, left: 15 });
  assert.equal(waits.share, 0);
  assert.match(waits.text, /after what it says now/);
  const shares = [10, 5, 0].map((left) => of({ step: "spoken", seconds: 10, left }));
  assert.deepEqual(shares.map(({ share }) => share), [0, 0.5, 1]);
  assert.equal(new Set(shares.map(({ text }) => text)).size, 1);
  assert.equal(of({ step: "spoken", seconds: 0, left: 0 }).share, 1);
});

test("on the Overview: how many run and wait, why none can start, and a failure of the last day with its reason", () => {
  const counted = (more) => ({ now: 100_000, limit: 10, queue_limit: 500, running: 0, waiting: 0, states: {}, unavailable: "", last_failed: null, ...more });
  assert.deepEqual(botsSummary(counted()), { text: "No bot has been sent to a meeting yet.", unavailable: { text: "", tone: "quiet" }, failed: null });
  assert.equal(botsSummary(counted({ running: 2, waiting: 1, states: { capturing: 2, requested: 1 } })).text, "2 bots run, of 10 at a time. One waits for a place.");
  assert.equal(botsSummary(counted({ states: { ended: 3 } })).text, "No bot runs now.");
  const missing = { unavailable: "Chromium is not installed." };
  assert.deepEqual(botsSummary(counted(missing)).unavailable, { text: missing.unavailable, tone: "quiet" });
  assert.equal(botsSummary(counted({ ...missing, waiting: 1, states: { requested: 1 } })).unavailable.tone, "warn");
  const failed = bot({ state: "failed", ended_at: 50_000, end: { reason: "captcha", stage: "join", sentence: "It met a captcha.", has_evidence: true } });
  assert.deepEqual(botsSummary(counted({ last_failed: failed })).failed, { bot: failed, text: "It met a captcha." });
  assert.equal(botsSummary(counted({ now: 50_000 + 86_400, last_failed: failed })).failed, null);
});
