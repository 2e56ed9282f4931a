/** Actions of an operator that the control API carries out: restarts are confirmed first, and results are shown. */

import { control, ProblemError } from "../control-api.js";
import { setAttribute } from "./dom.js";
import { confirm } from "./confirm-dialog.js";
import { toast } from "./toasts.js";

/** What a restart of each branch means for users. */
const CONSEQUENCES = {
  stores: "Sessions and their history stay stored; writes wait until it is back.",
  health: "The back ends are not checked for a moment; those that the service started are restarted.",
  bots: "Bots leave their meetings and join again.",
  websocket: "All clients are disconnected for a moment; pages reconnect by themselves.",
  gateway: "Requests in flight to back ends fail; new ones wait a moment.",
  front: "All open connections are closed, this page's too; it reconnects by itself.",
};

export async function restartService(service, button) {
  const isSure = await confirm({
    title: `Restart ${service}?`,
    text: "Requests in flight have some time to finish; those left then fail. Speech is stored and transcribed when it is back.",
    verb: `Restart ${service}`,
    isDangerous: true,
  });
  if (isSure) await runAction(button, () => control("POST", "/api/services/restart", { service }), `${service} is being restarted.`);
}

/** What a restart of an instance restarts: it alone, or all that share its restart hook. */
export function restartedBy({ is_alone: isAlone, name, service }) {
  return isAlone ? name : service;
}

/** `row`: an instance (models/overview.js `instances`). */
export async function restartInstance(row, button) {
  if (!row.is_alone) return restartService(row.service, button);
  const isSure = await confirm({
    title: `Restart ${row.name}?`,
    text: "Its requests in flight have some time to finish; those left then are sent to another instance or fail. Other instances go on.",
    verb: `Restart ${row.name}`,
    isDangerous: true,
  });
  if (isSure) await runAction(button, () => control("POST", "/api/services/restart", { service: row.service, instance: row.url }), `${row.name} is being restarted.`);
}

export async function stopRecovery(service, button) {
  const isSure = await confirm({
    title: `Stop the recovery of ${service}?`,
    text: "It is left as it is, and not restarted until it is up or you restart it.",
    verb: "Stop recovery",
    isDangerous: true,
  });
  if (isSure) await runAction(button, () => control("POST", "/api/services/stop-recovery", { service }), `The recovery of ${service} has stopped.`);
}

/** `worker`: {name, label} of the worker whose branch it is, or null for the one this page is connected to. */
export async function restartBranch(branch, button, worker = null) {
  const isSure = await confirm({
    title: worker === null ? `Restart the branch ${branch}?` : `Restart the branch ${branch} of ${worker.label}?`,
    text: CONSEQUENCES[branch] ?? "Its tasks are cancelled and started again.",
    verb: `Restart ${branch}`,
    isDangerous: true,
  });
  const path = `/api/tree/${encodeURIComponent(branch)}/restart${worker === null ? "" : `?${new URLSearchParams({ worker: worker.name })}`}`;
  if (isSure) await runAction(button, () => control("POST", path), `${branch} is being restarted.`);
}

/**
 * Run `change` with the button busy, and show `done` or the error. Resolves to its response, or null where it failed.
 * A button that had the focus has it again, unless the reader has gone elsewhere: disabled ones lose it.
 */
export async function runAction(button, change, done) {
  const page = button.ownerDocument;
  const hadFocus = page?.activeElement === button;
  setAttribute(button, "aria-busy", "true");
  button.disabled = true;
  try {
    const response = await change();
    if (done) toast(done);
    return response ?? {};
  } catch (error) {
    if (!(error instanceof ProblemError)) throw error;
    toast(error.message, { tone: "bad" });
    return null;
  } finally {
    setAttribute(button, "aria-busy", null);
    button.disabled = false;
    if (hadFocus && (page.activeElement === null || page.activeElement === page.body)) button.focus();
  }
}
