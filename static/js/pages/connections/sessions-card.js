/** The card of sessions that are in use, each with a button that ends it. */

import { runAction } from "../../components/actions.js";
import { confirm } from "../../components/confirm-dialog.js";
import { byId, h, setText } from "../../components/dom.js";
import { emptyState } from "../../components/empty-state.js";
import { fillPlaceholder } from "../../components/placeholder.js";
import { noSessions, sessionLink, showSessionTitle } from "../../components/session-list.js";
import { Table } from "../../components/table.js";
import { setTime, timeElement } from "../../components/time-element.js";
import { control } from "../../control-api.js";
import { isolated } from "../../models/bidi.js";
import { count } from "../../models/number-format.js";

const number = (label, field) => ({ label, number: true, sort: (row) => row[field], text: (row) => count(row[field]) });
const time = (label, field) => ({ label, sort: (row) => row[field], create: () => timeElement(), update: (cell, row) => setTime(cell, row[field]) });

export class SessionsCard {
  #table = new Table({
    caption: "Sessions",
    key: (row) => row.session_id,
    columns: [
      { label: "Session", sort: (row) => row.title || row.session_id, create: (row) => sessionLink(row.session_id), update: showSessionTitle },
      { ...number("Here", "participants"), keep: true },
      { ...number("Speaking", "speaking"), keep: true },
      number("Transcribing", "streams"),
      number("Messages", "offset"),
      time("Began", "created"),
      time("Last active", "last_active"),
      {
        label: "",
        name: "End",
        keep: true,
        create: (row) => h("button", { type: "button", class: "button button-small", "aria-label": `End session ${row.session_id}`, onclick: (event) => endSession(row.session_id, event.currentTarget) }, "End"),
        update: () => {},
      },
    ],
  });

  /** `state`: the topic `connections`. */
  show({ session_list: listed, sessions: total, workers }) {
    const placeholder = byId("sessions-placeholder");
    if (listed.length === 0) {
      const isSilent = workers.some(({ answered }) => !answered);
      fillPlaceholder(placeholder, isSilent ? emptyState("No session is in use on the workers that reply.") : noSessions(total));
    } else {
      fillPlaceholder(placeholder, this.#table.element);
      this.#table.show(listed);
    }
    setText(byId("sessions-note"), total > listed.length ? `${count(listed.length)} of ${count(total)}` : "");
  }
}

async function endSession(id, button) {
  const isSure = await confirm({
    title: `End the session ${isolated(id)}?`,
    text: "All participants are disconnected from it, and its transcript is deleted. This cannot be undone; export the transcript first if you need it.",
    verb: "End session",
    isDangerous: true,
  });
  if (isSure) await runAction(button, () => control("DELETE", `/api/sessions/${encodeURIComponent(id)}`), `The session ${isolated(id)} has ended.`);
}
