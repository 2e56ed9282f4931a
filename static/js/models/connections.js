/** What the Connections page says. Pure. */

import { bytes, count, counted, percent } from "./figures.js";

/** One sentence on the pool. */
export function sentence(pool) {
  if (pool.active === 0) return "Nobody is connected.";
  const behind = pool.connections.filter((each) => each.queued_bytes > 0).length;
  const people = `${counted(pool.active, "connection")} of ${count(pool.limit)}`;
  if (pool.active >= pool.limit) return `${people}: new ones are turned away until one closes.`;
  if (pool.active >= pool.limit * 0.9) return `${people}, ${percent(pool.active / pool.limit)} of what may be open.`;
  if (behind > 0) return `${people}; ${behind === 1 ? "one is" : `${count(behind)} are`} behind and waiting for ${bytes(pool.queued_bytes)}.`;
  return `${people}, all up to date.`;
}

/** What a connection is doing, in one word for the pill: {word, tone}. */
export function doing(connection) {
  if (connection.state === "closing") return { word: "closing", tone: "warn" };
  if (connection.queued_bytes > 0) return { word: "behind", tone: "warn" };
  if (connection.streaming) return { word: "speaking", tone: "ok" };
  if (connection.sessions.length === 0) return { word: "in no session", tone: "quiet" };
  return { word: "listening", tone: "ok" };
}

/** How many of the listed connections are doing what: [{word, count}], all of them first, in a fixed order. */
export function tally(connections) {
  const counts = new Map(["speaking", "listening", "behind", "in no session", "closing"].map((word) => [word, 0]));
  for (const connection of connections) {
    const { word } = doing(connection);
    counts.set(word, counts.get(word) + 1);
  }
  return [{ word: "all", count: connections.length }, ...[...counts].map(([word, count]) => ({ word, count }))];
}

/** Connections that are doing `word`; "all" is everyone. */
export function chosen(connections, word) {
  return word === "all" ? connections : connections.filter((connection) => doing(connection).word === word);
}

/** "2 of 14 match", "the newest 500 of 1,458", "14 connections". */
export function countWords({ matching, listed, active }) {
  if (matching < listed) return `${count(matching)} of ${count(listed)} match`;
  return listed < active ? `the newest ${count(listed)} of ${count(active)}` : counted(listed, "connection");
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
