/** The text of the Connections page. Pure. */

import { isolated } from "./bidi.js";
import { bytes, count, counted, joined, latency, number } from "./number-format.js";
import { listed } from "./overview.js";

/** One sentence on all connections. A screen reader reads it whenever it changes, so it has no live figure. `state`: the topic `connections`. */
export function sentence(state, store = null) {
  const silent = state.workers.filter(({ answered }) => !answered).length;
  if (silent > 0) return `${silent === 1 ? "One worker does" : `${count(silent)} workers do`} not reply; ${silent === 1 ? "its" : "their"} connections are not counted.`;
  if (store !== null && store.state !== "healthy") return `Connections stay open, but sessions cannot be stored right now${store.brief ? `: ${isolated(store.brief)}` : ""}.`;
  if (state.active === 0) return "Nobody is connected.";
  const { behind } = state.doings;
  if (state.active >= state.limit) return "The connection limit has been reached; new connections are rejected until one closes.";
  if (state.active >= state.limit * 0.9) return "The connection limit is nearly reached.";
  if (behind > 0) return `${behind === 1 ? "One connection is" : `${count(behind)} connections are`} behind; the others are up to date.`;
  return "All connections are up to date.";
}

/** A problem for a banner where the connection limit is lower than the setting, or none. */
export function loweredLimitProblems(state) {
  if (!state.limit_reason) return [];
  return [{ key: "limit", tone: "warn", word: "lowered", subject: "The connection limit", text: state.limit_reason, more: "Further clients are rejected and try again later; open connections stay open.", since: null, action: null }];
}

/** The limits that all clients share, by the service's name for them. */
const LIMITS = {
  connections: "Connections",
  sessions: "Sessions",
  stored_bytes: "Stored of all sessions",
  outgoing_bytes: "Waiting for all clients",
  streams: "Microphones",
  waiting_speech_seconds: "Speech waiting",
  gateway_requests: "Requests to back ends",
  spooled_bytes: "Uploads on disk",
};

/** How much of a limit is used, as text: {word, taken, limit, state, tone}. */
export function limitText({ name, taken, limit }) {
  const format = name.endsWith("_bytes") ? bytes : name.endsWith("_seconds") ? (value) => `${count(Math.round(value))} s` : count;
  const part = limit > 0 ? taken / limit : 1;
  const [state, tone] = part >= 1 ? ["full", "bad"] : part >= 0.9 ? ["nearly full", "warn"] : ["has room", "ok"];
  return { word: LIMITS[name] ?? name, taken: format(taken), limit: format(limit), state, tone };
}

/** What happens once a limit is reached. */
const CONSEQUENCES = {
  outgoing_bytes: "Past the limit the client with the most bytes waiting is closed as too slow (4200) and connects again; then the next one.",
  stored_bytes: "From 90 % on, the oldest sessions without participants are ended. At 100 %, new sessions, broadcasts and recordings are rejected. Captions go on.",
  sessions: "Past the limit the oldest sessions without participants are ended to make room; if there are none, new sessions are rejected.",
};

/** A problem for a banner for each limit that is reached, or nearly. */
export function limitProblems(state) {
  return state.sums
    .map((sum) => ({ sum, text: limitText(sum) }))
    .filter(({ text }) => text.tone !== "ok")
    .map(({ sum, text }) => ({
      key: `sum-${sum.name}`,
      tone: text.tone,
      word: text.state,
      subject: text.word,
      text: `${text.taken} of ${text.limit} are in use (${sum.setting}).`,
      more: CONSEQUENCES[sum.name] ?? "Past the limit clients are rejected with the reason, and may try again.",
      since: null,
      action: null,
    }));
}

/** The tiles {open, sessions, messages, queued}. `series`: of the topic `metrics`, or null until known. */
export function connectionTiles(state, series) {
  const { speaking } = state.doings;
  return {
    open: { value: count(state.active), unit: `of ${count(state.limit)}`, series: series?.connections, note: `${count(state.total)} accepted since the start` },
    sessions: { value: count(state.sessions), unit: state.sessions === 1 ? "session" : "sessions", note: speaking === 0 ? "nobody is speaking" : `${count(speaking)} speaking` },
    messages: { value: number(state.messages_out_per_second), unit: "/s", series: series?.messages_out_per_second, note: `${number(state.messages_in_per_second)}/s in, over the last 6 s` },
    queued: { value: bytes(state.queued_bytes), note: `${count(state.evicted)} disconnected as too slow since the start; the limit is ${bytes(state.outbox_limit)} each` },
  };
}

