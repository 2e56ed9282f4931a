/**
 * The keys of the recordings that this tab uploaded, stored for a reload. A recording's key allows to cancel it.
 */

const KEY = "translation:recordings";
/** Keys that are stored; past the limit the oldest is dropped. */
const LIMIT = 50;

export class RecordingKeys {
  #storage;
  #all;

  /** `storage`: sessionStorage, or null; without it a key lasts as long as the page. */
  constructor(storage) {
    this.#storage = storage;
    this.#all = this.#stored();
  }

  /** The key of a recording, or "". */
  read(stream_id) {
    return this.#all.get(stream_id) ?? "";
  }

  write(stream_id, key) {
    if (key === "") return;
    this.#all.set(stream_id, key);
    for (const oldest of [...this.#all.keys()].slice(0, -LIMIT)) this.#all.delete(oldest);
    this.#store();
  }

  forget(stream_id) {
    if (this.#all.delete(stream_id)) this.#store();
  }

  #stored() {
    try {
      const entries = Object.entries(JSON.parse(this.#storage?.getItem(KEY) ?? "{}") ?? {});
      return new Map(entries.filter(([, key]) => typeof key === "string").slice(-LIMIT));
    } catch {
      // Written by another version, or storage is forbidden: the same as nothing stored.
      return new Map();
    }
  }

  #store() {
    try {
      this.#storage?.setItem(KEY, JSON.stringify(Object.fromEntries(this.#all)));
    } catch {
      // Full or forbidden: the keys last as long as the page.
    }
  }
}
