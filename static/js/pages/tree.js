/** The nursery tree, live: an indented list; a branch opens to its tasks, queues and last error. */

import { byId, h, keyed, setAttribute, setText } from "../components/dom.js";
import { emptyState } from "../components/empty-state.js";
import { facts, showFacts } from "../components/fact-list.js";
import { Panel } from "../components/panel.js";
import { pill, setPill } from "../components/pill.js";
import { Polling } from "../components/polling.js";
import { restartBranch } from "../components/actions.js";
import { fillPlaceholder } from "../components/placeholder.js";
import { setTime, timeElement } from "../components/time-element.js";
import { rule } from "../components/branch-list.js";
import { control } from "../control-api.js";
import { isolated } from "../models/bidi.js";
import { count, duration, percent } from "../models/number-format.js";
import { branchTone, word } from "../models/state-tones.js";
import { fullness, restartText, sentence, stateText } from "../models/tree.js";
import { workerStateText, workerLabel } from "../models/workers.js";
import { serverNow, socket } from "../page-socket.js";
import { Shell } from "../shell.js";

/** The tree that is shown, and that of the worker this page talks to. */
let tree = null;
let own = null;
let workers = [];
/** The name of another worker whose tree is shown, or null. */
let chosen = null;
let open = null;
const polling = new Polling({ fetch: (path) => control("GET", path) });
const panel = new Panel(byId("branch"), { field: "branch", onChange: () => showPanel(true) });

function showBranches() {
  const slot = byId("branches-placeholder");
  if (tree.branches.length === 0) {
    fillPlaceholder(slot, emptyState("No branch has started yet.", "They appear here one after the other while the service starts."));
    return;
  }
  const now = serverNow();
  keyed(fillPlaceholder(slot, null, "ol", "branches"), tree.branches, {
    key: (branch) => branch.name,
    create: (branch) => {
      const link = h("a", { href: panel.href(branch.name) }, branch.name);
      link.addEventListener("click", (event) => {
        if (event.metaKey || event.ctrlKey || event.shiftKey) return;
        event.preventDefault();
        panel.open(branch.name);
      });
      const restart = h("button", { type: "button", class: "button button-small", "aria-label": `Restart the branch ${branch.name}`, onclick: (event) => restartBranch(branch.name, event.currentTarget, chosenWorker()) }, "Restart");
      return h(
        "li",
        { class: "branch" },
        h("span", { class: "branch-name" }, h("span", { class: "branch-rule", "aria-hidden": "true" }, rule(branch.depth)), link),
        pill(),
        h("span", { class: "branch-fact", "data-part": "for" }),
        h("span", { class: "branch-fact", "data-part": "restarts" }),
        h("span", { class: "branch-detail", dir: "auto" }),
        h("span", { class: "branch-act" }, restart),
        h("p", { class: "branch-error", dir: "auto" }),
      );
    },
    update: (element, branch) => {
      setPill(element.querySelector(".pill"), word(branch.state), branchTone(branch.state));
      setText(element.querySelector('[data-part="for"]'), stateText(branch, now));
      setText(element.querySelector('[data-part="restarts"]'), restartText(branch));
      setText(element.querySelector(".branch-detail"), [isolated(branch.detail), branch.waits_for && `waits for ${isolated(branch.waits_for)}`].filter(Boolean).join(" · "));
      const error = element.querySelector(".branch-error");
      const isRecent = branch.last_error !== null && branch.state !== "running";
      error.hidden = !isRecent;
      setText(error, isRecent ? `${branch.last_error.type}: ${isolated(branch.last_error.message)}` : "");
      element.querySelector("button").disabled = ["stopped", "failed", "waiting"].includes(branch.state) || tree.state === "stopping";
    },
  });
}

function build(branch) {
  const parts = {
    state: pill(),
    list: facts(),
    since: timeElement(),
    queues: h("div", {}),
    tasks: h("ul", {}),
    error: h("div", {}),
    errorKey: null,
  };
  panel.body.replaceChildren(
    h("p", {}, parts.state),
    parts.list,
    h("section", {}, h("h3", {}, "Queues"), parts.queues),
    h("section", {}, h("h3", {}, "Tasks"), parts.tasks),
    h("section", {}, h("h3", {}, "Last error"), parts.error),
    h("p", {}, h("button", { type: "button", class: "button button-danger", onclick: (event) => restartBranch(branch.name, event.currentTarget, chosenWorker()) }, `Restart ${branch.name}`)),
  );
  return parts;
}

