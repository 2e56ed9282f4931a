/** The Translation page: speech in, captions and translations out, for everyone in the session. */

import { showBanners } from "../components/banners.js";
import { copyText, saveText } from "../components/text-export.js";
import { confirm } from "../components/confirm-dialog.js";
import { Disclosure } from "../components/disclosure.js";
import { byId, setAttribute, setText } from "../components/dom.js";
import { Preferences } from "../components/preferences.js";
import { Notices } from "../components/notices.js";
import { SlicedTask } from "../components/sliced-task.js";
import { toast } from "../components/toasts.js";
import { LanguageChoice } from "../components/translation/language-choice.js";
import { LargeType } from "../components/translation/large-type.js";
import { Recordings } from "../components/translation/recordings.js";
import { Shortcuts } from "../components/translation/shortcuts.js";
import { Speaking } from "../components/translation/microphone-controls.js";
import { Transcript } from "../components/translation/transcript.js";
import { Captions } from "../models/captions.js";
import { FORMATS, fileName, streamOf, toTxt } from "../models/exports.js";
import { counted } from "../models/number-format.js";
import { list } from "../models/languages.js";
import { problems } from "../models/overview.js";
import { CaptionDelay } from "../models/caption-delay.js";
import { tabStorage } from "../models/session-memory.js";
import { linkBase, readLink, writeLink } from "../models/session-link.js";
import { TabSession } from "../models/tab-session.js";
import { closedText, here, middle, missed, nothingYet, sentence, whoYouAre } from "../models/translation-text.js";
import { socket } from "../page-socket.js";
import { SessionClient } from "../session-client.js";
import { Shell } from "../shell.js";

/** The sentence under the title is read out when it changes: not more often than this (ms). */
const SAY_EVERY = 2_000;
/** Delays of this page's own finals that the figure is the middle of. */
const DELAYS = 20;
/** Whoever leaves waits so long at most for the service to have what they said last (ms). */
const LAST_WORDS = 3_000;
const KEPT_NAME = "translation:name";

const tab = new TabSession(tabStorage());
const link = readLink(location.href);
/** What this page is to be: the link it was opened with; without one the session that the tab is in. */
let wanted = link.session_id === null ? (tab.read() ?? link) : link;
const wasCutOff = tab.wasSpeaking(wanted.session_id);
/** Whether the service lets this page begin sessions: on its own machine, and for operators. */
const mayBegin = ["operator", "local"].some((who) => who in document.body.dataset);
const kept = new Preferences();
const captions = new Captions();
const session = new SessionClient(socket);
const notices = new Notices(byId("notices"));
const delays = [];
let services = null;
/** What waits in the session's streams, and whether it is late. */
const lateness = new CaptionDelay();
let spoken = null;
/** Whether a link to this session was copied: then others may still come. */
let isShared = false;
/** The page goes: what closes the microphone now is no decision of the speaker's. */
let isGoing = false;
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

const large = new LargeType({ opener: byId("large"), leave: byId("leave-large"), full: byId("full-screen"), kept });

/** A new session can be spoken in as soon as it could be begun. */
const canSpeak = () => !session.isReadOnly && (session.phase === "open" || (session.phase === "new" && socket.isLive));
const target = () => (canSpeak() ? { session_id: session.session_id, source: languages.source, targets: languages.targets } : null);

const prepare = () => session.ensure();

const speaking = new Speaking(socket, { kept, target, prepare });

const recordings = new Recordings({
  input: byId("file"),
  button: byId("open-file"),
  drop: byId("drop"),
  card: byId("recordings"),
  list: byId("recording-list"),
  target,
  prepare,
  key: () => session.keys?.speak ?? session.keys?.read ?? null,
  onRefused: (text) => notices.say("recording", { word: "not taken", tone: "bad", text }),
  onChange: () => say(),
  mayCancel: () => (document.body.dataset.operator !== undefined ? "operator" : session.isOwner ? "owner" : null),
  cancelAsOwner: (session_id, stream_id) => socket.request({ type: "cancel_recording", session_id, stream_id }),
  storage: tabStorage(),
});

