/** The dialog that changes one setting while the service runs. */

import { control, ProblemError } from "../control-api.js";
import { parsed } from "../models/settings.js";
import { h, setText } from "./dom.js";

/** Resolves to the response of PATCH /api/config, or null where it was cancelled. `isShared`: by several workers. */
export function openSettingDialog(row, { isShared = false } = {}) {
  const type = typeof row.value;
  const initial = type === "string" ? row.value : JSON.stringify(row.value);
  const input =
    type === "boolean"
      ? h("select", { id: "setting-value" }, ["true", "false"].map((word) => h("option", { value: word, selected: word === initial }, word)))
      : h("input", { id: "setting-value", dir: "auto", value: initial, autocomplete: "off", spellcheck: "false", inputmode: type === "number" ? "decimal" : null, "aria-describedby": "setting-fault" });
  const fault = h("p", { class: "is-bad small", id: "setting-fault", dir: "auto", role: "alert" });
  const save = h("button", { class: "button button-main", type: "submit" }, "Change");
  const form = h(
    "form",
    { method: "dialog" },
    h("h2", { class: "dialog-title", id: "setting-title" }, "Change ", h("bdi", { class: "mono", dir: "auto" }, row.path)),
    h("span", { class: "field" }, h("label", { for: "setting-value" }, "Value"), input),
    fault,
    h("p", { class: "faint small" }, isShared ? "In force on all workers until it is undone, also after a restart. The file is not changed." : "In force until the next start. The file is not changed."),
    h(
      "div",
      { class: "dialog-actions" },
      h("button", { class: "button", type: "button", onclick: () => dialog.close() }, "Cancel"),
      row.source === "runtime" && h("button", { class: "button", type: "button", onclick: () => send(null) }, "Undo"),
      save,
    ),
  );
  const dialog = h("dialog", { class: "dialog", "aria-labelledby": "setting-title" }, form);
  let answer = null;

  async function send(value) {
    save.disabled = true;
    try {
      answer = await control("PATCH", "/api/config", { values: { [row.path]: value } });
      dialog.close();
    } catch (error) {
      if (!(error instanceof ProblemError)) throw error;
      const faults = error.problem.faults ?? [];
      setText(fault, faults.length > 0 ? faults.map((each) => each.expected).join("; ") : error.message);
      input.focus();
    } finally {
      save.disabled = false;
    }
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const { value, error } = parsed(input.value, row.value);
    if (error) setText(fault, error);
    else send(value);
  });
  document.body.append(dialog);
  dialog.showModal();
  input.focus();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(answer);
    });
  });
}
