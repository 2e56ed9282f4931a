/** The dialog that confirms an action. */

import { h } from "./dom.js";

/**
 * Show the dialog. Resolves to true when `verb` was pressed; Escape and Cancel resolve to false. With `choice`, a text
 * that can be checked besides, it resolves to {isChosen} instead of true.
 */
export async function confirm({ title, text, verb, cancel = "Cancel", choice = null, isDangerous = false }) {
  const yes = h("button", { class: `button ${isDangerous ? "button-danger" : "button-main"}`, value: "yes" }, verb);
  const box = choice === null ? null : h("input", { type: "checkbox" });
  const answer = await ask(title, [h("p", { class: "muted", dir: "auto" }, text), box && h("label", { class: "check" }, box, choice)].filter(Boolean), yes, cancel);
  if (answer !== "yes") return false;
  return box === null ? true : { isChosen: box.checked };
}

function ask(title, body, yes, cancel) {
  const dialog = h(
    "dialog",
    { class: "dialog", "aria-labelledby": "ask-title" },
    h(
      "form",
      { method: "dialog" },
      h("h2", { class: "dialog-title", id: "ask-title", dir: "auto" }, title),
      body,
      h("div", { class: "dialog-actions" }, h("button", { class: "button", value: "no", formnovalidate: true, type: "submit" }, cancel), yes),
    ),
  );
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue);
    });
  });
}
