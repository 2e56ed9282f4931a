/** The colour of each state; its name is always shown too. Pure tables. */

const SERVICE = { healthy: "ok", degraded: "warn", busy: "busy", recovering: "busy", unhealthy: "bad", unknown: "quiet" };
const BRANCH = {
  waiting: "quiet",
  starting: "busy",
  running: "ok",
  backing_off: "bad",
  stopping: "warn",
  stopped: "quiet",
  failed: "bad",
};
const BREAKER = { closed: "quiet", half_open: "warn", open: "bad" };

const ORDER = ["healthy", "unknown", "degraded", "busy", "recovering", "unhealthy"];

/** A state as the pages write it: "backing off". */
export const word = (state) => String(state).replaceAll("_", " ");

export const serviceTone = (state) => SERVICE[state] ?? "quiet";
export const branchTone = (state) => BRANCH[state] ?? "quiet";
export const breakerTone = (state) => BREAKER[state] ?? "quiet";

const STARTS = { starting: "starting", late: "late to start", failed: "failed to start" };
const START_TONES = { starting: "busy", late: "warn", failed: "bad" };

/** The state of an instance as a word and a colour; of one that has not come up, how its start goes. */
export function instanceState({ state, start }) {
  if (!start || !["unknown", "recovering", "unhealthy"].includes(state)) return { text: word(state), tone: serviceTone(state) };
  const again = start.phase === "starting" && (start.failures > 0 || !start.is_first) ? " again" : "";
  return { text: `${STARTS[start.phase]}${again}`, tone: START_TONES[start.phase] };
}

/** For sorting: the worse, the higher. */
export const badness = (state) => ORDER.indexOf(state);
