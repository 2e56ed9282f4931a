/** The session in the page's address and in the tab, so that a reload and the navigation lead back to it. */

import { Scope } from "../../components/scope.js";
import { readLink, writeLink } from "../../models/session-link.js";

/** A page without a session: it begins a new one. */
const NEW = { session_id: null, key: null, role: "participant" };

export class SessionAddress {
  #scope = new Scope();
  #session;
  #tab;
  #own;
  /** The link that the page was opened with; without one the session that the tab was in. */
  #wanted;

  /** `session`: the SessionClient; `tab`: the TabSession; `own`: the OwnSessions, in which open sessions are listed. */
  constructor({ session, tab, own }) {
    this.#session = session;
    this.#tab = tab;
    this.#own = own;
    const link = readLink(location.href);
    this.#wanted = link.session_id === null ? (tab.read() ?? link) : link;
  }

  start() {
    if (!this.#scope.open()) return;
    this.#scope.listen(globalThis, "hashchange", () => this.#changed());
  }

  stop() {
    this.#scope.close();
  }

  /** The session to open: {session_id, key, role}; `session_id` is null for a new one. */
  get wanted() {
    return this.#wanted;
  }

  /** Store the open session. */
  store() {
    const { session_id, keys, title } = this.#session;
    const key = keys?.speak ?? keys?.read ?? this.#wanted.key;
    // An observer who could speak stays an observer; with the reading key alone the service makes one anyway.
    const role = keys?.speak && this.#wanted.role === "observer" ? "observer" : "participant";
    this.#tab.write({ session_id, key, role });
    this.#own.note({ session_id, key, role, maySpeak: Boolean(keys?.speak), given: title });
    const href = writeLink(location.href, { session_id, key, role });
    // It costs tens of milliseconds on a slow machine, where a long history is applied just then.
    if (href !== location.href) this.#scope.after(0, () => this.#session.session_id === session_id && history.replaceState(history.state, "", href));
  }

  /** Remove the session: a new one begins. */
  clear() {
    this.#tab.forget();
    this.#wanted = NEW;
    const url = new URL(location.href);
    url.search = url.hash = "";
    history.replaceState(history.state, "", url);
  }

  #changed() {
    const { session_id } = readLink(location.href);
    // Another link was opened in this tab: the page begins again with it.
    if (session_id !== null && session_id !== this.#session.session_id) location.reload();
    // A link to a place in this page was followed: the address has to lead back to the session all the same.
    else if (session_id === null && this.#session.phase === "open") this.store();
  }
}