/** The activities of a connection by the service's names, with the page's labels and colours, in their order. */
const ACTIVITIES = {
  speaking: { word: "speaking", tone: "ok" },
  listening: { word: "listening", tone: "ok" },
  behind: { word: "behind", tone: "warn" },
  idle: { word: "in no session", tone: "quiet" },
  closing: { word: "closing", tone: "warn" },
};

/** A connection's activity for its pill: {word, tone}. */
export const activityPill = (connection) => ACTIVITIES[connection.doing];

/** The number of connections by activity: [{key, word, count}], all of them ("") first, in a fixed order. */
export function activityCounts(state) {
  return [{ key: "", word: "all", count: state.active }, ...Object.entries(ACTIVITIES).map(([key, { word }]) => ({ key, word, count: state.doings[key] ?? 0 }))];
}

/** The connections with activity `doing` on `worker`; "" is any. */
export function matchingConnections(connections, { doing: key, worker }) {
  return connections.filter((row) => (key === "" || row.doing === key) && (worker === "" || row.worker === worker));
}

/** The service's names of the columns that it can sort by; the page sorts by the others itself. */
const SORTS = { Who: "who", State: "doing", Sessions: "session", Opened: "since", Waiting: "queued_bytes" };

/**
 * The query string for GET /api/connections where the topic lists only some of the connections and the reader
 * filters or sorts them; else null. `sort`: {label, direction} or null.
 */
export function remoteQuery(state, { find, doing: key, worker, sort }) {
  if (state.connections.length >= state.active) return null;
  const name = sort === null ? undefined : SORTS[sort.label];
  const fields = Object.entries({ find: find.trim(), doing: key, worker, sort: name ?? "", order: name === undefined ? "" : sort.direction }).filter(([, value]) => value !== "");
  return fields.length === 0 ? null : new URLSearchParams(fields).toString();
}

/** "2 speaking", or the number of streams that are still transcribed after their speakers stopped; "" without any. */
export function sessionActivity({ speaking, streams }) {
  if (speaking > 0) return `${count(speaking)} speaking`;
  return streams > 0 ? `${counted(streams, "stream")} being transcribed` : "";
}

/** How many connections match: "2 of 14 match", "2,310 of 12,000 match; 500 of them are listed", "the newest 500 of 1,458", "14 connections". */
export function countText({ matching, listed, active, isSorted = false }) {
  if (matching < active) return `${count(matching)} of ${count(active)} match${listed < matching ? `; ${count(listed)} of them are listed` : ""}`;
  return listed < active ? `the ${isSorted ? "first" : "newest"} ${count(listed)} of ${count(active)}` : counted(active, "connection");
}

/** The confirmation before a connection is closed: {title, text, verb}. `isOwn`: it is this page's. */
export function closeConfirmation(row, isOwn) {
  const client = row.name === null ? row.address : `${isolated(row.name)} at ${row.address}`;
  const consequence = isOwn
    ? "This is the page's own connection: its figures stop until the page is loaded again."
    : "The client will not reconnect by itself. The transcripts of its sessions stay stored.";
  return { title: `Close the connection of ${client}?`, text: consequence, verb: "Close connection" };
}

/** The result of an announcement, as a sentence. `seconds`: how long it took. */
export function announcementResult({ taken, evicted, seconds, missing = [] }) {
  const sent = `Sent to ${counted(taken, "connection")} in ${joined(latency(seconds * 1000))}`;
  const slow = evicted === 0 ? "" : `; ${count(evicted)} ${evicted === 1 ? "was" : "were"} too slow and had to reconnect`;
  const silent = missing.length === 0 ? "" : ` ${listed(missing)} did not reply: clients connected there may not have received it.`;
  return `${sent}${slow}.${silent}`;
}

/** " and 3 more": the sessions of a connection beyond those listed; "" without any. */
export function moreSessions(row) {
  const beyond = row.session_count - row.sessions.length;
  return beyond > 0 ? ` and ${count(beyond)} more` : "";
}

/** The browser and system named in a user agent string. */
export function agentText(agent) {
  if (!agent) return "unknown program";
  const browser = [
    ["Edg/", "Edge"],
    ["Firefox/", "Firefox"],
    ["Chrome/", "Chrome"],
    ["Safari/", "Safari"],
  ].find(([mark]) => agent.includes(mark));
  if (!browser) return isolated(agent.split(/[ /]/)[0]);
  const system = [
    ["Android", "Android"],
    ["iPhone", "iPhone"],
    ["Windows", "Windows"],
    ["Mac OS", "Mac"],
    ["Linux", "Linux"],
  ].find(([mark]) => agent.includes(mark));
  return system ? `${browser[1]} on ${system[1]}` : browser[1];
}
