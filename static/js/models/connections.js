/** What the Connections page says. Pure. */

import { count, counted, joined, latency } from "./figures.js";

/** From so many bytes waiting on, as a share of what may wait, a client is behind rather than in the act of being sent to. */
const BEHIND = 0.05;

/** One sentence on the pool. It is read out when it changes, so no figure that ticks is in it. */
export function sentence(pool) {
  if (pool.active === 0) return "Nobody is connected.";
  const behind = pool.connections.filter((each) => isBehind(each, pool.outbox_limit)).length;
  if (pool.active >= pool.limit) return "As many connections are open as may be; new ones are turned away until one closes.";
  if (pool.active >= pool.limit * 0.9) return "Nearly as many connections are open as may be.";
  if (behind > 0) return `${behind === 1 ? "One connection is" : `${count(behind)} connections are`} behind; the others are up to date.`;
  return "Everyone who is connected is up to date.";
}

const isBehind = (connection, limit) => connection.queued_bytes > limit * BEHIND;

/** What a connection is doing, in one word for the pill: {word, tone}. `limit`: bytes that may wait for one. */
export function doing(connection, limit) {
  if (connection.state === "closing") return { word: "closing", tone: "warn" };
  if (isBehind(connection, limit)) return { word: "behind", tone: "warn" };
  if (connection.streaming) return { word: "speaking", tone: "ok" };
  if (connection.sessions.length === 0) return { word: "in no session", tone: "quiet" };
  return { word: "listening", tone: "ok" };
}

/** How many of the listed connections are doing what: [{word, count}], all of them first, in a fixed order. */
export function tally(connections, limit) {
  const counts = new Map(["speaking", "listening", "behind", "in no session", "closing"].map((word) => [word, 0]));
  for (const connection of connections) {
    const { word } = doing(connection, limit);
    counts.set(word, counts.get(word) + 1);
  }
  return [{ word: "all", count: connections.length }, ...[...counts].map(([word, count]) => ({ word, count }))];
}

/** Connections that are doing `word`; "all" is everyone. */
export function chosen(connections, word, limit) {
  return word === "all" ? connections : connections.filter((connection) => doing(connection, limit).word === word);
}

/** "2 of 14 match", "the newest 500 of 1,458", "14 connections". */
export function countWords({ matching, listed, active }) {
  if (matching < listed) return `${count(matching)} of ${count(listed)} match`;
  return listed < active ? `the newest ${count(listed)} of ${count(active)}` : counted(listed, "connection");
}

/** What an operator is asked before a connection is closed: {title, text, verb}. `isOwn`: it is this page's. */
export function closing(row, isOwn) {
  const who = row.name === null ? row.address : `${row.name} at ${row.address}`;
  const consequence = isOwn
    ? "It is this page's own: its figures stop, and it comes back when it is loaded again."
    : "Its client is told not to come back by itself. What was said in its sessions is kept.";
  return { title: `Close the connection of ${who}?`, text: consequence, verb: "Close connection" };
}

/** What became of an announcement, in a sentence. `seconds` is how long it took. */
export function announced({ taken, evicted, seconds }) {
  const took = `${counted(taken, "connection")} took it in ${joined(latency(seconds * 1000))}`;
  if (evicted === 0) return `${took}.`;
  return `${took}; ${count(evicted)} ${evicted === 1 ? "was" : "were"} too slow and had to connect again.`;
}

/** The browser and system in an agent string, short; the whole string is in the panel. */
export function agentWords(agent) {
  if (!agent) return "unknown program";
  const browser = [
    ["Edg/", "Edge"],
    ["Firefox/", "Firefox"],
    ["Chrome/", "Chrome"],
    ["Safari/", "Safari"],
  ].find(([mark]) => agent.includes(mark));
  if (!browser) return agent.split(/[ /]/)[0];
  const system = [
    ["Android", "Android"],
    ["iPhone", "iPhone"],
    ["Windows", "Windows"],
    ["Mac OS", "Mac"],
    ["Linux", "Linux"],
  ].find(([mark]) => agent.includes(mark));
  return system ? `${browser[1]} on ${system[1]}` : browser[1];
}