const transcript = new Transcript({
  captions,
  list: byId("lines"),
  scroll: byId("scroll"),
  jump: byId("jump"),
  announce: byId("announce"),
  nameOf: (line) => line.speaker || session.nameOf(line.participantId) || "Unknown",
  isOwn: ({ participantId }) => participantId !== null && participantId === session.participant_id,
  now: () => socket.serverNow,
  // What is read in is drawn when all of it is there: lines that are drawn before would be pushed away by the next.
  mayDraw: () => arrived.length === 0,
});
/** Messages that wait: a long history comes at once, and is gone through in slices before it is drawn. */
let arrived = [];
let next = 0;
const intake = new SlicedTask(hearNext, {
  after: (isDone) => {
    count();
    if (isDone) transcript.draw();
  },
});

// --- what is said ---------------------------------------------------------------------------------------------

function arrive(message) {
  arrived.push(message);
  intake.wake();
}

/** Apply the next message. False when there is none. */
function hearNext() {
  if (next < arrived.length) hear(arrived[next++]);
  if (next < arrived.length) return true;
  arrived = [];
  next = 0;
  return false;
}

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
  if (message.type === "audio_ended") lateness.forget(message.stream_id);
  recordings.hear(message);
  say();
}

function heardStatus(message) {
  lateness.note(message, performance.now() / 1000);
  if (speaking.uplink.owns(message.stream_id)) speaking.heard(message);
}

/** The delay of one's own words: from the end of speech, as the service timed it, to the final caption. */
function measure(message) {
  if (message.type !== "transcript" || !message.final || message.error || !speaking.uplink.owns(message.segment_id)) return;
  delays.push(Math.max(0, (message.timestamp - message.stream_started) / 1000 - message.end));
  if (delays.length > DELAYS) delays.shift();
}

const takeButtons = [...document.querySelectorAll("[data-format], #copy")];

function count() {
  const lines = captions.exportable;
  for (const button of takeButtons) button.disabled = lines === 0;
  const { translated } = captions.languages;
  const what = translated.length > 0 ? "original and translations" : "original";
  offerRecordings();
  setText(byId("take-note"), lines === 0 ? "nothing yet" : `${counted(lines, "line")} · ${what}`);
  showEmpty();
}

function showEmpty() {
  byId("empty").hidden = transcript.length > 0 || !["open", "new"].includes(session.phase);
  byId("empty-join").hidden = session.isReadOnly;
  const { title, text } = nothingYet({ microphone: speaking.state, capture: speaking.capture, recordings: recordings.active, isReadOnly: session.isReadOnly });
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
  // Delays change all the time: they are there to be read, and not read out.
  setText(byId("spoken-status"), words({ isSpoken: true }));
}

function words(less = {}) {
  const me = session.participant_id;
  return sentence({
    phase: session.phase,
    reason: session.reason,
    connection: socket.state.state,
    microphone: speaking.state,
    capture: speaking.capture,
    uplink: { state: speaking.uplink.state, waiting: speaking.uplink.waiting, isUnresponsive: speaking.uplink.isUnresponsive },
    participants: session.participants,
    count: session.count,
    speaking: session.participants.filter((one) => one.speaking && one.participant_id !== me).map(({ name }) => name || "Someone"),
    lines: transcript.length,
    lag: middle(delays),
    waiting: waiting(),
    recordings: recordings.active,
    isReadOnly: session.isReadOnly,
    ...less,
  });
}

