/** The labels of workers, and the problem that a worker does not reply. Pure. */

import { listed } from "./overview.js";

/** A worker's name for people: "worker 1", with its machine where there are several. `workers`: all there are. */
export function workerLabel(worker, workers) {
  const hosts = new Set(workers.map(({ host }) => host));
  const number = worker.place === null ? null : `worker\u00a0${worker.place}`;
  if (number === null) return worker.host === null ? "a worker at an unknown place" : `process ${worker.pid} at ${worker.host}`;
  return hosts.size > 1 && worker.host !== null ? `${number} at ${worker.host}` : number;
}

/** The label of the worker called `name`. `workers`: [{worker}], all there are. */
export function labelOf(name, workers) {
  const all = workers.map(({ worker }) => worker);
  const worker = all.find((each) => each.name === name);
  return worker === undefined ? "a worker that has stopped" : workerLabel(worker, all);
}

/** The same with its process and its machine. */
export function placeOf(name, workers) {
  const worker = workers.map((each) => each.worker).find((each) => each.name === name);
  const label = labelOf(name, workers);
  return worker === undefined || worker.host === null ? label : `${label}, process ${worker.pid} at ${worker.host}`;
}

const upper = (text) => text[0].toUpperCase() + text.slice(1);

/**
 * The problem that some workers do not reply, as components/banners.js shows it, or [] where all do.
 * `workers`: [{worker, answered}]; `what`: which of their data is missing; `since`: epoch seconds.
 */
export function silentWorkerProblems(workers, what, since) {
  const all = workers.map(({ worker }) => worker);
  const missing = workers.filter(({ answered }) => !answered).map(({ worker }) => worker);
  const silent = missing.map((worker) => workerLabel(worker, all));
  const processes = missing.filter(({ place, host }) => place !== null && host !== null).map(({ pid, host }) => `process ${pid} at ${host}`);
  if (silent.length === 0) return [];
  const whose = silent.length === 1 ? "its" : "their";
  return [
    {
      key: "silent workers",
      word: "no reply",
      tone: "warn",
      subject: upper(listed(silent)),
      text: `${whose} ${what} are not shown.`,
      more: `${processes.length > 0 ? `${upper(listed(processes))} may be` : "It may be"} busy, stopped, or cut off from Redis; the request is repeated every few seconds.`,
      since,
      action: null,
    },
  ];
}

/** A worker's state at its last heartbeat, in a few words. */
export function workerStateText({ answered, brief }) {
  if (!answered) return "no reply";
  if (brief.state === "stopping") return "stopping";
  if (brief.state === "unknown") return "another version";
  return brief.amiss.length === 0 ? "all running" : `${listed(brief.amiss)} not running`;
}
