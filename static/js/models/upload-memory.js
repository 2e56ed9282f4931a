/**
 * The uploads in pieces that this browser began, stored for a reload: where each is, and how far. A file is known
 * again by its name, size and date.
 */

const KEY = "translation:uploads";
/** Uploads that are stored; past the limit the oldest is dropped. */
const LIMIT = 20;
/** The service removes an upload a day after its last byte (ms). */
const LIFETIME = 24 * 3600 * 1000;

/** localStorage, or null where the reader's settings forbid it. */
export function browserStorage() {
  try {
    return globalThis.localStorage ?? null;
  } catch {
    return null;
  }
}

const idOf = (session_id, { name, size, lastModified }) => JSON.stringify([session_id, name, size, lastModified ?? 0]);

export class UploadMemory {
  #storage;
  #now;

  /** `storage`: localStorage, or null; then an upload cannot be continued after a reload. */
  constructor(storage, now = () => Date.now()) {
    this.#storage = storage;
    this.#now = now;
  }

  /** The upload of a file into a session: {url, offset}, or null. */
  read(session_id, file) {
    return this.#all()[idOf(session_id, file)] ?? null;
  }

  write(session_id, file, { url, offset }) {
    const id = idOf(session_id, file);
    this.#change((all) => {
      delete all[id];
      all[id] = { session_id, name: file.name, size: file.size, url, offset, at: this.#now() };
      // Insertion order is by age.
      for (const oldest of Object.keys(all).slice(0, -LIMIT)) delete all[oldest];
    });
  }

  forget(session_id, file) {
    this.#change((all) => delete all[idOf(session_id, file)]);
  }

  /** The address of an upload is forgotten, whatever its file. */
  forgetUrl(url) {
    this.#change((all) => {
      for (const [id, entry] of Object.entries(all)) if (entry.url === url) delete all[id];
    });
  }

  /** The uploads into a session that are not complete: [{name, size, url, offset}]. */
  unfinished(session_id) {
    return Object.values(this.#all()).filter((entry) => entry.session_id === session_id);
  }

  #all() {
    try {
      const all = JSON.parse(this.#storage?.getItem(KEY) ?? "{}") ?? {};
      const isFresh = (entry) => typeof entry?.url === "string" && typeof entry.size === "number" && this.#now() - entry.at < LIFETIME;
      return Object.fromEntries(Object.entries(all).filter(([, entry]) => isFresh(entry)));
    } catch {
      // Written by another version, or storage is forbidden: the same as nothing stored.
      return {};
    }
  }

  #change(change) {
    const all = this.#all();
    change(all);
    try {
      this.#storage?.setItem(KEY, JSON.stringify(all));
    } catch {
      // Full or forbidden: the upload lasts as long as the page.
    }
  }
}
