/** The dialog that sends an announcement to all connections. */

import { control, ProblemError } from "../control-api.js";
import { announcementResult } from "../models/connections.js";
import { counted } from "../models/number-format.js";
import { h, setText } from "./dom.js";
import { toast } from "./toasts.js";

const LIMIT = 1000;

/** `active`: the number of connections. */
export function openAnnouncementDialog(active) {
  const input = h("textarea", { id: "announcement", dir: "auto", rows: "4", maxlength: String(LIMIT), required: true, autocomplete: "off", "aria-describedby": "announcement-note announcement-fault" });
  const fault = h("p", { class: "is-bad small", id: "announcement-fault", dir: "auto", role: "alert" });
  const send = h("button", { class: "button button-main", type: "submit" }, "Announce to all");
  const form = h(
    "form",
    { method: "dialog" },
    h("h2", { class: "dialog-title", id: "announce-title" }, "Announce to all connections"),
    h("span", { class: "field field-tall" }, h("label", { for: "announcement" }, "Message"), input),
    h("p", { class: "faint small", id: "announcement-note" }, `${counted(active, "connection")} now. All of them receive it at once; clients that connect later do not.`),
    fault,
    h("div", { class: "dialog-actions" }, h("button", { class: "button", type: "button", onclick: () => dialog.close() }, "Cancel"), send),
  );
  const dialog = h("dialog", { class: "dialog", "aria-labelledby": "announce-title" }, form);

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const message = input.value.trim();
    if (message === "") {
      setText(fault, "Write a message first.");
      input.focus();
      return;
    }
    send.disabled = true;
    try {
      const answer = await control("POST", "/api/announcements", { message });
      dialog.close();
      toast(announcementResult(answer), { tone: answer.missing.length > 0 ? "bad" : "" });
    } catch (error) {
      if (!(error instanceof ProblemError)) throw error;
      setText(fault, error.message);
      input.focus();
    } finally {
      send.disabled = false;
    }
  });
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  input.focus();
}
