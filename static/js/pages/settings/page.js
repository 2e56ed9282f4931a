/** Settings: every value with its source, the changes that wait for a restart, and the faults of the file. */

import { showBanners } from "../../components/banners.js";
import { byId, h, keyed, setText } from "../../components/dom.js";
import { emptyState } from "../../components/empty-state.js";
import { fillPlaceholder } from "../../components/placeholder.js";
import { Scope } from "../../components/scope.js";
import { openSettingDialog } from "../../components/setting-dialog.js";
import { openImportDialog } from "../../components/settings-import-dialog.js";
import { Table } from "../../components/table.js";
import { timeElement } from "../../components/time-element.js";
import { toast } from "../../components/toasts.js";
import { control } from "../../control-api.js";
import { isolated } from "../../models/bidi.js";
import { counted } from "../../models/number-format.js";
import { faultProblems, grouped, importedText, isEditable, matching, otherWorkersText, sentence, shown, SOURCES } from "../../models/settings.js";
import { Shell } from "../../shell.js";

export class SettingsPage {
  #socket;
  #scope = new Scope();
  #shell;
  /** The topic `config`, or null until known. */
  #config = null;
  /** When a change of another worker was first rejected here, in seconds since the epoch, or null. */
  #rejectedSince = null;
  /** The table of each group of settings, by the group's name. */
  #tables = new Map();

  constructor(socket) {
    this.#socket = socket;
    this.#shell = new Shell(socket);
  }

  start() {
    if (!this.#scope.open()) return;
    this.#scope.start(this.#shell);
    this.#scope.defer(
      this.#socket.onTopic("config", (config) => {
        this.#shell.figuresReceived();
        this.#show(config);
      }),
    );
    this.#scope.listen(byId("find"), "input", () => this.#showValues());
    this.#scope.listen(byId("source"), "change", () => this.#showValues());
    this.#scope.listen(byId("import"), "click", () => byId("import-file").click());
    this.#scope.listen(byId("import-file"), "change", () => this.#import());
    this.#scope.start(this.#socket);
  }

  stop() {
    this.#scope.close();
  }

  #show(config) {
    this.#config = config;
    setText(byId("page-status"), sentence(config));
    setText(byId("file-path"), config.file.path);
    const note = byId("values-note");
    if (note.dataset.at !== String(config.file.read_at)) {
      note.dataset.at = config.file.read_at;
      note.replaceChildren("file read ", timeElement(config.file.read_at));
    }
    this.#rejectedSince = config.refused.length > 0 ? (this.#rejectedSince ?? this.#socket.serverNow / 1000) : null;
    showBanners(byId("faults"), faultProblems(config, this.#rejectedSince));
    showPending(config.pending);
    this.#showValues();
  }

  #showValues() {
    if (this.#config === null) return;
    const placeholder = byId("values-placeholder");
    const groups = matching(grouped(this.#config), byId("find").value, byId("source").value);
    const values = groups.reduce((sum, { rows }) => sum + rows.length, 0);
    setText(byId("values-count"), counted(values, "value"));
    if (values === 0) {
      fillPlaceholder(placeholder, emptyState("No value matches.", "Look for another word, or choose From: anywhere."));
      return;
    }
    keyed(fillPlaceholder(placeholder, null, "div", "groups"), groups, {
      key: ({ group }) => group,
      create: ({ group }) => h("section", {}, h("h3", { class: "group-head mono" }, group), this.#createTable(group).element),
      update: (_element, { group, rows }) => this.#tables.get(group).show(rows),
    });
  }

  #createTable(group) {
    const table = new Table({ caption: group, columns: this.#columns, key: (row) => row.path, classes: "table-list table-settings" });
    this.#tables.set(group, table);
    return table;
  }

  #columns = [
    { label: "Name", create: (row) => h("span", { class: "setting-path", dir: "auto" }, row.name), update: () => {} },
    {
      label: "In force",
      keep: true,
      create: () => h("span", { class: "setting-value", dir: "auto" }),
      update: (cell, row) => {
        setText(cell, row.text);
        cell.parentElement.classList.add("setting-cell");
      },
    },
    {
      label: "From",
      keep: true,
      create: () => h("span", { class: "small" }),
      update: (cell, row) => {
        setText(cell, SOURCES[row.source] ?? row.source);
        cell.classList.toggle("faint", row.source === "default");
      },
    },
    { label: "", name: "Change", keep: true, create: (row) => this.#changeCell(row), update: () => {} },
  ];

  #changeCell(row) {
    if (row.fixed) return h("span", { class: "faint small", title: `It ${row.fixed}.` }, "fixed while it runs");
    if (!isEditable(row)) return null;
    return h("button", { type: "button", class: "button button-small", "aria-label": `Change ${row.path}`, onclick: () => this.#edit(row.path) }, "Change");
  }

  async #edit(path) {
    const row = grouped(this.#config)
      .flatMap(({ rows }) => rows)
      .find((each) => each.path === path);
    const before = this.#config.runtime.includes(path) ? row.value : null;
    const answer = await openSettingDialog(row, { isShared: this.#config.shared });
    if (answer === null) return;
    this.#show(answer.config);
    showOtherWorkers(answer.workers);
    if (answer.waiting.includes(path)) {
      toast(`${path} changes at the next restart.`);
      return;
    }
    toast(`${path} is now ${isolated(shown(answer.config.values[path]))}.`, {
      action: { label: "Undo", run: async () => this.#show((await control("PATCH", "/api/config", { values: { [path]: before } })).config) },
    });
  }

  async #import() {
    const [file] = byId("import-file").files;
    byId("import-file").value = "";
    const answer = file === undefined ? null : await openImportDialog(file);
    if (answer === null) return;
    showOtherWorkers(answer.workers);
    toast(importedText(answer.changes));
  }
}

function showOtherWorkers(workers) {
  const text = otherWorkersText(workers);
  if (text !== "") toast(text, { tone: "bad" });
}

function showPending(pending) {
  byId("pending").hidden = pending.length === 0;
  keyed(byId("pending-list"), pending, {
    key: (change) => change.path,
    create: () => h("li", { class: "pending" }, h("span", {}, h("span", { class: "setting-path", dir: "auto" }), h("span", { class: "cell-sub", dir: "auto" })), h("span", { class: "setting-value", dir: "auto" })),
    update: (element, change) => {
      setText(element.querySelector(".setting-path"), change.path);
      setText(element.querySelector(".cell-sub"), `waits because ${isolated(change.reason)}`);
      setText(element.lastElementChild, `${isolated(shown(change.old))} → ${isolated(shown(change.new))}`);
    },
  });
}
