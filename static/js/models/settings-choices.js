/** The settings that one can choose for a run: nothing, the presets, those of this browser. Pure. */

import { parseSettings } from "./pipeline-settings.js";
import { CONFIG_KEY, PRESETS_KEY } from "./settings-history.js";

/** [{id, title, settings}], `settings` as an exported file. `storage`: a SettingsStorage; `presets`: the service's. */
export function settingsChoices(schema, presets, storage, now) {
  const file = (settings) => schema.encode(settings, now);
  const choices = [
    { id: "none", title: "Unprocessed", settings: file({ parameters: schema.initial.parameters, enabledStages: schema.stages.filter(({ canBeOff }) => !canBeOff).map(({ id }) => id), pausedAt: null }) },
    ...presets.map(({ name, title, settings }) => ({ id: `preset:${name}`, title, settings })),
  ];
  const text = storage.read(CONFIG_KEY);
  const mine = text === null ? null : parseSettings(schema, text).settings;
  if (mine !== null) choices.push({ id: "browser", title: "Saved in this browser", settings: file(mine) });
  return [...choices, ...ownPresets(schema, storage).map(({ name, settings }) => ({ id: `own:${name}`, title: name, settings: file(settings) }))];
}

function ownPresets(schema, storage) {
  try {
    const stored = JSON.parse(storage.read(PRESETS_KEY) ?? "[]");
    if (!Array.isArray(stored)) return [];
    return stored.flatMap((each) => {
      const settings = schema.decode(each?.settings).settings;
      return typeof each?.name === "string" && settings !== null ? [{ name: each.name, settings }] : [];
    });
  } catch {
    return []; // not JSON: the page of audio controls replaces it
  }
}
