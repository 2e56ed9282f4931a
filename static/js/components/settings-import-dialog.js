/** The dialog that shows what a settings file would change, and applies it. */

import { controlText, ProblemError } from "../control-api.js";
import { isolated } from "../models/bidi.js";
import { OUTCOMES, shown } from "../models/settings.js";
import { h, setText } from "./dom.js";

const TYPE = "application/yaml";

/** Resolves to the response of POST /api/config/import, or null where nothing was changed. */
export async function openImportDialog(file) {
  const text = await file.text();
  const fault = h("p", { class: "is-bad small", id: "import-fault", dir: "auto", role: "alert" });
  const list = h("ul", { class: "import-list" });
  const apply = h("button", { class: "button button-main", type: "submit", disabled: true }, "Apply");
  const form = h(
    "form",
    { method: "dialog" },
    h("h2", { class: "dialog-title", id: "import-title" }, "Import ", h("bdi", { class: "mono", dir: "auto" }, file.name)),
    h("div", { class: "import-body", tabindex: "0", role: "region", "aria-label": "What the file changes" }, list),
    fault,
    h("div", { class: "dialog-actions" }, h("button", { class: "button", type: "button", onclick: () => dialog.close() }, "Cancel"), apply),
  );
  const dialog = h("dialog", { class: "dialog", "aria-labelledby": "import-title" }, form);
  let answer = null;

  async function post(path) {
    try {
      return await controlText("POST", path, text, TYPE);
    } catch (error) {
      if (!(error instanceof ProblemError)) throw error;
      const faults = error.problem.faults ?? [];
      list.replaceChildren(...faults.map(({ path: at, expected }) => row(at, expected, "")));
      setText(fault, faults.length > 0 ? "The file is not valid. Nothing was changed." : error.message);
      return null;
    }
  }

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    apply.disabled = true;
    answer = await post("/api/config/import");
    if (answer !== null) dialog.close();
  });
  document.body.append(dialog);
  dialog.showModal();
  const plan = await post("/api/config/import?dry_run=true");
  if (plan !== null) {
    list.replaceChildren(...plan.changes.map((change) => row(change.path, `${isolated(shown(change.old))} → ${isolated(shown(change.new))}`, outcome(change))));
    if (plan.changes.length === 0) list.append(h("li", {}, "Nothing: the file has the values that are in force."));
    apply.disabled = plan.changes.every((change) => change.outcome === "fixed");
  }
  if (dialog.open) return new Promise((resolve) => dialog.addEventListener("close", () => done(resolve)));
  dialog.remove();
  return null;

  function done(resolve) {
    dialog.remove();
    resolve(answer);
  }
}

const outcome = ({ outcome: what, reason }) => (reason ? `${OUTCOMES[what]}: it ${what === "fixed" ? reason : `waits because ${reason}`}` : OUTCOMES[what]);

function row(path, text, note) {
  return h("li", { class: "import-change" }, h("span", { class: "setting-path", dir: "auto" }, path), h("span", { class: "setting-value", dir: "auto" }, text), note && h("span", { class: "small muted", dir: "auto" }, note));
}
