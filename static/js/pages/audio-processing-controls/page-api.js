/** What other code may call on this page: `window.audioProcessingParams` and `window.audioProcessingControls`. */

/**
 * Offer them on `target`; returns the function that removes them. `state()` returns {schema, settings};
 * `actions` {change(path, value), toggle(stage), preset(name)}.
 *
 * A stage is named by its id or by its group of parameters; a nested parameter by a dotted path. What does not exist,
 * or a value that a parameter cannot have, throws RangeError and changes nothing.
 */
export function offer(target, state, actions) {
  const stageOf = (name) => {
    const id = state().schema.stageOf(name);
    if (id === null) throw new RangeError(`No stage is called ${name}.`);
    return state().schema.stage(id);
  };
  const controls = {
    updateParameter(name, parameter, value) {
      const { id, group } = stageOf(name);
      if (parameter === "enabled") {
        if (typeof value !== "boolean") throw new RangeError(`${name}.enabled: expected true or false.`);
        if (state().settings.enabledStages.includes(id) !== value) actions.toggle(id);
        return;
      }
      const path = `${group}.${parameter}`;
      const described = state().schema.parameters.get(path);
      if (described === undefined) throw new RangeError(`No parameter is called ${path}.`);
      const expected = state().schema.expectedOf(described, value);
      if (expected !== null) throw new RangeError(`${path}: expected ${expected}.`);
      actions.change(path, value);
    },
    toggleStage(name) {
      actions.toggle(stageOf(name).id);
    },
    loadPreset(name) {
      if (!actions.preset(name)) throw new RangeError(`No preset is called ${name}.`);
    },
    /** The ids of the stages that are on. */
    get enabledStages() {
      return [...state().settings.enabledStages];
    },
  };
  Object.defineProperty(target, "audioProcessingParams", { configurable: true, get: () => parameters(state()) });
  Object.defineProperty(target, "audioProcessingControls", { configurable: true, value: Object.freeze(controls) });
  return () => {
    delete target.audioProcessingParams;
    delete target.audioProcessingControls;
  };
}

/** A copy of all parameters by group, with `enabled`: whether the stage is on. */
function parameters({ schema, settings }) {
  return Object.fromEntries(
    schema.stages.filter(({ group }) => group !== null).map(({ id, group }) => [group, { enabled: settings.enabledStages.includes(id), ...structuredClone(settings.parameters[group]) }]),
  );
}
