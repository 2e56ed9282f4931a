/** A list of sessions, newest first, each with a link to it. */

import { sessionActivity } from "../models/connections.js";
import { count, counted } from "../models/number-format.js";
import { h, keyed, setAttribute, setText } from "./dom.js";
import { emptyState } from "./empty-state.js";
import { fillPlaceholder } from "./placeholder.js";

/** The text where no session has participants; `stored`: the number of sessions without any. */
export function noSessions(stored) {
  const title = stored === 0 ? "No session yet." : `No session has participants. ${stored === 1 ? "One is" : `${count(stored)} are`} stored for participants who return.`;
  return emptyState(title, "Open ", h("a", { href: "/translation" }, "Translation"), " to begin one with a microphone or a recording.");
}

/** A link to a session, whose text is the session's title, else its name; with a title the name is in the tooltip. */
export const sessionLink = (session_id, attributes = {}) => h("a", { dir: "auto", href: `/translation#session=${encodeURIComponent(session_id)}`, ...attributes }, session_id);

export function showSessionTitle(link, { session_id, title }) {
  setText(link, title || session_id);
  setAttribute(link, "title", title ? session_id : null);
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
        sessionLink(session.session_id, { class: "task-name" }),
        h("span", { class: "muted" }),
      ),
    update: (element, session) => {
      showSessionTitle(element.firstElementChild, session);
      const parts = [`${count(session.participants)} here`, counted(session.offset, "message")];
      const activity = sessionActivity(session);
      if (activity !== "") parts.unshift(activity);
      setText(element.lastElementChild, parts.join(" · "));
    },
  });
}
