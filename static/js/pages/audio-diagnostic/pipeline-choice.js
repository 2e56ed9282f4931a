/** Which settings the pipeline has: a preset, or those stored in this browser; and the stage at which it is paused. */

import { byId, h, setText } from "../../components/dom.js";
import { browserStorage } from "../../components/preferences.js";
import { Scope } from "../../components/scope.js";
import { parseSettings, PipelineSchema } from "../../models/pipeline-settings.js";
import { CONFIG_KEY, SettingsStorage } from "../../models/settings-history.js";

/** More faults are only counted. */
const LISTED = 8;

export class PipelineChoice {
  #scope = new Scope();
  #get;
  #onChange;
  #storage;
  /** The settings of each choice by its name. */
  #choices = new Map();

  /** `get(path)` resolves to a response of the control API; `onChange(settings)`; `storage`: the browser's, or null. */
  constructor({ get, onChange, storage = browserStorage() }) {
    this.#get = get;
    this.#onChange = onChange;
    this.#storage = new SettingsStorage(storage);
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
    this.#scope.listen(byId("load-settings"), "click", () => this.#load());
    this.#load();
  }

  stop() {
    this.#scope.close();
  }

  async #load() {
    byId("load-settings").hidden = true;
    try {
      const [schema, { presets }] = await Promise.all([this.#get("/api/pipeline/schema"), this.#get("/api/pipeline/presets")]);
      if (this.#scope.isOpen) this.#show(new PipelineSchema(schema), presets);
    } catch (error) {
      setText(byId("settings-note"), `The presets are not loaded: ${error.message}`);
      byId("load-settings").hidden = false;
    }
  }

  #show(schema, presets) {
    const listed = presets.map(({ name, title, settings }) => ({ name, title, settings: schema.decode(settings).settings }));
    const text = this.#storage.read(CONFIG_KEY);
    const { settings: own, faults } = text === null ? { settings: null, faults: [] } : parseSettings(schema, text);
    if (own !== null) listed.unshift({ name: "own", title: "Stored in this browser", settings: own });
    this.#choices = new Map(listed.map(({ name, settings }) => [name, settings]));
    byId("settings").replaceChildren(...listed.map(({ name, title }) => h("option", { value: name }, title)));
    byId("settings").value = listed[0].name;
    byId("settings").disabled = false;
    if (own !== null && own.pausedAt !== null) byId("paused-at").value = own.pausedAt;
    setText(byId("settings-note"), faults.length === 0 ? "" : "The settings stored in this browser are not valid, so they are not offered:");
    const more = faults.length - LISTED;
    byId("settings-faults").hidden = faults.length === 0;
    byId("settings-faults").replaceChildren(
      ...faults.slice(0, LISTED).map(({ path, expected }) => h("li", {}, h("span", { class: "mono", dir: "auto" }, path), `: expected ${expected}`)),
      ...(more > 0 ? [h("li", {}, `and ${more} more`)] : []),
    );
  }

  #changed() {
    const { settings } = this;
    if (settings !== null) this.#onChange(settings);
  }
}
