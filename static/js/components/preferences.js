/** The reader's preferences, stored in this browser; where storage is forbidden they last as long as the page. */
export class Preferences {
  #storage;
  #memory = new Map();

  constructor(storage = browserStorage()) {
    this.#storage = storage;
  }

  get(key) {
    try {
      return this.#memory.get(key) ?? this.#storage?.getItem(key) ?? null;
    } catch {
      return null; // forbidden
    }
  }

  set(key, value) {
    this.#memory.set(key, value);
    try {
      this.#storage?.setItem(key, value);
    } catch {
      // Forbidden or full: they stay in memory.
    }
  }
}

/** The browser's storage, or null where it is forbidden. */
export function browserStorage() {
  try {
    return globalThis.localStorage ?? null;
  } catch {
    return null; // forbidden
  }
}
