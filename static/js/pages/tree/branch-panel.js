/** The side panel of one branch: its state, queues, tasks and last error. */

import { h, keyed, setText } from "../../components/dom.js";
import { facts, showFacts } from "../../components/fact-list.js";
import { showFills } from "../../components/fill-list.js";
import { pill, setPill } from "../../components/pill.js";
import { RowPanel } from "../../components/row-panel.js";
import { setTime, timeElement } from "../../components/time-element.js";
import { isolated } from "../../models/bidi.js";
import { count, duration } from "../../models/number-format.js";
import { branchTone, word } from "../../models/state-tones.js";
import { fullness, stateText } from "../../models/tree.js";

export class BranchPanel extends RowPanel {
  #onRestart;
  #now;
  #tree = null;

  /** `onRestart(branch, button)`; `now()`: the service's time in seconds since the epoch. */
  constructor(dialog, { onRestart, now }) {
    super(dialog, "branch");
    this.#onRestart = onRestart;
    this.#now = now;
  }

  /** `tree`: {branches}. */
  show(tree) {
    this.#tree = tree;
    this.refresh();
  }

  row(key) {
    if (this.#tree === null) return undefined;
    return this.#tree.branches.find(({ name }) => name === key) ?? null;
  }

  missing(key) {
    return { text: `The tree has no branch ${key}.`, next: "Close this panel and choose a branch from the list." };
  }

  update({ state, since, list, queues, tasks, error }, branch) {
    this.title(branch.name);
    setPill(state, word(branch.state), branchTone(branch.state));
    setTime(since, branch.since);
    showFacts(list, [
      ["State began", since],
      ["Detail", branch.detail || null],
      ["Waits for", branch.waits_for],
      ["Restarts", `${count(branch.restarts)} since the start; more than ${count(branch.restart_limit)} failures in ${duration(branch.restart_window)} stop the service`],
      ["Next attempt", branch.backoff_until === null ? null : stateText(branch, this.#now()).replace("next attempt ", "")],
    ]);
    showQueues(queues, branch.queues);
    showTasks(tasks, branch.tasks);
    showError(error, branch.last_error);
  }

  build({ name }) {
    const parts = { state: pill(), list: facts(), since: timeElement(), queues: h("div", {}), tasks: h("ul", {}), error: h("div", {}) };
    const restart = h("button", { type: "button", class: "button button-danger", onclick: ({ currentTarget }) => this.#onRestart(name, currentTarget) }, `Restart ${name}`);
    const nodes = [
      h("p", {}, parts.state),
      parts.list,
      h("section", {}, h("h3", {}, "Queues"), parts.queues),
      h("section", {}, h("h3", {}, "Tasks"), parts.tasks),
      h("section", {}, h("h3", {}, "Last error"), parts.error),
      h("p", {}, restart),
    ];
    return { ...parts, nodes };
  }
}

function showQueues(element, queues) {
  element.className = queues.length === 0 ? "muted small" : "";
  if (queues.length === 0) {
    setText(element, "No queues.");
    return;
  }
  showFills(
    element,
    queues.map((queue) => ({ name: queue.name, text: `${count(queue.fill)} of ${count(queue.limit)}`, ...fullness(queue) })),
  );
}

function showTasks(element, tasks) {
  if (tasks.length === 0) {
    setText(element, "No tasks.");
    return;
  }
  keyed(element, tasks, {
    key: (task) => `${task.depth} ${task.name}`,
    create: (task) => {
      const row = h("li", { class: "task" }, h("span", { class: "task-name", dir: "auto" }), h("span", { class: "muted", dir: "auto" }));
      row.style.paddingInlineStart = `${Math.min(task.depth, 8) * 12}px`;
      return row;
    },
    update: (row, task) => {
      setText(row.firstElementChild, task.count > 1 ? `${isolated(task.name)} × ${count(task.count)}` : task.name);
      setText(row.lastElementChild, task.waits_for ? `waits in ${isolated(task.waits_for)}` : "");
    },
  });
}

/** The traceback stays in place while the error is the same, so that it keeps focus and selection. */
function showError(element, error) {
  const key = error === null ? "none" : String(error.at);
  if (element.dataset.error === key) return;
  element.dataset.error = key;
  if (error === null) {
    element.replaceChildren(h("p", { class: "muted small" }, "None since the service started."));
    return;
  }
  element.replaceChildren(
    h("p", {}, h("strong", {}, error.type), error.message ? ": " : "", h("bdi", { dir: "auto" }, error.message), h("span", { class: "faint" }, " · ", timeElement(error.at))),
    h("pre", { class: "code", dir: "auto", tabindex: "0", role: "region", "aria-label": "Traceback" }, error.traceback),
  );
}
