/** A list of sessions, newest first, each with a link to it. */

import { sessionActivity } from "../models/connections.js";
import { count, counted } from "../models/number-format.js";
import { h, keyed, setText } from "./dom.js";
import { emptyState } from "./empty-state.js";
import { fillPlaceholder } from "./placeholder.js";

/** The text where no session has participants; `stored`: the number of sessions without any. */
export function noSessions(stored) {
  const title = stored === 0 ? "No session yet." : `No session has participants. ${stored === 1 ? "One is" : `${count(stored)} are`} stored for participants who return.`;
  return emptyState(title, "Open ", h("a", { href: "/translation" }, "Translation"), " to begin one with a microphone or a recording.");
}

export function showSessions(slot, sessions, stored) {
  if (sessions.length === 0) {
    fillPlaceholder(slot, noSessions(stored));
    return;
  }
  keyed(fillPlaceholder(slot, null, "ul", "session-list"), sessions, {
    key: (session) => session.session_id,
    create: (session) =>
      h(
        "li",
        { class: "task" },
        h("a", { class: "task-name", dir: "auto", href: `/translation#session=${encodeURIComponent(session.session_id)}` }, session.session_id),
        h("span", { class: "muted" }),
      ),
    update: (element, session) => {
      const parts = [`${count(session.participants)} here`, counted(session.offset, "message")];
      const activity = sessionActivity(session);
      if (activity !== "") parts.unshift(activity);
      setText(element.lastElementChild, parts.join(" · "));
    },
  });
}
