/** The states and ends of bots in words, and the sentences of the Bots page. Pure. */

import { isolated } from "./bidi.js";
import { count, duration } from "./number-format.js";
import { absolute, clockTime } from "./time-format.js";

/** Each state: its word and colour, what it means, and what happens next. `{name}` is the bot's. */
const STATES = {
  scheduled: { word: "scheduled", tone: "quiet", says: "It has not started yet.", next: "It starts at the time it was scheduled for." },
  requested: { word: "waiting", tone: "busy", says: "It waits for a place.", next: "It starts as soon as a bot that runs has left." },
  starting: { word: "starting", tone: "busy", says: "Its browser is starting.", next: "Then it opens the meeting's page." },
  joining: { word: "joining", tone: "busy", says: "It is joining the meeting.", next: "It enters its name and asks to be let in." },
  waiting_in_lobby: { word: "in the lobby", tone: "warn", says: "It waits in the lobby.", next: "A participant has to admit {name}." },
  in_call_not_recording: { word: "in the meeting", tone: "busy", says: "It is in the meeting and captures nothing yet.", next: "It begins once it is allowed to transcribe." },
  capturing: { word: "transcribing", tone: "ok", says: "It is in the meeting and transcribes.", next: "It leaves by itself when everyone else has left." },
  paused: { word: "paused", tone: "warn", says: "It is in the meeting, but captures nothing.", next: "Resume it to go on." },
  recovering: { word: "joining again", tone: "warn", says: "It is joining the meeting again.", next: "Its transcript goes on where it stopped." },
  leaving: { word: "leaving", tone: "busy", says: "It is leaving the meeting.", next: "It has left within a minute." },
  ended: { word: "ended", tone: "quiet", says: "It has ended.", next: "" },
  failed: { word: "failed", tone: "bad", says: "It has failed.", next: "" },
  data_deleted: { word: "data deleted", tone: "quiet", says: "What it captured was deleted.", next: "" },
};
const FINAL = new Set(["ended", "failed", "data_deleted"]);
const IN_CALL = new Set(["in_call_not_recording", "capturing", "paused"]);

/** Why a bot joins again. */
const LOST = {
  browser_crashed: "Its browser crashed.",
  browser_stalled: "Its browser stopped responding.",
  network_lost: "Its connection to the meeting was lost.",
  owner_lost: "The worker that ran it has ended.",
};

/** When the reason of an end arose. */
const STAGES = {
  before_start: "before it started",
  start: "while its browser was starting",
  join: "while it was joining",
  lobby: "while it waited in the lobby",
  meeting: "in the meeting",
  recovery: "while it was joining again",
};

/** Characters of an address that are shown. */
const LONGEST_ADDRESS = 72;

const AGAIN = "If the meeting still goes on, send it again.";
/** What to do about each end, where the end's own sentence does not say it. */
const REMEDIES = {
  removed: "Ask the participants before you send it again.",
  nobody_came: "Check that this is the meeting's address. Send it again when the meeting begins.",
  silence_timeout: AGAIN,
  max_duration: AGAIN,
  recording_refused: "Send it again once the participants agree.",
  admission_denied: "Ask the host to let it in, then send it again.",
  blocked: "Send it again later, or let it use a signed-in profile (bots.profile_dir).",
  captcha: "Send it again later, or let it use a signed-in profile (bots.profile_dir).",
  page_changed: "Send it again. If that fails too, report it with the picture.",
  meeting_unreachable: "Check the address, and that this machine reaches it. Then send it again.",
  no_audio: "Check that the participants' microphones are on. Then send it again.",
  network_lost: "Check the network of this machine. Then send it again.",
  browser_crashed: "The machine may lack memory: let fewer bots run at a time (bots.max_bots).",
  browser_stalled: "Let fewer bots run at a time (bots.max_bots), then send it again.",
  owner_lost: AGAIN,
};

export const isFinal = ({ state }) => FINAL.has(state);
export const isInCall = ({ state }) => IN_CALL.has(state);
export const can = (bot, command) => bot.can.includes(command);

/** A state for a pill: {word, tone}. A state that this page does not know yet has its own name. */
export function statePill({ state }) {
  const { word, tone } = STATES[state] ?? { word: String(state).replaceAll("_", " "), tone: "quiet" };
  return { word, tone };
}

/** Where a bot is and what happens next, as sentences: {says, next}; `allowed`: whether it may record, null if unknown. */
export function situation(bot, { allowed = null } = {}) {
  const known = STATES[bot.state];
  if (known === undefined) return { says: `Its state is “${statePill(bot).word}”.`, next: "" };
  let { says, next } = known;
  if (bot.state === "requested" && bot.position !== null) says = `It waits for a place, as number ${count(bot.position)} in the queue.`;
  if (bot.state === "scheduled" && bot.due_at !== null) next = `It starts on ${absolute(bot.due_at)}.`;
  if (bot.state === "in_call_not_recording" && allowed === false) [says, next] = ["It is in the meeting, but may not transcribe.", "It leaves soon, unless the host allows it after all."];
  if (bot.state === "recovering" && bot.lost_to !== null) says = `${LOST[bot.lost_to] ?? "It was interrupted."} ${says}`;
  if (bot.state === "leaving" && bot.end !== null) says = `${says} ${bot.end.sentence}`;
  return { says, next: next.replace("{name}", isolated(bot.name)) };
}

