/**
 * The sessions that a tab was in, stored for a reload: {session_id: {recovery_token, epoch, offset, in_use}}.
 *
 * `in_use` is cleared when the page is left. A duplicated tab starts with a copy of this storage in which the
 * session is still in use: it must join as a new participant, not replace the first tab's.
 */

const KEY = "live-socket:sessions";
/** Sessions that are stored; past the limit the least recently used is dropped. */
const LIMIT = 20;

/** sessionStorage, or null where the reader's settings forbid it. */
export function tabStorage() {
  try {
    return globalThis.sessionStorage ?? null;
  } catch {
    return null;
  }
}

export class SessionMemory {
  #storage;

  /** `storage`: sessionStorage or null; without it recovery lasts as long as the page. */
  constructor(storage) {
    this.#storage = storage;
  }

  read(session_id) {
    return this.#all()[session_id] ?? null;
  }

  write(session_id, entry) {
    this.#change((all) => {
      delete all[session_id];
      all[session_id] = entry;
      // Insertion order is by age.
      for (const oldest of Object.keys(all).slice(0, -LIMIT)) delete all[oldest];
    });
  }

  forget(session_id) {
    this.#change((all) => delete all[session_id]);
  }

  #all() {
    try {
      return JSON.parse(this.#storage?.getItem(KEY) ?? "{}");
    } catch {
      // Written by another version, or storage is forbidden: the same as nothing stored.
      return {};
    }
  }

  #change(change) {
    if (!this.#storage) return;
    const all = this.#all();
    change(all);
    try {
      this.#storage.setItem(KEY, JSON.stringify(all));
    } catch {
      // Full or forbidden: the page's own memory still recovers after a lost connection.
    }
  }
}
