/** The runs that this browser stores: open, delete, export. Where it stores nothing, they last as long as the page. */

import { confirm } from "../../components/confirm-dialog.js";
import { byId, h, keyed, setText } from "../../components/dom.js";
import { emptyState } from "../../components/empty-state.js";
import { Scope } from "../../components/scope.js";
import { saveText } from "../../components/text-export.js";
import { toast } from "../../components/toasts.js";
import { bytes } from "../../models/number-format.js";
import { bytesOf, exportedRun, exportParts, MOST_BYTES, MOST_RUNS } from "../../models/run-history.js";
import { absolute } from "../../models/time-format.js";
import { RunStorage } from "../../run-storage.js";

const LIMITS = `${MOST_RUNS} runs or ${bytes(MOST_BYTES)}`;

export class RunList {
  #scope = new Scope();
  #storage = new RunStorage();
  #notices;
  #open;
  /** Newest first. */
  #runs = [];

  constructor({ notices, open }) {
    this.#notices = notices;
    this.#open = open;
  }

  start() {
    const scope = this.#scope;
    if (!scope.open()) return;
    scope.listen(byId("export-all"), "click", () => this.#export());
    scope.listen(byId("delete-all"), "click", () => this.#clear());
    scope.defer(() => this.#storage.close());
    this.#load();
  }

  stop() {
    this.#scope.close();
  }

  /** Add a run, or replace one with the same id. Resolves to whether this browser stores it. */
  async add(run) {
    this.#runs = [run, ...this.#runs.filter(({ id }) => id !== run.id)].sort((first, second) => second.at - first.at);
    let isStored = false;
    try {
      const { dropped, fits } = await this.#storage.add(run);
      isStored = fits;
      if (!fits) toast(`This run is larger than what is stored here (${bytes(MOST_BYTES)}): it is gone when the page is left.`, { tone: "bad" });
      else if (dropped > 0) {
        this.#runs = await this.#storage.all();
        toast(dropped === 1 ? "The oldest run was dropped to make room." : `The ${dropped} oldest runs were dropped to make room.`);
      }
    } catch (error) {
      this.#unstored(error);
    }
    this.#show();
    return isStored;
  }

  async #load() {
    try {
      this.#runs = await this.#storage.all();
    } catch (error) {
      this.#unstored(error);
    }
    this.#show();
  }

  #unstored(error) {
    this.#notices.show("storage", { word: "not stored", text: `This browser does not store runs: ${error?.message ?? "it gives no reason"}`, more: "They are gone when the page is left. Export them before that." });
  }

  async #delete(run) {
    this.#runs = this.#runs.filter(({ id }) => id !== run.id);
    this.#show();
    (byId("runs").querySelector("button") ?? byId("choose-file")).focus();
    await this.#storage.delete(run.id).catch((error) => this.#unstored(error));
    toast(`The run of ${run.name} is deleted.`, { action: { label: "Undo", run: () => this.add(run) } });
  }

  async #clear() {
    const count = this.#runs.length;
    if (!(await confirm({ title: `Delete ${count === 1 ? "the run" : `all ${count} runs`}?`, text: "Their sounds, measures and transcripts are removed from this browser.", verb: "Delete all", isDangerous: true }))) return;
    this.#runs = [];
    await this.#storage.clear().catch((error) => this.#unstored(error));
    this.#show();
  }

  async #export() {
    const runs = [];
    for (const run of this.#runs) {
      const encoded = {};
      for (const [key, file] of Object.entries(run.files)) if (file !== null) encoded[key] = await base64(file);
      runs.push(exportedRun(run, encoded));
    }
    saveText(new Blob(exportParts(runs, new Date())), { name: "audio-tests.json", type: "application/json" });
  }

  #show() {
    const box = byId("runs");
    const isEmpty = this.#runs.length === 0;
    if (box.hasAttribute("aria-busy")) box.removeAttribute("aria-busy");
    setText(byId("history-note"), isEmpty ? `at most ${LIMITS}` : `${this.#runs.length} with ${bytes(this.#runs.reduce((sum, run) => sum + bytesOf(run), 0))}, of at most ${LIMITS}`);
    for (const id of ["export-all", "delete-all"]) byId(id).disabled = isEmpty;
    if (isEmpty) {
      box.replaceChildren(emptyState("No runs are stored.", "Each run of A and B is stored in this browser, with its sounds."));
      return;
    }
    let list = box.querySelector("ul");
    if (list === null) {
      list = h("ul", { class: "sound-list", "aria-label": "Runs" });
      box.replaceChildren(list);
    }
    keyed(list, this.#runs, {
      key: ({ id }) => id,
      create: ({ id, name, at, sides }) => {
        const run = () => this.#runs.find((each) => each.id === id);
        const label = `${name}, ${absolute(at / 1000)}`;
        return h("li", { class: "toolbar" }, h("button", { type: "button", class: "button button-small", "aria-label": `Open ${label}`, onclick: () => this.#open(run()) }, "Open"), h("button", { type: "button", class: "button button-small", "aria-label": `Delete ${label}`, onclick: () => this.#delete(run()) }, "Delete"), h("span", { class: "file-name" }, h("bdi", { dir: "auto" }, name), h("span", { class: "small muted" }, ` ${absolute(at / 1000)}, A ${sides.a.title}, B ${sides.b.title}`)));
      },
      update: () => {},
    });
  }
}

/** The content of a Blob as base64. */
async function base64(file) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.addEventListener("load", () => resolve(reader.result.slice(reader.result.indexOf(",") + 1)));
    reader.addEventListener("error", () => reject(reader.error));
    reader.readAsDataURL(file);
  });
}