/** What is late. Which service it waits for is for operators. */
function waiting() {
  const late = lateness.at(performance.now() / 1000);
  return late === null || document.body.dataset.operator !== undefined ? late : { ...late, service: null };
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
  for (const part of document.querySelectorAll("#controls, .talk")) part.hidden = phase === "uninvited";
  setText(byId("session-name"), session_id ?? "");
  setText(byId("page-title"), session_id ?? "Translation");
  document.title = `${session_id ?? "Translation"} · LiveTranslate`;
  showLinks();
  showRights();
  if (["gone", "failed", "uninvited"].includes(phase)) {
    notices.say("session", {
      word: { gone: "ended", failed: "failed", uninvited: "no link" }[phase],
      tone: phase === "uninvited" ? "warn" : "bad",
      text: session.reason,
      more: closedText({ phase, hasLines: transcript.length > 0, mayBegin }),
      // What kept this session from being opened would keep a new one from it as well.
      actions: phase === "failed" ? [{ label: "Try again", run: () => location.reload() }] : mayBegin ? [{ label: "Start a new one", run: begin }] : [],
      isDismissable: false,
    });
    speaking.abort();
    tab.forget();
  } else notices.drop("session");
  if (phase === "open") keepAddress();
  speaking.refresh();
  count();
  sayNow();
}

// --- the session ----------------------------------------------------------------------------------------------

const identity = () => ({ name: byId("name").value.trim(), languages: languages.targets, role: wanted.role, key: wanted.key });

/** What the page's address, and the tab, are to lead back to. */
function keepAddress() {
  const { session_id, keys } = session;
  const key = keys?.speak ?? keys?.read ?? wanted.key;
  // An observer by their own choice stays one; who holds the reading key alone is one anyway.
  const role = keys?.speak && wanted.role === "observer" ? "observer" : "participant";
  tab.write({ session_id, key, role });
  const href = writeLink(location.href, { session_id, key, role });
  // It costs tens of milliseconds on a slow machine, where a long history is read in just then.
  if (href !== location.href) setTimeout(() => session.session_id === session_id && history.replaceState(history.state, "", href));
}

/** Leave the session, if one is open, for a new one that begins with its first word. */
async function begin() {
  if (speaking.state !== "off" && !(await mayLeave())) return;
  if (session.phase === "open") await session.leave({ isEmpty: !isShared && transcript.length === 0 });
  tab.forget();
  arrived = [];
  next = 0;
  captions.clear();
  transcript.clear();
  transcript.isQuiet = false;
  isShared = false;
  lateness.clear();
  notices.drop("missed");
  wanted = { session_id: null, key: null, role: "participant" };
  const url = new URL(location.href);
  url.search = url.hash = "";
  history.replaceState(history.state, "", url);
  await session.open({ ...identity(), session_id: null });
}

const links = linkBase(location.href, byId("link-reach").dataset.publicUrl);

/** Say how far links reach that are copied here, where that is not as far as one would think. */
function showReach() {
  if (links.reach === "same") return;
  byId("link-reach").hidden = false;
  setText(
    byId("link-reach"),
    links.reach === "machine"
      ? "Links from here open on this machine alone: the page was opened as localhost. To invite others, start the service with: make run ARGS=--share"
      : `Links from here lead to ${new URL(links.base).host}, where others can open them.`,
  );
}

/** Copy a link: to speak with or, with `reader`, to read with. Sharing it is what begins a new session. */
async function copyLink({ reader = false } = {}) {
  if (!(await prepare())) return;
  isShared = true;
  const { session_id, keys } = session;
  const key = reader ? keys?.read : keys?.speak;
  if (!key) return;
  await copy(writeLink(links.base, { session_id, key }), reader && !session.isReadOnly ? "The reading-only link was" : "The link was");
}

/** Which links there are to hand on: who only reads hands on reading. */
function showLinks() {
  const { phase, keys, isReadOnly } = session;
  const mayCopy = phase === "open" || phase === "rejoining" || (phase === "new" && socket.isLive);
  byId("copy-link").hidden = isReadOnly || (keys !== null && !keys.speak);
  byId("copy-link").disabled = !mayCopy;
  byId("copy-reader").disabled = !mayCopy;
  setText(byId("copy-reader"), isReadOnly ? "Copy link" : "Copy reading-only link");
  byId("new-session").hidden = isReadOnly || !mayBegin || phase === "new" || phase === "idle" || phase === "opening";
}

