/** Undo and redo of settings, and where a browser keeps them. Pure: the storage is passed in. */

/** The settings in use, as an exported file. */
export const CONFIG_KEY = "audioProcessingConfig";
/** One's own presets: [{name, settings: an exported file}]. */
export const PRESETS_KEY = "audioProcessingPresets";
const MOST = 100;

/** The states that came before and after the present one. Changes of one `key` in a row, as of a slider, are one step. */
export class History {
  #past = [];
  #future = [];
  #key = null;

  constructor(present) {
    this.present = present;
  }

  get canUndo() {
    return this.#past.length > 0;
  }

  get canRedo() {
    return this.#future.length > 0;
  }

  /** Continue with another state; with the `key` of the last change the step grows. */
  push(state, key = null) {
    if (key === null || key !== this.#key) this.#past.push(this.present);
    if (this.#past.length > MOST) this.#past.shift();
    this.#future = [];
    this.#key = key;
    this.present = state;
  }

  /** The next change is a step of its own. */
  settle() {
    this.#key = null;
  }

  undo() {
    if (!this.canUndo) return this.present;
    this.#future.push(this.present);
    this.#key = null;
    this.present = this.#past.pop();
    return this.present;
  }

  redo() {
    if (!this.canRedo) return this.present;
    this.#past.push(this.present);
    this.#key = null;
    this.present = this.#future.pop();
    return this.present;
  }
}

/** Reads and writes JSON in a Storage, which may be full, forbidden or broken. */
export class SettingsStorage {
  #storage;

  /** `storage`: null where the browser has none. */
  constructor(storage) {
    this.#storage = storage;
  }

  /** The text under `key`, or null. */
  read(key) {
    try {
      return this.#storage?.getItem(key) ?? null;
    } catch {
      return null;
    }
  }

  /** Returns whether it was stored. */
  write(key, document) {
    try {
      this.#storage.setItem(key, JSON.stringify(document));
      return true;
    } catch {
      return false;
    }
  }
}
