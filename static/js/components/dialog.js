/** Questions: yes or no, and the one for the control token. */

import { h } from "./dom.js";

/** Ask once. Resolves to true when `verb` was chosen; Escape and Cancel are no. */
export async function confirm({ title, text, verb, isDangerous = false }) {
  const yes = h("button", { class: `button ${isDangerous ? "button-danger" : "button-main"}`, value: "yes" }, verb);
  const answer = await ask(title, [h("p", { class: "muted" }, text)], yes);
  return answer === "yes";
}

/** Ask for the control token. Resolves to what was typed, or null. */
export async function askToken(reason) {
  const input = h("input", { id: "token", name: "token", type: "password", autocomplete: "off", required: true });
  const answer = await ask(
    "Control token",
    [
      h("p", { class: "muted" }, reason),
      h("span", { class: "field" }, h("label", { for: "token" }, "Token"), input),
      h("p", { class: "faint small" }, "It is kept in this tab until the tab is closed."),
    ],
    h("button", { class: "button button-main", value: "yes" }, "Use token"),
  );
  return answer === "yes" ? input.value.trim() : null;
}

function ask(title, body, yes) {
  const dialog = h(
    "dialog",
    { class: "dialog", "aria-labelledby": "ask-title" },
    h(
      "form",
      { method: "dialog" },
      h("h2", { class: "dialog-title", id: "ask-title" }, title),
      body,
      h("div", { class: "dialog-actions" }, h("button", { class: "button", value: "no", formnovalidate: true, type: "submit" }, "Cancel"), yes),
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
