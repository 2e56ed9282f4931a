/**
 * The sessions that this browser was in, with their keys, stored so that it finds them again. People have no
 * accounts: a session is one's own where this browser holds a key of it.
 *
 * Stored as [{session_id, key, role, maySpeak, readKey, title, given, first, last, expires}], the last used first.
 * `readKey`: a key to read beside one to speak, or null; `title` is the reader's own, `given` the session's; times in ms since the epoch, `expires` null until the service gave it. What is not
 * valid is left out; a list of another version is empty.
 */

import { isSessionName } from "./session-name.js";
import { readStoredLink } from "./session-link.js";

const KEY = "sessions:own";
/** Sessions that are stored; past the limit the least recently used is dropped. */
export const OWN_SESSIONS = 200;
/** Characters of a title. */
export const TITLE_LENGTH = 120;

export class OwnSessions {
  #storage;
  #now;

  /** `storage`: localStorage, or null where the reader's settings forbid it; then there are none. */
  constructor(storage, now = () => Date.now()) {
    this.#storage = storage;
    this.#now = now;
  }

  /** Whether anything can be stored here: false in some private windows, and where site data is blocked. */
  get canStore() {
    if (!this.#storage) return false;
    try {
      this.#storage.setItem(`${KEY}:test`, "1");
      this.#storage.removeItem(`${KEY}:test`);
      return true;
    } catch {
      return false;
    }
  }

  /** All of them, the last used first. */
  list() {
    try {
      const stored = JSON.parse(this.#storage?.getItem(KEY) ?? "[]");
      if (!Array.isArray(stored)) return [];
      const seen = new Set();
      return stored
        .map(readEntry)
        .filter((entry) => entry !== null && !seen.has(entry.session_id) && seen.add(entry.session_id))
        .slice(0, OWN_SESSIONS);
    } catch {
      // Written by another version, or storage is forbidden: the same as nothing stored.
      return [];
    }
  }

  /** This browser is in a session. A key to read does not replace one to speak; both are stored. */
  note({ session_id, key, role, maySpeak, given = "" }) {
    if (typeof session_id !== "string" || !isSessionName(session_id)) return;
    const all = this.list();
    const before = all.find((entry) => entry.session_id === session_id) ?? null;
    const now = this.#now();
    const isWeaker = before !== null && before.maySpeak && !maySpeak && before.key !== null;
    const entry = {
      session_id,
      key: isWeaker ? before.key : (key ?? before?.key ?? null),
      role: isWeaker ? before.role : role,
      maySpeak: maySpeak || (before?.maySpeak ?? false),
      readKey: isWeaker ? (key ?? before.readKey) : maySpeak ? readKeyOf(before) : null,
      title: before?.title ?? "",
      given: clipped(given),
      first: before?.first ?? now,
      last: now,
      expires: null,
    };
    this.#write([entry, ...all.filter((other) => other.session_id !== session_id)]);
  }

  /** Give a session a title, in this browser only. Returns the title as stored; "" removes it. */
  name(session_id, title) {
    const stored = clipped(title.replace(/\s+/gu, " ").trim());
    this.#change(session_id, { title: stored });
    return stored;
  }

  /** Store what the service said of a session: when it will end, and its title. */
  checked(session_id, { expires, given }) {
    this.#change(session_id, { expires, given: clipped(given) });
  }

  /** A session's key to speak is valid no longer: use the one to read. Returns the entry with it; null: there is none. */
  fallBack(session_id) {
    const entry = this.list().find((each) => each.session_id === session_id) ?? null;
    if (entry === null || entry.readKey === null || entry.readKey === entry.key) return null;
    const changes = { key: entry.readKey, role: "participant", maySpeak: false, readKey: null };
    this.#change(session_id, changes);
    return { ...entry, ...changes };
  }

  forget(session_ids) {
    const gone = new Set(session_ids);
    this.#write(this.list().filter(({ session_id }) => !gone.has(session_id)));
  }

  forgetAll() {
    try {
      this.#storage?.removeItem(KEY);
    } catch {
      // Storage is forbidden: nothing is stored.
    }
  }

  #change(session_id, changes) {
    this.#write(this.list().map((entry) => (entry.session_id === session_id ? { ...entry, ...changes } : entry)));
  }

  #write(all) {
    try {
      this.#storage?.setItem(KEY, JSON.stringify(all.slice(0, OWN_SESSIONS)));
    } catch {
      // Full or forbidden: the link still leads to the session.
    }
  }
}

/** The key to read in an entry: beside one to speak, or the only one. */
function readKeyOf(entry) {
  if (entry === null) return null;
  return entry.maySpeak ? entry.readKey : entry.key;
}

/** A title of no more than TITLE_LENGTH characters, none of them halved. */
const clipped = (title) => [...title].slice(0, TITLE_LENGTH).join("");

const readTitle = (value) => (typeof value === "string" ? clipped(value) : "");

const readTime = (value, otherwise) => (typeof value === "number" && Number.isFinite(value) && Math.abs(value) < 8.64e15 ? value : otherwise);

/** An entry of the stored list, or null where it is none. */
function readEntry(stored) {
  const link = readStoredLink(JSON.stringify(stored ?? null));
  if (link === null) return null;
  const last = readTime(stored.last, 0);
  return {
    ...link,
    maySpeak: stored.maySpeak === true,
    readKey: typeof stored.readKey === "string" ? (readStoredLink(JSON.stringify({ session_id: link.session_id, key: stored.readKey }))?.key ?? null) : null,
    title: readTitle(stored.title),
    given: readTitle(stored.given),
    first: readTime(stored.first, last),
    last,
    expires: readTime(stored.expires, null),
  };
}

/** The title of an entry: the reader's own, that of the session, or "". */
export function ownTitle({ title, given }) {
  return title || given;
}

/** What an entry is called: its title, or the session's name. */
export function titleOf(entry) {
  return ownTitle(entry) || entry.session_id;
}
