/** The bar over the flow: presets, undo and redo, A and B, and what is saved, exported and imported. */

import { byId, h, setAttribute, setText } from "../dom.js";
import { Scope } from "../scope.js";

export class SettingsBar {
  #scope = new Scope();
  #actions;

  /**
   * `actions` {preset(name), own(name), savePreset(name), deletePreset(name), undo, redo, use(slot), copy, save,
   * export, import(file)}.
   */
  constructor(actions) {
    this.#actions = actions;
  }

  start() {
    const scope = this.#scope;
    const actions = this.#actions;
    if (!scope.open()) return;
    scope.listen(byId("preset"), "change", () => this.#choose());
    scope.listen(byId("save-preset"), "click", () => this.#name());
    scope.listen(byId("delete-preset"), "click", () => actions.deletePreset(byId("preset").value.slice(4)));
    scope.listen(byId("undo"), "click", () => actions.undo());
    scope.listen(byId("redo"), "click", () => actions.redo());
    for (const slot of ["A", "B"]) scope.listen(byId(`slot-${slot}`), "click", () => actions.use(slot));
    scope.listen(byId("copy-slot"), "click", () => actions.copy());
    scope.listen(byId("save"), "click", () => actions.save());
    scope.listen(byId("export"), "click", () => actions.export());
    scope.listen(byId("import"), "click", () => byId("import-file").click());
    scope.listen(byId("import-file"), "change", () => {
      const [file] = byId("import-file").files;
      byId("import-file").value = "";
      if (file !== undefined) actions.import(file);
    });
    scope.listen(document, "keydown", (event) => this.#keyed(event));
  }

  stop() {
    this.#scope.close();
  }

  /** `presets`, `own`: [{name, title, text}]; `current`: "" or the value of the preset in use. */
  show({ presets, own, current, slot, canUndo, canRedo }) {
    const select = byId("preset");
    const names = [...presets, ...own].map(({ name }) => name).join("\n");
    if (select.dataset.names !== names) {
      select.dataset.names = names;
      const option = (value, title) => h("option", { value }, title);
      select.replaceChildren(
        option("", "changed"),
        h("optgroup", { label: "Presets" }, ...presets.map(({ name, title }) => option(name, title))),
        ...(own.length > 0 ? [h("optgroup", { label: "Your own" }, ...own.map(({ name }) => option(`own:${name}`, name)))] : []),
      );
    }
    select.value = current;
    setText(byId("preset-text"), presets.find(({ name }) => name === current)?.text ?? (current === "" ? "Changed since a preset was chosen." : "Your own preset."));
    byId("delete-preset").hidden = !current.startsWith("own:");
    byId("undo").disabled = !canUndo;
    byId("redo").disabled = !canRedo;
    for (const name of ["A", "B"]) setAttribute(byId(`slot-${name}`), "aria-pressed", String(name === slot));
    setText(byId("copy-slot"), `Copy ${slot} to ${slot === "A" ? "B" : "A"}`);
  }

  #choose() {
    const { value } = byId("preset");
    if (value.startsWith("own:")) this.#actions.own(value.slice(4));
    else if (value !== "") this.#actions.preset(value);
  }

  async #name() {
    const name = await askName();
    if (name !== null) this.#actions.savePreset(name);
  }

  #keyed(event) {
    // A text field has its own undo.
    if (!(event.ctrlKey || event.metaKey) || event.target.closest?.("input[type=number], input[type=text], textarea")) return;
    const key = event.key.toLowerCase();
    if (key !== "z" && key !== "y") return;
    event.preventDefault();
    if (key === "y" || event.shiftKey) this.#actions.redo();
    else this.#actions.undo();
  }
}

/** Ask for the name of a preset. Resolves to it, or null. */
function askName() {
  const field = h("input", { type: "text", id: "preset-name", maxlength: 60, required: true, autocomplete: "off" });
  const dialog = h(
    "dialog",
    { class: "dialog", "aria-labelledby": "preset-name-title" },
    h(
      "form",
      { method: "dialog" },
      h("h2", { class: "dialog-title", id: "preset-name-title" }, "Save as a preset of your own"),
      h("span", { class: "field" }, h("label", { for: "preset-name" }, "Name"), field),
      h("p", { class: "muted small" }, "It is stored in this browser. A preset with the same name is replaced."),
      h("div", { class: "dialog-actions" }, h("button", { class: "button", value: "no", formnovalidate: true }, "Cancel"), h("button", { class: "button button-main", value: "yes" }, "Save preset")),
    ),
  );
  document.body.append(dialog);
  dialog.showModal();
  // The form's first button is the one that Enter presses.
  field.addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    if (field.reportValidity()) dialog.close("yes");
  });
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      dialog.remove();
      const name = field.value.trim();
      resolve(dialog.returnValue === "yes" && name !== "" ? name : null);
    });
  });
}

/** Show why a file was not imported: every fault with its path. */
export function showFaults(name, faults) {
  const dialog = h(
    "dialog",
    { class: "dialog", "aria-labelledby": "faults-title" },
    h(
      "form",
      { method: "dialog" },
      h("h2", { class: "dialog-title", id: "faults-title" }, h("bdi", {}, name), " was not imported"),
      h("p", { class: "muted" }, `Nothing was changed. ${faults.length === 1 ? "One thing is" : `${faults.length} things are`} wrong:`),
      h("div", { class: "import-body", tabindex: "0", role: "region", "aria-label": "What is wrong" }, h("ul", {}, ...faults.map(({ path, expected }) => h("li", { class: "import-change" }, h("span", { class: "setting-path mono", dir: "auto" }, path), h("span", { dir: "auto" }, `expected ${expected}`))))),
      h("div", { class: "dialog-actions" }, h("button", { class: "button button-main" }, "Close")),
    ),
  );
  document.body.append(dialog);
  dialog.addEventListener("close", () => dialog.remove());
  dialog.showModal();
}