function showPanel(isNew = false) {
  const { key } = panel;
  if (isNew) open = null;
  if (key === null || tree === null) return;
  const branch = tree.branches.find((each) => each.name === key);
  if (branch === undefined) {
    open = null;
    panel.body.replaceChildren(emptyState(`The tree has no branch ${key}.`, "Close this and choose one from the list."));
    return;
  }
  open ??= build(branch);
  panel.title(branch.name);
  setPill(open.state, word(branch.state), branchTone(branch.state));
  setTime(open.since, branch.since);
  showFacts(open.list, [
    ["State began", open.since],
    ["Says", branch.detail || null],
    ["Waits for", branch.waits_for],
    ["Restarts", `${count(branch.restarts)} since the start; more than ${count(branch.restart_limit)} failures in ${duration(branch.restart_window)} stop the service`],
    ["Next attempt", branch.backoff_until === null ? null : stateText(branch, serverNow()).replace("next attempt ", "")],
  ]);
  showQueues(branch.queues);
  showTasks(branch.tasks);
  showError(branch.last_error);
}

function showQueues(queues) {
  if (queues.length === 0) {
    setText(open.queues, "None of its own.");
    open.queues.className = "muted small";
    return;
  }
  open.queues.className = "";
  keyed(open.queues, queues, {
    key: (queue) => queue.name,
    create: (queue) => h("div", { class: "queue" }, h("span", { class: "queue-name", dir: "auto" }, queue.name), h("span", { class: "muted" }), h("progress", { max: 1, "aria-label": `${queue.name}, how full` })),
    update: (element, queue) => {
      const { share, tone } = fullness(queue);
      setText(element.children[1], `${count(queue.fill)} of ${count(queue.limit)}`);
      setAttribute(element.lastElementChild, "value", share);
      setAttribute(element.lastElementChild, "data-tone", tone || null);
      setAttribute(element.lastElementChild, "aria-valuetext", percent(share));
    },
  });
}

function showTasks(tasks) {
  if (tasks.length === 0) {
    setText(open.tasks, "No tasks.");
    return;
  }
  keyed(open.tasks, tasks, {
    key: (task) => `${task.depth} ${task.name}`,
    create: (task) => {
      const element = h("li", { class: "task" }, h("span", { class: "task-name", dir: "auto" }), h("span", { class: "muted", dir: "auto" }));
      element.style.paddingInlineStart = `${Math.min(task.depth, 8) * 12}px`;
      return element;
    },
    update: (element, task) => {
      setText(element.firstElementChild, task.count > 1 ? `${isolated(task.name)} × ${count(task.count)}` : task.name);
      setText(element.lastElementChild, task.waits_for ? `waits in ${isolated(task.waits_for)}` : "");
    },
  });
}

function showError(error) {
  const key = error === null ? "none" : String(error.at);
  if (open.errorKey === key) return;
  open.errorKey = key;
  if (error === null) {
    open.error.replaceChildren(h("p", { class: "muted small" }, "None since the service started."));
    return;
  }
  open.error.replaceChildren(
    h("p", {}, h("strong", {}, error.type), error.message ? ": " : "", h("bdi", { dir: "auto" }, error.message), h("span", { class: "faint" }, " · ", timeElement(error.at))),
    h("pre", { class: "code", dir: "auto", tabindex: "0", role: "region", "aria-label": "Traceback" }, error.traceback),
  );
}

const shell = new Shell(socket, { beat: { topic: "tree", interval: 3 } });
shell.start();
function show(data) {
  tree = data;
  setText(byId("page-status"), sentence(data));
  showBranches();
  showPanel();
}

function chosenWorker() {
  const found = workers.find(({ worker }) => worker.name === chosen);
  return found === undefined ? null : { name: chosen, label: workerLabel(found.worker, workers.map(({ worker }) => worker)) };
}

/** Show the tree of a worker; null: the one this page talks to, whose tree comes by itself. */
function choose(name) {
  chosen = name;
  setText(byId("worker-fault"), "");
  if (name === null) {
    polling.stop();
    if (own !== null) show(own);
  } else {
    polling.ask(`/api/tree?${new URLSearchParams({ worker: name })}`, ({ answer, error }) => {
      setText(byId("worker-fault"), error === null ? "" : `${error.message} What is shown is the last that was known.`);
      if (error === null) show(answer);
    });
  }
  showWorkers();
}

function showWorkers() {
  byId("workers").hidden = workers.length < 2;
  const all = workers.map(({ worker }) => worker);
  keyed(byId("worker-choices"), workers, {
    key: ({ worker }) => worker.name,
    create: ({ worker, here }) => h("button", { type: "button", class: "choice", onclick: () => choose(here ? null : worker.name) }, h("span", {}), h("strong", {})),
    update: (element, each) => {
      setAttribute(element, "aria-pressed", String(each.here ? chosen === null : each.worker.name === chosen));
      setText(element.firstElementChild, `${workerLabel(each.worker, all)} `);
      setText(element.lastElementChild, workerStateText(each));
    },
  });
}

socket.onTopic("tree", (data) => {
  own = data;
  if (chosen === null) show(data);
});
socket.onTopic("workers", (data) => {
  workers = data.workers;
  const isThere = workers.some(({ worker, here }) => worker.name === chosen && !here);
  if (chosen !== null && !isThere) choose(null);
  else showWorkers();
});
panel.start();
socket.start();
