/** The Translation page: speech in, captions and translations out, for everyone in the session. */

import { showBanners } from "../components/banners.js";
import { copyText, saveText } from "../components/copy.js";
import { byId, setAttribute, setText } from "../components/dom.js";
import { Kept } from "../components/kept.js";
import { Notices } from "../components/notices.js";
import { toast } from "../components/toasts.js";
import { LanguageChoice } from "../components/translation/languages.js";
import { Recordings } from "../components/translation/recordings.js";
import { Shortcuts } from "../components/translation/shortcuts.js";
import { Speaking } from "../components/translation/speaking.js";
import { Transcript } from "../components/translation/transcript.js";
import { Captions } from "../models/captions.js";
import { FORMATS, exportable, fileName, toTxt } from "../models/exports.js";
import { counted } from "../models/figures.js";
import { list } from "../models/languages.js";
import { problems } from "../models/overview.js";
import { here, middle, missed, nothingYet, sentence, whoYouAre } from "../models/translation-words.js";
import { socket } from "../page-socket.js";
import { SessionClient } from "../session-client.js";
import { Shell } from "../shell.js";

/** The sentence under the title is read out when it changes: not more often than this (ms). */
const SAY_EVERY = 2_000;
/** Delays of this page's own finals that the figure is the middle of. */
const DELAYS = 20;
const KEPT_NAME = "translation:name";

const query = new URLSearchParams(location.search);
const role = query.get("role") === "observer" ? "observer" : "participant";
const kept = new Kept();
const captions = new Captions();
const session = new SessionClient(socket);
const notices = new Notices(byId("notices"));
const delays = [];
let services = null;
/** stream -> its last `audio_status`, while it is being written down. */
const statuses = new Map();
let spoken = null;
let saidAt = -Infinity;
let sayTimer = null;

const languages = new LanguageChoice({
  source: byId("source"),
  menu: byId("targets"),
  value: byId("targets-value"),
  choices: byId("targets-choices"),
  note: byId("targets-note"),
  storage: kept,
});

const canSpeak = () => session.phase === "open" && role !== "observer";
const target = () => (canSpeak() ? { session_id: session.session_id, source: languages.source, targets: languages.targets } : null);

const speaking = new Speaking(socket, { kept, target });

const recordings = new Recordings({
  input: byId("file"),
  button: byId("open-file"),
  drop: byId("drop"),
  card: byId("recordings"),
  list: byId("recording-list"),
  target,
  onRefused: (text) => notices.say("recording", { word: "not taken", tone: "bad", text }),
  onChange: () => say(),
});

const transcript = new Transcript({
  captions,
  list: byId("lines"),
  scroll: byId("scroll"),
  jump: byId("jump"),
  announce: byId("announce"),
  nameOf: (line) => line.speaker || session.nameOf(line.participantId) || "Unknown",
  now: () => socket.serverNow,
  onCount: () => count(),
});

// --- what is said ---------------------------------------------------------------------------------------------

function hear(message) {
  if (message.session_id !== session.session_id) return;
  const { renamed } = captions;
  const line = captions.apply(message);
  if (captions.renamed !== renamed) transcript.rename();
  if (line !== null) {
    transcript.update(line);
    measure(message);
  }
  if (message.type === "audio_status") heardStatus(message);
  if (message.type === "audio_ended") statuses.delete(message.stream_id);
  recordings.hear(message);
  say();
}

function heardStatus(message) {
  statuses.set(message.stream_id, message);
  if (speaking.uplink.owns(message.stream_id)) speaking.heard(message);
}

/** The delay of one's own words: from the end of speech, as the service timed it, to the final caption. */
function measure(message) {
  if (message.type !== "transcript" || !message.final || message.error || !speaking.uplink.owns(message.segment_id)) return;
  delays.push(Math.max(0, (message.timestamp - message.stream_started) / 1000 - message.end));
  if (delays.length > DELAYS) delays.shift();
}

function count() {
  const lines = exportable(captions.lines).length;
  for (const button of document.querySelectorAll("[data-format], #copy")) button.disabled = lines === 0;
  const { translated } = captions.languages;
  const what = translated.length > 0 ? "original and translations" : "original";
  setText(byId("take-note"), lines === 0 ? "nothing yet" : `${counted(lines, "line")} · ${what}`);
  showEmpty();
}

