/** The nursery tree, live: an indented list of branches. A branch opens to its tasks, queues and last error. */

import { restartBranch } from "../../components/actions.js";
import { branchRule } from "../../components/branch-list.js";
import { byId, h, keyed, setAttribute, setText } from "../../components/dom.js";
import { emptyState } from "../../components/empty-state.js";
import { pill, setPill } from "../../components/pill.js";
import { fillPlaceholder } from "../../components/placeholder.js";
import { Polling } from "../../components/polling.js";
import { Scope } from "../../components/scope.js";
import { control } from "../../control-api.js";
import { isolated } from "../../models/bidi.js";
import { branchTone, word } from "../../models/state-tones.js";
import { restartText, sentence, stateText } from "../../models/tree.js";
import { workerLabel, workerStateText } from "../../models/workers.js";
import { Shell } from "../../shell.js";
import { BranchPanel } from "./branch-panel.js";

/** States in which a branch cannot be restarted. */
const NOT_RESTARTABLE = ["stopped", "failed", "waiting"];

export class TreePage {
  #socket;
  #scope = new Scope();
  #shell;
  #panel;
  #polling;
  /** The tree that is shown, and that of the worker this page is connected to; null until known. */
  #tree = null;
  #ownTree = null;
  /** The topic `workers`. */
  #workers = [];
  /** The name of another worker whose tree is shown, or null. */
  #chosen = null;

  /** `get(path)` resolves to a response of the control API, or rejects. */
  constructor(socket, { get = (path) => control("GET", path) } = {}) {
    this.#socket = socket;
    this.#shell = new Shell(socket, { beat: { topic: "tree", interval: 3 } });
    this.#polling = new Polling({ fetch: get });
    this.#panel = new BranchPanel(byId("branch"), { onRestart: (branch, button) => this.#restart(branch, button), now: () => this.#now });
  }

  start() {
    if (!this.#scope.open()) return;
    this.#scope.start(this.#shell);
    this.#scope.defer(this.#socket.onTopic("tree", (tree) => this.#showOwn(tree)));
    this.#scope.defer(this.#socket.onTopic("workers", ({ workers }) => this.#applyWorkers(workers)));
    this.#scope.defer(() => this.#polling.stop());
    this.#scope.start(this.#panel);
    this.#scope.start(this.#socket);
  }

  stop() {
    this.#scope.close();
  }

  /** The service's time in seconds since the epoch. */
  get #now() {
    return this.#socket.serverNow / 1000;
  }

  #showOwn(tree) {
    this.#ownTree = tree;
    if (this.#chosen === null) this.#show(tree);
  }

  #show(tree) {
    this.#tree = tree;
    setText(byId("page-status"), sentence(tree));
    this.#showBranches();
    this.#panel.show(tree);
  }

  #restart(branch, button) {
    const chosen = this.#workers.find(({ worker }) => worker.name === this.#chosen);
    const worker = chosen === undefined ? null : { name: this.#chosen, label: this.#label(chosen.worker) };
    return restartBranch(branch, button, worker);
  }

  // --- workers ----------------------------------------------------------------------------------------------

  #applyWorkers(workers) {
    this.#workers = workers;
    const isThere = workers.some(({ worker, here }) => worker.name === this.#chosen && !here);
    if (this.#chosen !== null && !isThere) this.#choose(null);
    else this.#showWorkers();
  }

  /** Show the tree of a worker; null: the one this page is connected to, which publishes its tree. */
  #choose(name) {
    this.#chosen = name;
    setText(byId("worker-fault"), "");
    if (name === null) {
      this.#polling.stop();
      if (this.#ownTree !== null) this.#show(this.#ownTree);
    } else {
      this.#polling.poll(`/api/tree?${new URLSearchParams({ worker: name })}`, ({ data, error }) => {
        setText(byId("worker-fault"), error === null ? "" : `${error.message} The tree below is the last one received.`);
        if (error === null) this.#show(data);
      });
    }
    this.#showWorkers();
  }

  #label(worker) {
    return workerLabel(worker, this.#workers.map((each) => each.worker));
  }

  #showWorkers() {
    byId("workers").hidden = this.#workers.length < 2;
    keyed(byId("worker-choices"), this.#workers, {
      key: ({ worker }) => worker.name,
      create: ({ worker, here }) => h("button", { type: "button", class: "choice", onclick: () => this.#choose(here ? null : worker.name) }, h("span", {}), h("strong", {})),
      update: (element, entry) => {
        const { worker, here } = entry;
        setAttribute(element, "aria-pressed", String(here ? this.#chosen === null : worker.name === this.#chosen));
        setText(element.firstElementChild, `${this.#label(worker)} `);
        setText(element.lastElementChild, workerStateText(entry));
      },
    });
  }

  // --- branches ---------------------------------------------------------------------------------------------

  #showBranches() {
    const placeholder = byId("branches-placeholder");
    if (this.#tree.branches.length === 0) {
      fillPlaceholder(placeholder, emptyState("No branch has started yet.", "They appear here one after the other while the service starts."));
      return;
    }
    const now = this.#now;
    keyed(fillPlaceholder(placeholder, null, "ol", "branches"), this.#tree.branches, {
      key: (branch) => branch.name,
      create: (branch) => this.#createBranch(branch),
      update: (element, branch) => this.#updateBranch(element, branch, now),
    });
  }

  #createBranch({ name, depth }) {
    const link = h("a", { href: this.#panel.href(name), onclick: (event) => this.#open(event, name) }, name);
    const restart = h("button", { type: "button", class: "button button-small", "aria-label": `Restart the branch ${name}`, onclick: ({ currentTarget }) => this.#restart(name, currentTarget) }, "Restart");
    return h(
      "li",
      { class: "branch" },
      h("span", { class: "branch-name" }, h("span", { class: "branch-rule", "aria-hidden": "true" }, branchRule(depth)), link),
      pill(),
      h("span", { class: "branch-fact", "data-part": "for" }),
      h("span", { class: "branch-fact", "data-part": "restarts" }),
      h("span", { class: "branch-detail", dir: "auto" }),
      h("span", { class: "branch-act" }, restart),
      h("p", { class: "branch-error", dir: "auto" }),
    );
  }

  #updateBranch(element, branch, now) {
    setPill(element.querySelector(".pill"), word(branch.state), branchTone(branch.state));
    setText(element.querySelector('[data-part="for"]'), stateText(branch, now));
    setText(element.querySelector('[data-part="restarts"]'), restartText(branch));
    setText(element.querySelector(".branch-detail"), [isolated(branch.detail), branch.waits_for && `waits for ${isolated(branch.waits_for)}`].filter(Boolean).join(" · "));
    const error = element.querySelector(".branch-error");
    const isRecent = branch.last_error !== null && branch.state !== "running";
    error.hidden = !isRecent;
    setText(error, isRecent ? `${branch.last_error.type}: ${isolated(branch.last_error.message)}` : "");
    element.querySelector("button").disabled = NOT_RESTARTABLE.includes(branch.state) || this.#tree.state === "stopping";
  }

  #open(event, name) {
    if (event.metaKey || event.ctrlKey || event.shiftKey) return;
    event.preventDefault();
    this.#panel.open(name);
  }
}