/** How a bot ended: {word, tone, text, more}; null while it has not. */
export function endText({ state, end, ended_at: at, requested_at: from, admitted_at: admitted }) {
  if (end === null || !FINAL.has(state)) return null;
  const { word, tone } = STATES[state];
  const stage = end.stage === "meeting" || end.stage === "before_start" ? "" : `That was ${STAGES[end.stage] ?? end.stage}.`;
  const stay = admitted === null && at !== null && at - from >= 1 ? `It was not in the meeting; it ended ${duration(at - from)} after the request.` : "";
  return { word, tone, text: end.sentence, more: [REMEDIES[end.reason] ?? "", stage, stay].filter(Boolean).join(" ") };
}

/** What a row of the list has under the bot's state, "" where the word is enough. */
export function rowText(bot) {
  if (bot.state === "requested") return bot.position === null ? "" : `number ${count(bot.position)} in the queue`;
  if (bot.state === "scheduled") return bot.due_at === null ? "" : `starts ${absolute(bot.due_at)}`;
  if (bot.state === "waiting_in_lobby") return "a participant has to admit it";
  if (bot.state === "recovering") return LOST[bot.lost_to] ?? "";
  if (bot.state === "leaving" || isFinal(bot)) return bot.end?.sentence ?? "";
  return "";
}

/** How many bots run and wait, as a sentence. `list`: the topic `bots`, or what GET /api/bots/stats returns. */
export function listSentence(list, { isEmpty = list.bots.length === 0 } = {}) {
  const waiting = list.waiting === 0 ? "" : ` ${list.waiting === 1 ? "One waits" : `${count(list.waiting)} wait`} for a place.`;
  const isFull = list.running >= list.limit && list.limit > 0;
  if (list.running === 0 && list.waiting === 0 && list.unavailable !== "") return "No bot can be started now.";
  if (isEmpty) return "No bot has been sent to a meeting yet.";
  if (list.running === 0) return `No bot runs now.${waiting}`;
  const running = `${list.running === 1 ? "One bot runs" : `${count(list.running)} bots run`}, of ${count(list.limit)} at a time.`;
  return `${running}${waiting}${isFull && list.waiting === 0 ? " Further ones wait until one has left." : ""}`;
}

/** The problem for a banner where no bot can be started, or none. */
export function unavailableProblems({ unavailable }) {
  if (unavailable === "") return [];
  return [{ key: "unavailable", tone: "bad", word: "no new bots", subject: "Bots cannot be started", text: unavailable, more: "Bots that run go on. Those that wait start when this is solved.", since: null, action: null }];
}

/** Those of a list that are not over, and those that are: {active, ended}, in their order. */
export function parted(bots) {
  return { active: bots.filter((bot) => !isFinal(bot)), ended: bots.filter(isFinal) };
}

/** The address of a bot's page. */
export const botHref = (id) => `/bots/${encodeURIComponent(id)}`;

/** A meeting's address without its scheme, as people know it, of a bearable length; "" where the data was deleted. */
export function meetingText(url) {
  const text = url.replace(/^https?:\/\//i, "").replace(/\/$/, "");
  return shortened(text, LONGEST_ADDRESS);
}

/** A text of at most so many characters. */
export const shortened = (text, most) => (text.length > most ? `${text.slice(0, most)}…` : text);

/** How long a bot has been, or was, in its meeting; null where it was not. */
export function stay({ admitted_at: from, ended_at: to }, now) {
  return from === null ? null : Math.max(0, (to ?? now) - from);
}

/** A bot's name, also where that was deleted. */
export const botName = ({ name }) => name || "Name deleted";

/** The time of day that a moment of a bot's session was at, where its begin is known; else seconds from the begin. */
export function momentText(seconds, begin) {
  return begin === null ? duration(seconds) : clockTime(begin + seconds);
}

/** The button that ends a bot's stay; one that has not started is cancelled. */
export function leaveVerb({ state }) {
  return state === "scheduled" || state === "requested" ? "Cancel it" : "Leave the meeting";
}

/** The confirmation before a bot leaves: {title, text, verb, cancel}. */
export function leaveConfirmation(bot) {
  const name = isolated(bot.name);
  if (leaveVerb(bot) === "Cancel it") return { title: `Cancel ${name}?`, text: "It has not joined yet, and will not.", verb: "Cancel it", cancel: "Keep it" };
  return { title: `Have ${name} leave the meeting?`, text: "Its captions end. What it captured stays stored; to go on, another bot has to be sent and let in.", verb: "Leave the meeting", cancel: "Stay" };
}

/** The confirmation before a bot's data is deleted: {title, text, verb}. */
export function deleteConfirmation(bot) {
  return {
    title: `Delete what ${isolated(bot.name)} captured?`,
    text: "The transcript, the translations, the names of participants, the chat, recordings, pictures of failures and webhooks that wait are deleted for good, and so are the bot's name, the meeting's address and its metadata. That it ran, when, and how it ended stay. This cannot be undone.",
    verb: "Delete its data",
  };
}