function showEmpty() {
  byId("empty").hidden = transcript.length > 0 || session.phase !== "open";
  const { title, text } = nothingYet({ microphone: speaking.state, capture: speaking.capture, recordings: recordings.active, isReadOnly: role === "observer" });
  setText(byId("empty-title"), title);
  setText(byId("empty-text"), text);
}

// --- how things are -------------------------------------------------------------------------------------------

/** Bring the sentence up to date, soon: what changes many times a second is not read out as often. */
function say() {
  sayTimer ??= setTimeout(sayNow, Math.max(50, saidAt + SAY_EVERY - performance.now()));
}

/** What somebody waits for is said at once. */
function sayNow() {
  clearTimeout(sayTimer);
  sayTimer = null;
  saidAt = performance.now();
  showEmpty();
  setText(byId("page-status"), words());
}

function words() {
  const me = session.participant_id;
  return sentence({
    phase: session.phase,
    reason: session.reason,
    connection: socket.state.state,
    microphone: speaking.state,
    capture: speaking.capture,
    uplink: { state: speaking.uplink.state, waiting: speaking.uplink.waiting, isDoubted: speaking.uplink.isDoubted },
    participants: session.participants,
    count: session.count,
    speaking: session.participants.filter((one) => one.speaking && one.participant_id !== me).map(({ name }) => name || "Someone"),
    lines: transcript.length,
    lag: middle(delays),
    waiting: waiting(),
    recordings: recordings.active,
    isReadOnly: role === "observer",
  });
}

/** What waits in all streams of the session. */
function waiting() {
  const all = [...statuses.values()];
  const seconds = all.reduce((sum, { waiting_seconds }) => sum + waiting_seconds, 0);
  return { seconds, service: all.find(({ waiting_for }) => waiting_for)?.waiting_for ?? null };
}

function showServices(data) {
  const before = services;
  services = data;
  showBanners(byId("problems"), problems({ services, tree: null, config: null }));
  const state = (all) => all?.services.map(({ name, state }) => `${name} ${state}`).join();
  // A back end that came or went may offer other languages.
  if (before !== null && state(before) !== state(services)) languages.load();
}

function showSession() {
  const { phase, session_id } = session;
  setText(byId("session-name"), session_id ?? "");
  setText(byId("page-title"), session_id ?? "Translation");
  document.title = `${session_id ?? "Translation"} · LiveTranslate`;
  const isOpen = phase === "open" || phase === "rejoining";
  for (const id of ["copy-link", "copy-reader"]) byId(id).disabled = !isOpen;
  byId("open-file").disabled = !canSpeak();
  if (phase === "gone" || phase === "failed") {
    notices.say("session", {
      word: phase === "gone" ? "ended" : "failed",
      tone: "bad",
      text: session.reason,
      more: transcript.length > 0 ? "What is shown stays on this page and can be taken with you." : "Start a new one and send its link to the others.",
      actions: [{ label: "Start a new one", run: begin }],
      isDismissable: false,
    });
    speaking.abort();
  } else notices.drop("session");
  if (phase === "open") {
    const url = new URL(location.href);
    url.searchParams.set("session", session_id);
    history.replaceState(history.state, "", url);
  }
  speaking.refresh();
  count();
  sayNow();
}

// --- the session ----------------------------------------------------------------------------------------------

const identity = () => ({ name: byId("name").value.trim(), languages: languages.targets, role });

function begin() {
  captions.clear();
  transcript.clear();
  transcript.isQuiet = false;
  const url = new URL(location.href);
  url.searchParams.delete("session");
  history.replaceState(history.state, "", url);
  session.open(identity());
}

function link({ reader = false } = {}) {
  const url = new URL("/translation", location.href);
  url.searchParams.set("session", session.session_id);
  if (reader) url.searchParams.set("role", "observer");
  return url.href;
}

async function copy(text, what) {
  if (await copyText(text)) toast(`${what} copied.`);
  else toast(`${what} could not be copied: the browser does not allow it here.`, { tone: "bad" });
}

const shownLanguages = () => [...new Set([...languages.targets, ...captions.languages.translated])];

function copyAll() {
  if (!byId("copy").disabled) copy(toTxt(captions.lines, { languages: shownLanguages() }), "The transcript was");
}