/** Who only reads has nothing to speak with. */
function showRights() {
  const isReadOnly = session.isReadOnly || session.phase === "uninvited";
  for (const part of [byId("speak"), byId("device").closest(".field"), byId("source").closest(".field"), byId("open-file"), byId("microphone")]) part.hidden = isReadOnly;
  if (isReadOnly) notices.drop("microphone");
  byId("open-file").disabled = !canSpeak();
}

// --- leaving --------------------------------------------------------------------------------------------------

/** Ask whoever speaks whether to stop. Resolves to whether the page may be left; then the microphone is off. */
async function mayLeave() {
  const isSure = await confirm({
    title: "Stop speaking and leave?",
    text: "Your microphone is open. On another page, or in another session, nobody here hears you.",
    verb: "Stop and leave",
  });
  if (isSure) {
    await speaking.close();
    await drainUplink();
  }
  return isSure;
}

/** Wait until the service has all that was said, as far as that does not take long. */
function drainUplink() {
  const end = performance.now() + LAST_WORDS;
  return new Promise((resolve) => {
    const look = () => {
      if (speaking.uplink.state === "idle" || speaking.uplink.waiting === 0 || performance.now() > end) resolve();
      else setTimeout(look, 50);
    };
    look();
  });
}

function sayCutOff() {
  notices.say("cut off", { word: "microphone", text: "Your microphone is off: this page was left or loaded again while you spoke.", more: "Start it to go on speaking." });
}

