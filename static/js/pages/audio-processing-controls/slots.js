/** The settings in use: two sets to compare, A and B, each with its own undo and redo; and what is stored of them. */

import { parseSettings } from "../../models/pipeline-settings.js";
import { CONFIG_KEY, History, PRESETS_KEY } from "../../models/settings-history.js";

export class Slots {
  #schema;
  #storage;
  #histories;
  #active = "A";

  /** `initial`: the settings in use until others are loaded. */
  constructor(schema, storage, initial) {
    this.#schema = schema;
    this.#storage = storage;
    this.#histories = { A: new History(initial), B: new History(initial) };
  }

  get active() {
    return this.#active;
  }

  get history() {
    return this.#histories[this.#active];
  }

  get settings() {
    return this.history.present;
  }

  /** Use the other set. */
  use(name) {
    this.#active = name;
  }

  /** Make the other set the same as the one in use. */
  copyToOther() {
    this.#histories[this.#active === "A" ? "B" : "A"].push(this.settings);
  }

  /** Load what the browser has stored. Returns the faults that keep it from being used. */
  load() {
    const text = this.#storage.read(CONFIG_KEY);
    if (text === null) return [];
    const { settings, faults } = parseSettings(this.#schema, text);
    if (settings !== null) this.#histories = { A: new History(settings), B: new History(settings) };
    return faults;
  }

  /** Store the set in use. Returns whether it was stored. `now`: a Date. */
  save(now) {
    return this.#storage.write(CONFIG_KEY, this.#schema.encode(this.settings, now));
  }

  /** One's own presets: [{name, settings}]; what is not valid any more is left out. */
  get presets() {
    let stored;
    try {
      stored = JSON.parse(this.#storage.read(PRESETS_KEY) ?? "[]");
    } catch {
      return [];
    }
    if (!Array.isArray(stored)) return [];
    return stored.flatMap(({ name, settings } = {}) => {
      const decoded = this.#schema.decode(settings).settings;
      return typeof name === "string" && decoded !== null ? [{ name, settings: decoded }] : [];
    });
  }

  /** Store the set in use as a preset, in place of one with the same name. Returns whether it was stored. */
  savePreset(name, now) {
    const others = this.presets.filter((preset) => preset.name !== name);
    return this.#writePresets([...others, { name, settings: this.settings }], now);
  }

  deletePreset(name, now) {
    return this.#writePresets(
      this.presets.filter((preset) => preset.name !== name),
      now,
    );
  }

  #writePresets(presets, now) {
    return this.#storage.write(PRESETS_KEY, presets.map(({ name, settings }) => ({ name, settings: this.#schema.encode(settings, now) })));
  }
}
