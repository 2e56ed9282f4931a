/** Settings: every value with its source, what waits for a restart, what is wrong with the file. */

import { showBanners } from "../components/banners.js";
import { byId, h, keyed, setText } from "../components/dom.js";
import { openImportDialog } from "../components/settings-import-dialog.js";
import { openSettingDialog } from "../components/setting-dialog.js";
import { emptyState } from "../components/empty-state.js";
import { fillPlaceholder } from "../components/placeholder.js";
import { Table } from "../components/table.js";
import { timeElement } from "../components/time-element.js";
import { toast } from "../components/toasts.js";
import { control } from "../control-api.js";
import { isolated } from "../models/bidi.js";
import { counted } from "../models/number-format.js";
import { grouped, importedText, isEditable, matching, otherWorkersText, sentence, shown, SOURCES } from "../models/settings.js";
import { serverNow, socket } from "../page-socket.js";
import { Shell } from "../shell.js";

let config = null;
/** When it was first noticed that this worker cannot use what was changed on another, in seconds since the epoch. */
let refusedSince = null;
const tables = new Map();

const columns = [
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
  {
    label: "",
    name: "Change",
    keep: true,
    create: (row) => (row.fixed ? h("span", { class: "faint small", title: `It ${row.fixed}.` }, "fixed while it runs") : isEditable(row) && h("button", { type: "button", class: "button button-small", "aria-label": `Change ${row.path}`, onclick: () => edit(row.path) }, "Change")),
    update: () => {},
  },
];

async function edit(path) {
  const row = grouped(config)
    .flatMap(({ rows }) => rows)
    .find((each) => each.path === path);
  const before = config.runtime.includes(path) ? row.value : null;
  const answer = await openSettingDialog(row, { isShared: config.shared });
  if (answer === null) return;
  show(answer.config);
  const others = otherWorkersText(answer.workers);
  if (others !== "") toast(others, { tone: "bad" });
  if (answer.waiting.includes(path)) {
    toast(`${path} is changed after a restart.`);
    return;
  }
  toast(`${path} is ${isolated(shown(answer.config.values[path]))} now.`, {
    action: { label: "Undo", run: async () => show((await control("PATCH", "/api/config", { values: { [path]: before } })).config) },
  });
}

function showValues() {
  const slot = byId("values-placeholder");
  const groups = matching(grouped(config), byId("find").value, byId("source").value);
  const found = groups.reduce((sum, { rows }) => sum + rows.length, 0);
  setText(byId("values-count"), counted(found, "value"));
  if (found === 0) {
    fillPlaceholder(slot, emptyState("No value matches.", "Look for another word, or choose From: anywhere."));
    return;
  }
  keyed(fillPlaceholder(slot, null, "div", "groups"), groups, {
    key: ({ group }) => group,
    create: ({ group }) => {
      const table = new Table({ caption: group, columns, key: (row) => row.path, classes: "table-list table-settings" });
      tables.set(group, table);
      return h("section", {}, h("h3", { class: "group-head mono" }, group), table.element);
    },
    update: (_element, { group, rows }) => tables.get(group).show(rows),
  });
}

function showPending() {
  byId("pending").hidden = config.pending.length === 0;
  keyed(byId("pending-list"), config.pending, {
    key: (change) => change.path,
    create: () => h("li", { class: "pending" }, h("span", {}, h("span", { class: "setting-path", dir: "auto" }), h("span", { class: "cell-sub", dir: "auto" })), h("span", { class: "setting-value", dir: "auto" })),
    update: (element, change) => {
      setText(element.querySelector(".setting-path"), change.path);
      setText(element.querySelector(".cell-sub"), `waits because ${isolated(change.reason)}`);
      setText(element.lastElementChild, `${isolated(shown(change.old))} → ${isolated(shown(change.new))}`);
    },
  });
}

function showFaults() {
  const { faults, read_at: since } = config.file;
  showBanners(
    byId("faults"),
    faults.map((fault) => ({ key: fault.path, tone: "bad", word: "not applied", subject: fault.path, text: fault.expected, more: "The service goes on with what it had; correct the file and save it.", since, action: null })).concat(refusals()),
  );
}

/** What was changed on another worker and does not go with this one's file or environment. */
function refusals() {
  refusedSince = config.refused.length > 0 ? (refusedSince ?? serverNow()) : null;
  return config.refused.map((fault) => ({ key: `refused ${fault.path}`, tone: "bad", word: "not applied", subject: fault.path, text: fault.expected, more: "It was changed on another worker. This one goes on with what it had; correct its file, or take the change back there.", since: refusedSince, action: null }));
}

function show(data) {
  config = data;
  setText(byId("page-status"), sentence(data));
  setText(byId("file-path"), data.file.path);
  const note = byId("values-note");
  if (note.dataset.at !== String(data.file.read_at)) {
    note.dataset.at = data.file.read_at;
    note.replaceChildren("file read ", timeElement(data.file.read_at));
  }
  showFaults();
  showPending();
  showValues();
}

const shell = new Shell(socket);
shell.start();
socket.onTopic("config", (data) => {
  shell.heard();
  show(data);
});
byId("find").addEventListener("input", () => config !== null && showValues());
byId("source").addEventListener("change", () => config !== null && showValues());
byId("import").addEventListener("click", () => byId("import-file").click());
byId("import-file").addEventListener("change", async () => {
  const [file] = byId("import-file").files;
  byId("import-file").value = "";
  const answer = file === undefined ? null : await openImportDialog(file);
  if (answer === null) return;
  const others = otherWorkersText(answer.workers);
  if (others !== "") toast(others, { tone: "bad" });
  toast(importedText(answer.changes));
});
socket.start();
