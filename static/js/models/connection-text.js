/** The text about the page's connection. Pure. */

import { count } from "./number-format.js";
import { ago, clockTime } from "./time-format.js";

/**
 * The text of the connection bar, or null where it is hidden. `retryIn` in seconds or null; `asOf`: when the figures
 * were received, in seconds since the epoch, or null; `cause`: why there is no connection, as text, or null. The text
 * is another one for a page that has never been live.
 */
export function waiting({ state, retryIn, reason = "", wasLive, asOf = null, cause = null }) {
  if (state === "live" || (state === "stopped" && reason === "")) return null;
  if (state === "connecting" && !wasLive && reason === "") return null;
  const shown = asOf === null ? "The figures shown are the last ones received." : `The figures shown are as of ${clockTime(asOf)}.`;
  const text = wasLive ? `The connection to the service is lost. ${cause === null ? "" : `${cause} `}${shown}` : (cause ?? "The service cannot be reached.");
  if (state === "stopped") return { text: wasLive ? `${reason} ${shown}` : reason, next: "" };
  if (state === "connecting" || retryIn === null) return { text, next: "Trying now" };
  const seconds = Math.ceil(retryIn);
  return { text, next: seconds <= 0 ? "Trying now" : `Trying again in ${count(seconds)} s` };
}

/** The same for readers, in the language of `texts` (models/texts.js); `cause`: a text {key, values}, or null. */
export function waitingForReaders({ state, retryIn, reason = "", wasLive, cause = null }, texts) {
  if (state === "live" || (state === "stopped" && reason === "")) return null;
  if (state === "connecting" && !wasLive && reason === "") return null;
  const sentences = (...keys) => keys.filter((text) => text !== null).map((text) => texts.text(text.key, text.values)).join(" ");
  const text = (key) => ({ key, values: {} });
  const shown = wasLive ? text("connection.shown_last") : null;
  if (state === "stopped") return { text: sentences(text("connection.stopped"), shown), next: "" };
  const seconds = retryIn === null || state === "connecting" ? 0 : Math.ceil(retryIn);
  return {
    text: wasLive ? sentences(text("connection.lost"), cause, shown) : sentences(cause ?? text("connection.unreachable")),
    next: seconds <= 0 ? texts.text("connection.trying") : texts.text("connection.trying_in", { seconds }),
  };
}

const FRESHNESS = { live: "connection.live", connecting: "connection.connecting", waiting: "connection.not_connected", stale: "connection.no_response" };

/** The live indicator for readers, in the language of `texts`: {state, text}. Silence only means that nothing changed. */
export function freshnessForReaders({ state: connection, isUnresponsive = false }, texts) {
  const { state } = freshness({ state: connection, age: 0, limit: null, isUnresponsive });
  return { state, text: texts.text(FRESHNESS[state]) };
}

/**
 * The live indicator: {state, text}. `age`: seconds since figures were received, null before the first; `limit`: the
 * age from which they are old, null where silence only means that nothing changed; `isUnresponsive`: a ping has no
 * response yet.
 */
export function freshness({ state, age, limit, isUnresponsive = false }) {
  if (state === "waiting" || state === "stopped") return { state: "waiting", text: "not connected" };
  if (state === "live" && isUnresponsive) return { state: "stale", text: "no response" };
  if (state !== "live" || age === null) return { state: state === "live" ? "live" : "connecting", text: state === "live" ? "live" : "connecting" };
  if (limit !== null && age > limit) return { state: "stale", text: `${count(Math.floor(age))} s old` };
  return { state: "live", text: limit === null ? "live" : `live · updated ${age < 2 ? "now" : ago(age)}` };
}
