/** What is said of the page's connection. Pure. */

import { count } from "./number-format.js";
import { ago, clockTime } from "./time-format.js";

/**
 * The bar's words, or null where there is nothing to say. `retryIn` in seconds or null; `asOf`: of when what is
 * shown is, in seconds since the epoch, or null; `cause`: what is known of why there is no connection, or null. A
 * page that has never been live says so instead of "lost".
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

/**
 * The live indicator: {state, text}. `age`: seconds since figures came, null before the first; `limit`: from
 * when on they are called old, null where silence only means that nothing changed; `isUnresponsive`: the service was
 * asked whether it is there, and has not answered.
 */
export function freshness({ state, age, limit, isUnresponsive = false }) {
  if (state === "waiting" || state === "stopped") return { state: "waiting", text: "not connected" };
  if (state === "live" && isUnresponsive) return { state: "stale", text: "no response" };
  if (state !== "live" || age === null) return { state: state === "live" ? "live" : "connecting", text: state === "live" ? "live" : "connecting" };
  if (limit !== null && age > limit) return { state: "stale", text: `${count(Math.floor(age))} s old` };
  return { state: "live", text: limit === null ? "live" : `live · updated ${age < 2 ? "now" : ago(age)}` };
}