function save(format) {
  const text = FORMATS[format].write(captions.lines, { languages: shownLanguages(), session_id: session.session_id });
  saveText(text, { name: fileName(session.session_id, format), type: FORMATS[format].type });
}

function toggleLarge() {
  const isLarge = document.body.toggleAttribute("data-large");
  setAttribute(byId("large"), "aria-pressed", String(isLarge));
}

// --- wiring ---------------------------------------------------------------------------------------------------

byId("name").value = kept.get(KEPT_NAME) ?? "";
byId("name").addEventListener("change", () => {
  kept.set(KEPT_NAME, byId("name").value.trim());
  session.update(identity());
});
byId("large").addEventListener("click", toggleLarge);
byId("copy-link").addEventListener("click", () => copy(link(), "The link was"));
byId("copy-reader").addEventListener("click", () => copy(link({ reader: true }), "The reading-only link was"));
byId("copy").addEventListener("click", copyAll);
for (const button of document.querySelectorAll("[data-format]")) button.addEventListener("click", () => save(button.dataset.format));

languages.addEventListener("change", ({ detail }) => {
  setText(byId("read-head"), languages.heading);
  transcript.show(detail);
  session.update({ languages: detail.targets });
  // What is read is known to the service by itself; what is spoken begins a new stream.
  if (spoken !== null && spoken !== detail.source) speaking.change(detail);
  spoken = detail.source;
  const text = languages.problem;
  if (text === "") notices.drop("languages");
  else notices.say("languages", { word: "not offered", text, more: "What is said is still written down as spoken." });
});

speaking.addEventListener("trouble", ({ detail }) => notices.say(detail.key, { word: "microphone", tone: "bad", text: detail.text, more: detail.more }));
speaking.addEventListener("fine", ({ detail }) => notices.drop(detail.key));
speaking.addEventListener("change", sayNow);

session.addEventListener("phase", showSession);
session.addEventListener("ready", () => {
  speaking.ready();
  recordings.check(session.session_id).catch(() => toast("Whether the recordings were read to their end is not known: the service cannot be reached.", { tone: "bad" }));
});
session.addEventListener("participants", ({ detail }) => {
  setText(byId("here"), list([here(detail.participants, detail.count)]).replace(/^./, (first) => first.toUpperCase()));
  // Of a crowd only the first are named; this page's own name may have to be taken from what it gave.
  const me = detail.participants.find(({ participant_id }) => participant_id === session.participant_id);
  setText(byId("you-are"), whoYouAre(me?.name ?? null));
  transcript.rename();
  say();
});
session.addEventListener("rejoined", ({ detail }) => notices.say("missed", { word: "missed", text: missed(detail) }));

socket.addEventListener("message", ({ detail }) => hear(detail));
socket.addEventListener("complaint", ({ detail }) => {
  // Audio that was on its way when its stream broke off: the uplink begins another.
  if (detail.code === "audio_not_started") return;
  notices.say(`complaint ${detail.code}`, { word: "error", tone: "bad", text: detail.detail });
});
socket.addEventListener("state", ({ detail }) => {
  // What was under way is not known any more; the service says it anew when it changes.
  if (detail.state !== "live") statuses.clear();
  sayNow();
});
// How the back ends are is for operators; everyone else learns from the captions what they wait for.
if (document.body.dataset.operator !== undefined) socket.onTopic("services", showServices);

new Shortcuts({
  dialog: byId("keys"),
  opener: byId("keys-button"),
  choice: byId("keys-on"),
  kept,
  keys: { m: () => speaking.toggle(), o: () => byId("open-file").disabled || recordings.choose(), l: toggleLarge, j: () => transcript.jump(), c: copyAll },
}).start();

new Shell(socket).start();
session.start();
languages.start();
speaking.start();
recordings.start();
transcript.start();
setInterval(() => transcript.refresh(), 10_000);
// Who only reads has nothing to speak with.
if (role === "observer") for (const part of [byId("speak"), byId("device").closest(".field"), byId("source").closest(".field"), byId("open-file"), byId("microphone")]) part.hidden = true;
socket.start();
showSession();
await session.open({ ...identity(), session_id: query.get("session") });
transcript.isQuiet = false;
