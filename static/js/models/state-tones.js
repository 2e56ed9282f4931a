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

/** For sorting: the worse, the higher. */
export const badness = (state) => ORDER.indexOf(state);
