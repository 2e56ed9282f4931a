/** The stored events of a bot as sentences. Pure. */

import { statePill } from "./bots.js";
import { word } from "./state-tones.js";

const SEVERITIES = { debug: "info", info: "info", warning: "warn", error: "bad" };

const PARTICIPANTS = { join: "joined", leave: "left", update: "is the new name", screenshare_on: "presents", screenshare_off: "stopped presenting" };
const CONSENT = {
  announced: "It announced in the chat what it does.",
  granted: "The host allowed it to transcribe.",
  refused: "The host did not allow it to transcribe.",
  withdrawn: "The host withdrew the permission to transcribe.",
  opted_out: "A participant opted out.",
  announcement_failed: "Its announcement could not be written in the chat.",
  request_failed: "The host could not be asked for permission.",
};

/** Who begins and stops to speak is in the timeline: there are thousands of these. */
const isShown = ({ event_type: type, event_subtype: kind }) => type !== "participant" || Object.hasOwn(PARTICIPANTS, kind);

/** Events (SessionEvent of orch/stores/bot_records.py) for components/event-list.js, newest first. */
export function eventRows(events) {
  return events
    .filter(isShown)
    .map((event) => ({ number: event.event_id, at: event.at, severity: severityOf(event), ...wording(event) }))
    .sort((a, b) => b.at - a.at);
}

const severityOf = ({ severity, event_type: type, event_subtype: kind }) => (type === "state" && kind === "capturing" ? "ok" : (SEVERITIES[severity] ?? "info"));

function wording({ event_type: type, event_subtype: kind, event_data: data }) {
  const detail = typeof data.detail === "string" ? data.detail : "";
  if (type === "state") {
    const reason = typeof data.reason === "string" ? word(data.reason) : typeof data.lost_to === "string" ? word(data.lost_to) : "";
    return { subject: statePill({ state: kind }).word, text: [reason, detail].filter(Boolean).join(": ") };
  }
  if (type === "participant") return { subject: String(data.name ?? "A participant"), text: PARTICIPANTS[kind] };
  if (type === "consent") return { subject: "consent", text: [CONSENT[kind] ?? word(kind), detail].filter(Boolean).join(" ") };
  if (type === "chat") return { subject: String(data.sender ?? "chat"), text: `wrote: ${data.text ?? ""}` };
  return { subject: word(type), text: [kind === null ? "" : word(kind), detail].filter(Boolean).join(": ") };
}
