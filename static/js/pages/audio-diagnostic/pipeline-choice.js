/** Which settings the pipeline has: a preset, or those stored in this browser; and the stage at which it is paused. */

import { byId, h, setText } from "../../components/dom.js";
import { Scope } from "../../components/scope.js";

const STORED = "audioProcessingConfig";

/** The settings stored by the controls page, or null. */
function stored(storage) {
  try {
    const settings = JSON.parse(storage.getItem(STORED));
    return settings?.parameters && Array.isArray(settings.enabledStages) ? settings : null;
  } catch {
    return null;
  }
}

export class PipelineChoice {
  #scope = new Scope();
  #get;
  #onChange;
  #storage;
  /** The settings of each choice by its name. */
  #choices = new Map();

  /** `get(path)` resolves to a response of the control API; `onChange(settings)`. */
  constructor({ get, onChange, storage = globalThis.localStorage }) {
    this.#get = get;
    this.#onChange = onChange;
    this.#storage = storage;
  }

  /** {parameters, enabledStages, pausedAt}, or null until they are loaded. */
  get settings() {
    const chosen = this.#choices.get(byId("settings").value);
    if (chosen === undefined) return null;
    const pausedAt = byId("paused-at").value || null;
    return { parameters: chosen.parameters, enabledStages: chosen.enabledStages, pausedAt };
  }

  start() {
    if (!this.#scope.open()) return;
    for (const id of ["settings", "paused-at"]) this.#scope.listen(byId(id), "change", () => this.#changed());
    this.#load();
  }

  stop() {
    this.#scope.close();
  }

  async #load() {
    let presets;
    try {
      ({ presets } = await this.#get("/api/pipeline/presets"));
    } catch (error) {
      setText(byId("settings-note"), `The presets are not loaded: ${error.message}`);
      return;
    }
    if (!this.#scope.isOpen) return;
    const defaults = presets[0].settings;
    const own = stored(this.#storage);
    const listed = presets.map(({ name, title, text, settings }) => ({ name, title, text, settings }));
    if (own !== null) listed.unshift({ name: "own", title: "Stored in this browser", text: "As the controls page stored them.", settings: { ...own, parameters: completed(defaults.parameters, own.parameters) } });
    this.#choices = new Map(listed.map(({ name, settings }) => [name, settings]));
    byId("settings").replaceChildren(...listed.map(({ name, title }) => h("option", { value: name }, title)));
    byId("settings").value = listed[0].name;
    byId("settings").disabled = false;
    setText(byId("settings-note"), "");
  }

  #changed() {
    const { settings } = this;
    if (settings !== null) this.#onChange(settings);
  }
}

/** The defaults with what `own` has of them. */
function completed(defaults, own) {
  return Object.fromEntries(
    Object.entries(defaults).map(([name, value]) => {
      const mine = own?.[name];
      if (mine === undefined || mine === null) return [name, value];
      return [name, typeof value === "object" ? completed(value, mine) : typeof mine === typeof value ? mine : value];
    }),
  );
}
