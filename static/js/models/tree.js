/** The text of the Tree page. Pure. */

import { isolated } from "./bidi.js";
import { counted, duration } from "./number-format.js";
import { listed } from "./overview.js";
import { word } from "./state-tones.js";

/**
 * One sentence on the whole tree. A screen reader reads it whenever it changes, so it has no live figure. Where there
 * are several workers, each with a tree, it names the worker.
 */
export function sentence(tree) {
  const text = ofBranches(tree);
  return Number.isInteger(tree.worker) ? `Worker ${tree.worker}: ${text[0].toLowerCase()}${text.slice(1)}` : text;
}

function ofBranches(tree) {
  if (tree.state === "stopping") return tree.reason ? `The tree is stopping in order: ${isolated(tree.reason)}` : "The tree is stopping in order.";
  const others = tree.branches.filter((branch) => branch.state !== "running");
  if (others.length === 0) return `All ${counted(tree.branches.length, "branch", "branches")} are running.`;
  const bad = others.filter((branch) => branch.state === "backing_off" || branch.state === "failed");
  if (bad.length > 0) return `${listed(bad.map((branch) => branch.name))} failed; ${bad.every((branch) => branch.state === "backing_off") ? "it is restarted soon. The others go on." : "the service stops in order."}`;
  return `${listed(others.map((branch) => `${branch.name} is ${word(branch.state)}`))}.`;
}

/** "running for 2.4 h", "starting for 3 s", "next attempt in 4 s". `now` in seconds since the epoch. */
export function stateText(branch, now) {
  if (branch.backoff_until !== null) return `next attempt in ${duration(Math.max(0, Math.ceil(branch.backoff_until - now)))}`;
  if (branch.state === "running") return `for ${duration(Math.max(1, Math.round(branch.uptime)))}`;
  return `for ${duration(Math.max(1, Math.round(now - branch.since)))}`;
}

/** "2 restarts", with the limit once there are any. */
export function restartText(branch) {
  return branch.restarts === 0 ? "no restarts" : counted(branch.restarts, "restart");
}

/** How full a queue is: {share, tone}. */
export function fullness({ fill, limit }) {
  const share = limit > 0 ? Math.min(1, fill / limit) : 0;
  return { share, tone: share >= 0.8 ? "warn" : "" };
}
