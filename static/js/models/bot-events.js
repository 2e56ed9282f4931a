/** The stored events of a bot as sentences. Pure. */

import { isolated } from "./bidi.js";
import { statePill } from "./bots.js";
import { word } from "./state-tones.js";

/** The types that are shown: who spoke when is in the timeline, and there are thousands of these. */
export const EVENT_TYPES = ["state", "command", "consent"];

const SEVERITIES = { debug: "info", info: "info", warning: "warn", error: "bad" };

const CONSENTS = {
  announced: { text: "It announced in the chat what it does", severity: "info" },
  granted: { text: "It may transcribe", severity: "ok" },
  refused: { text: "It may not transcribe", severity: "warn" },
  withdrawn: { text: "It may no longer transcribe", severity: "warn" },
  opted_out: { text: "A participant opted out", severity: "warn" },
};
const NOTES = {
  announcement_failed: "Its announcement could not be written in the chat.",
  request_failed: "The host could not be asked for permission.",
};

/** Events and the consent log (GET /api/bots/ID/events) for components/event-list.js, newest first. */
export function eventRows({ events, consents }) {
  const own = events.map((event) => ({ number: event.event_id, at: event.at, severity: severityOf(event), ...wording(event) }));
  const decided = consents.map(({ action, at, participant, statement }, index) => {
    const { text, severity } = CONSENTS[action] ?? { text: word(action), severity: "info" };
    return { number: `consent ${index}`, at, severity, subject: "consent", text: `${text}${participant === null ? "" : `: ${isolated(participant)}`}.${action === "opted_out" && statement !== "" ? ` “${isolated(statement)}”` : ""}` };
  });
  return [...own, ...decided].sort((a, b) => b.at - a.at);
}

const severityOf = ({ severity, event_type: type, event_subtype: subtype }) => (type === "state" && subtype === "capturing" ? "ok" : (SEVERITIES[severity] ?? "info"));

function wording({ event_type: type, event_subtype: subtype, event_data: data }) {
  const detail = typeof data.detail === "string" ? data.detail : "";
  if (type === "state") {
    const reason = [data.reason, data.lost_to].find((each) => typeof each === "string");
    return { subject: statePill({ state: subtype }).word, text: [reason === undefined ? "" : word(reason), detail].filter(Boolean).join(": ") };
  }
  return { subject: word(type), text: [NOTES[subtype] ?? (subtype === null ? "" : word(subtype)), detail].filter(Boolean).join(" ") };
}
