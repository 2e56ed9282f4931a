/** What the Connections page says. Pure. */

import { isolated } from "./bidi.js";
import { bytes, count, counted, joined, latency } from "./number-format.js";
import { listed } from "./overview.js";

/** One sentence on the pool. It is read out when it changes, so no figure that ticks is in it. */
export function sentence(pool, store = null) {
  const silent = pool.workers.filter(({ answered }) => !answered).length;
  if (silent > 0) return `${silent === 1 ? "One worker does" : `${count(silent)} workers do`} not answer; who is connected to ${silent === 1 ? "it" : "them"} is not counted.`;
  if (store !== null && store.state !== "healthy") return `Who is connected stays connected, but sessions cannot be stored right now${store.brief ? `: ${isolated(store.brief)}` : ""}.`;
  if (pool.active === 0) return "Nobody is connected.";
  const { behind } = pool.doings;
  if (pool.active >= pool.limit) return "As many connections are open as may be; new ones are turned away until one closes.";
  if (pool.active >= pool.limit * 0.9) return "Nearly as many connections are open as may be.";
  if (behind > 0) return `${behind === 1 ? "One connection is" : `${count(behind)} connections are`} behind; the others are up to date.`;
  return "Everyone who is connected is up to date.";
}

/** That fewer connections fit than the settings ask for, as a banner's problem, or none. */
export function lowered(pool) {
  if (!pool.limit_reason) return [];
  return [{ key: "limit", tone: "warn", word: "lowered", subject: "The limit of connections", text: pool.limit_reason, more: "Who comes beyond it is told to come later; who is connected is served.", since: null, action: null }];
}

const SUMS = {
  connections: "Connections",
  sessions: "Sessions",
  stored_bytes: "Stored of all sessions",
  outgoing_bytes: "Waiting for all clients",
  streams: "Microphones",
  waiting_speech_seconds: "Speech that waits",
  gateway_requests: "Requests to back ends",
  spooled_bytes: "Uploads on the disk",
};

/** A sum beside its limit, in words: {word, taken, limit, state, tone}. */
export function limitText({ name, taken, limit }) {
  const say = name.endsWith("_bytes") ? bytes : name.endsWith("_seconds") ? (value) => `${count(Math.round(value))} s` : count;
  const part = limit > 0 ? taken / limit : 1;
  const [state, tone] = part >= 1 ? ["full", "bad"] : part >= 0.9 ? ["nearly full", "warn"] : ["has room", "ok"];
  return { word: SUMS[name] ?? name, taken: say(taken), limit: say(limit), state, tone };
}

const BEYOND = {
  outgoing_bytes: "Beyond it the client that has most waiting is closed as too slow (4200), and connects again; then the next one.",
  stored_bytes: "From nine tenths on the oldest sessions in which nobody is are ended; once all is taken, new sessions, broadcasts and recordings are refused. Captions go on.",
  sessions: "Beyond it the oldest sessions in which nobody is are ended for new ones; where there is none, new ones are refused.",
};

/** The sums that are near their limit, or at it, as banners' problems. */
export function crowded(pool) {
  return pool.sums
    .map((sum) => ({ sum, said: limitText(sum) }))
    .filter(({ said }) => said.tone !== "ok")
    .map(({ sum, said }) => ({
      key: `sum-${sum.name}`,
      tone: said.tone,
      word: said.state,
      subject: said.word,
      text: `${said.taken} of ${said.limit} are taken (${sum.setting}).`,
      more: BEYOND[sum.name] ?? "Clients beyond it are refused with the reason, and may try again.",
      since: null,
      action: null,
    }));
}

/** What the service calls what a connection is doing, in the page's words and colours, in their order. */
const DOINGS = {
  speaking: { word: "speaking", tone: "ok" },
  listening: { word: "listening", tone: "ok" },
  behind: { word: "behind", tone: "warn" },
  idle: { word: "in no session", tone: "quiet" },
  closing: { word: "closing", tone: "warn" },
};

/** What a connection is doing, for the pill: {word, tone}. */
export const doing = (connection) => DOINGS[connection.doing];

/** How many connections are doing what: [{key, word, count}], all of them ("") first, in a fixed order. */
export function tally(pool) {
  return [{ key: "", word: "all", count: pool.active }, ...Object.entries(DOINGS).map(([key, { word }]) => ({ key, word, count: pool.doings[key] ?? 0 }))];
}

/** Connections that are doing what `key` says and are on `worker`; "" is any. */
export function chosen(connections, { doing: key, worker }) {
  return connections.filter((each) => (key === "" || each.doing === key) && (worker === "" || each.worker === worker));
}

/** What the table's columns are called where the service sorts; those that are not here only the page can sort by. */
const SORTS = { Who: "who", State: "doing", Sessions: "session", Opened: "since", Waiting: "queued_bytes" };

/**
 * What has to be asked of the service because the page was not told of all connections, as a query string, or
 * null. `sort`: {label, direction} or null.
 */
export function question(pool, { find, doing: key, worker, sort }) {
  if (pool.connections.length >= pool.active) return null;
  const name = sort === null ? undefined : SORTS[sort.label];
  const asked = Object.entries({ find: find.trim(), doing: key, worker, sort: name ?? "", order: name === undefined ? "" : sort.direction }).filter(([, value]) => value !== "");
  return asked.length === 0 ? null : new URLSearchParams(asked).toString();
}

/** "2 speaking", or how many streams of those who speak no more are still transcribed; "" where nothing is. */
export function activity({ speaking, streams }) {
  if (speaking > 0) return `${count(speaking)} speaking`;
  return streams > 0 ? `${counted(streams, "stream")} being transcribed` : "";
}

/** "2 of 14 match", "2,310 of 12,000 match; 500 of them are listed", "the newest 500 of 1,458", "14 connections". */
export function countText({ matching, listed, active, isSorted = false }) {
  if (matching < active) return `${count(matching)} of ${count(active)} match${listed < matching ? `; ${count(listed)} of them are listed` : ""}`;
  return listed < active ? `the ${isSorted ? "first" : "newest"} ${count(listed)} of ${count(active)}` : counted(active, "connection");
}

/** What an operator is asked before a connection is closed: {title, text, verb}. `isOwn`: it is this page's. */
export function closing(row, isOwn) {
  const who = row.name === null ? row.address : `${isolated(row.name)} at ${row.address}`;
  const consequence = isOwn
    ? "It is this page's own: its figures stop, and it comes back when it is loaded again."
    : "Its client is told not to come back by itself. What was said in its sessions is kept.";
  return { title: `Close the connection of ${who}?`, text: consequence, verb: "Close connection" };
}

/** What became of an announcement, in a sentence. `seconds` is how long it took. */
export function announced({ taken, evicted, seconds, missing = [] }) {
  const took = `${counted(taken, "connection")} took it in ${joined(latency(seconds * 1000))}`;
  const slow = evicted === 0 ? "" : `; ${count(evicted)} ${evicted === 1 ? "was" : "were"} too slow and had to connect again`;
  const silent = missing.length === 0 ? "" : ` ${listed(missing)} did not answer: those connected there may not have been told.`;
  return `${took}${slow}.${silent}`;
}

/** The first sessions of a connection, and how many more there are. */
export function moreSessions(row) {
  const beyond = row.session_count - row.sessions.length;
  return beyond > 0 ? ` and ${count(beyond)} more` : "";
}

/** The browser and system in an agent string, short; the whole string is in the panel. */
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