/** A link of this page, followed in this tab while the microphone is open. */
async function follow(event) {
  const anchor = event.target.closest?.("a[href]");
  if (speaking.state === "off" || anchor === null || anchor === undefined) return;
  if (event.defaultPrevented || event.button !== 0 || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  if (anchor.target === "_blank" || anchor.hasAttribute("download") || isHere(anchor)) return;
  event.preventDefault();
  if (await mayLeave()) location.assign(anchor.href);
}

/** A place in this page. */
function isHere({ href, protocol }) {
  if (protocol === "blob:") return true;
  const [to, here] = [new URL(href), new URL(location.href)];
  return to.hash !== "" && to.origin === here.origin && to.pathname === here.pathname && readLink(href).session_id === null;
}

async function copy(text, what) {
  if (await copyText(text)) toast(`${what} copied.`);
  else toast(`${what} could not be copied: the browser does not allow it here.`, { tone: "bad" });
}

const shownLanguages = () => [...new Set([...languages.targets, ...captions.languages.translated])];

/** The lines that are taken: all of the session, or those of one recording, which then count from its own beginning. */
function takenLines() {
  const stream = byId("take-what").value;
  return stream === "" ? captions.lines : captions.lines.filter(({ id }) => streamOf(id) === stream);
}

/** Offer each recording for itself, once there are lines of one. */
function offerRecordings() {
  const choice = byId("take-what");
  const known = new Set([...choice.options].map(({ value }) => value));
  for (const [stream, name] of captions.recordings) if (!known.has(stream)) choice.add(new Option(name, stream));
  for (const option of [...choice.options]) if (option.value !== "" && !captions.recordings.has(option.value)) option.remove();
  byId("take-what-field").hidden = captions.recordings.size === 0;
}

function copyAll() {
  if (!byId("copy").disabled) copy(toTxt(takenLines(), { languages: shownLanguages() }), "The transcript was");
}

function save(format) {
  const text = FORMATS[format].write(takenLines(), { languages: shownLanguages(), session_id: session.session_id });
  saveText(text, { name: fileName(session.session_id, format, byId("take-what").value), type: FORMATS[format].type });
}

// --- wiring ---------------------------------------------------------------------------------------------------

// A sentence that stands in two places is read out from one.
setAttribute(byId("page-status"), "role", null);
large.start();
new Disclosure({ button: byId("options-button"), content: byId("options") }).start();
byId("name").value = kept.get(KEPT_NAME) ?? "";
byId("name").addEventListener("change", () => {
  kept.set(KEPT_NAME, byId("name").value.trim());
  session.update(identity());
});
showReach();
byId("copy-link").addEventListener("click", () => copyLink());
byId("copy-reader").addEventListener("click", () => copyLink({ reader: true }));
byId("new-session").addEventListener("click", begin);
document.addEventListener("click", follow);
addEventListener("beforeunload", (event) => {
  if (speaking.state !== "off") event.preventDefault();
});
addEventListener("pagehide", () => (isGoing = true), { capture: true });
addEventListener("pageshow", ({ persisted }) => {
  isGoing = false;
  if (persisted && tab.wasSpeaking(session.session_id)) sayCutOff();
});
addEventListener("hashchange", () => {
  // Another link was opened in this tab: the page begins anew with it.
  const { session_id } = readLink(location.href);
  if (session_id !== null && session_id !== session.session_id) location.reload();
  // A place in this page was gone to: the address is to lead back to the session all the same.
  else if (session_id === null && session.phase === "open") keepAddress();
});
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
speaking.addEventListener("change", () => {
  if (!isGoing) tab.speaks(speaking.state === "off" ? null : session.session_id);
  sayNow();
});

session.addEventListener("phase", showSession);
session.addEventListener("ready", () => {
  speaking.ready();
  recordings.check(session.session_id).catch(() => toast("Which recordings are being read is not known: the service cannot be reached.", { tone: "bad" }));
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

socket.addEventListener("message", ({ detail }) => arrive(detail));
socket.addEventListener("complaint", ({ detail }) => {
  // Audio that was on its way when its stream broke off: the uplink begins another. What only operators are
  // told, guests need not know of.
  if (detail.code === "audio_not_started" || detail.code === "token_required") return;
  // Of a recording that was opened here its card says it.
  if (detail.stream_id !== undefined && recordings.owns(detail.stream_id)) return;
  notices.say(`complaint ${detail.code}`, { word: "error", tone: "bad", text: detail.detail });
});
socket.addEventListener("state", ({ detail }) => {
  // What was under way is not known any more; the service says it anew when it changes.
  if (detail.state !== "live") lateness.clear();
  showLinks();
  showRights();
  speaking.refresh();
  sayNow();
});
// How the back ends are is for operators; everyone else learns from the captions what they wait for.
if ("operator" in document.body.dataset) socket.onTopic("services", showServices);

new Shortcuts({
  dialog: byId("keys"),
  opener: byId("keys-button"),
  choice: byId("keys-on"),
  kept,
  keys: { m: () => speaking.toggle(), o: () => byId("open-file").disabled || recordings.choose(), l: large.toggle, j: () => transcript.jump(), c: copyAll },
}).start();

const isOperator = "operator" in document.body.dataset;
/** What is wrong comes over the same connection as the session: once that is there it is waited for so long (ms). */
const WRONG_AFTER = 3_000;
/** Without a connection the page is shown all the same after this (ms). */
const SHOWN_AFTER = 5_000;
let isWaitedFor = false;
const isOpened = () => !["idle", "opening"].includes(session.phase);
const shell = new Shell(socket, { isReady: () => isOpened() && (services !== null || !isOperator || isWaitedFor) });
shell.start();
function showAfter(milliseconds) {
  setTimeout(() => {
    isWaitedFor = true;
    shell.reveal();
  }, milliseconds);
}
function showSoon() {
  shell.reveal();
  if (!isWaitedFor && isOpened() && socket.isLive) showAfter(WRONG_AFTER);
}
showAfter(SHOWN_AFTER);
session.addEventListener("phase", showSoon);
socket.addEventListener("state", showSoon);
session.start();
languages.start();
speaking.start();
recordings.start();
transcript.start();
setInterval(() => transcript.refresh(), 10_000);
setInterval(say, 5_000);
socket.start();
showSession();
await session.open({ ...identity(), session_id: wanted.session_id, mayBegin });
await intake.settled();
transcript.isQuiet = false;
if (wasCutOff && session.phase === "open" && !session.isReadOnly) {
  sayCutOff();
}
