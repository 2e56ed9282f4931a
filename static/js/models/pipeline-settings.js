/**
 * Settings of the audio pipeline: parameters, which stages are on, and at which one it is paused. Pure.
 *
 * Everything about parameters is from `GET /api/pipeline/schema`. Settings are {parameters, enabledStages, pausedAt},
 * complete, frozen; an exported file has them with `version` and `timestamp`. A fault is {path, expected}; `expected`
 * completes "expected …", as the service's faults do.
 */

const HALF_RATE = "sampleRate / 2";
const HOLDS = { "<": (a, b) => a < b, ">=": (a, b) => a >= b, ">": (a, b) => a > b };
const WORDS = { "<": "less than", ">=": "at least", ">": "more than" };
const KEYS = new Set(["version", "timestamp", "name", "parameters", "enabledStages", "pausedAt"]);

const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);

/** The value at a dotted path, or undefined. */
export function valueAt(values, path) {
  return path.split(".").reduce((value, key) => (isObject(value) && Object.hasOwn(value, key) ? value[key] : undefined), values);
}

/** A copy of `values` with another value at a dotted path. */
export function withValue(values, path, value) {
  const [key, ...rest] = path.split(".");
  return { ...values, [key]: rest.length === 0 ? value : withValue(values[key], rest.join("."), value) };
}

/** Whether two settings are the same. */
export const isEqual = (first, second) => JSON.stringify(first) === JSON.stringify(second);

export class PipelineSchema {
  #definitions;
  #root;

  /** `document`: the response of `GET /api/pipeline/schema`. */
  constructor({ version, schema, stages, rules }) {
    this.version = version;
    /** [{id, title, group, canBeOff, canPause}], in their order. */
    this.stages = stages;
    this.#definitions = schema.$defs;
    this.#root = this.#resolved(schema);
    this.rules = rules;
    /** Every parameter by its path: {path, group, name, section, kind, title, help, unit, step, minimum, maximum, choices, labels, initial}. */
    this.parameters = new Map();
    for (const [group, node] of Object.entries(this.#root.properties)) this.#list(group, node, group);
    this.initial = this.#settings(this.#defaults(), stages.map(({ id }) => id));
  }

  /** The id of a stage, from the id or its group of parameters; null where there is none. */
  stageOf(name) {
    return this.stages.find(({ id, group }) => id === name || group === name)?.id ?? null;
  }

  stage(id) {
    return this.stages.find((each) => each.id === id);
  }

  /** The parameters of a group, in their order. */
  ofGroup(group) {
    return [...this.parameters.values()].filter((each) => each.group === group);
  }

  /** A value of a parameter as it is read: "−20 dBFS", "on", "Built in". */
  words({ kind, labels, unit }, value) {
    if (kind === "switch") return value ? "on" : "off";
    return labels?.[value] ?? `${typeof value === "number" ? String(value).replace("-", "−") : value} ${unit}`.trimEnd();
  }

  /** What `value` has to be instead for this parameter, or null where it is right. */
  expectedOf(parameter, value) {
    const { kind, minimum, maximum, choices } = parameter;
    if (kind === "switch") return typeof value === "boolean" ? null : "true or false";
    if (kind === "choice") return choices.includes(value) ? null : `one of ${choices.join(", ")}`;
    const isNumber = typeof value === "number" && Number.isFinite(value) && (kind !== "integer" || Number.isInteger(value));
    if (isNumber && value >= minimum && value <= maximum) return null;
    return `${kind === "integer" ? "a whole number" : "a number"} from ${minimum} to ${maximum}`;
  }

  /** {settings, faults} of a decoded JSON document; `settings` is null where there are faults. */
  decode(document, { sampleRate = null } = {}) {
    if (!isObject(document)) return { settings: null, faults: [{ path: "$", expected: "an object with parameters and enabledStages" }] };
    const faults = ["parameters", "enabledStages"]
      .filter((key) => !Object.hasOwn(document, key))
      .map((path) => ({ path, expected: "to be there: an exported file has parameters and enabledStages" }));
    for (const key of Object.keys(document)) if (!KEYS.has(key)) faults.push({ path: key.slice(0, 100), expected: "no such key" });
    if ((document.version ?? this.version) !== this.version) faults.push({ path: "version", expected: `"${this.version}"` });
    const enabled = this.#decodeStages(document.enabledStages ?? [], faults);
    const pausedAt = this.#decodePause(document.pausedAt ?? null, faults);
    const parameters = this.#decodeGroup(this.#root, document.parameters ?? {}, "", faults);
    const settings = this.#settings(parameters, enabled, pausedAt);
    if (faults.length === 0) faults.push(...this.faults(settings, { sampleRate }));
    return faults.length > 0 ? { settings: null, faults } : { settings, faults };
  }

  /** The broken rules of settings; those about frequencies only where the rate (Hz) is known. */
  faults({ parameters }, { sampleRate = null } = {}) {
    return this.rules.flatMap(({ path, relation, other, unit = "", when = null }) => {
      if (other === HALF_RATE && sampleRate === null) return [];
      if (when !== null && !isMet(when, parameters)) return [];
      const limit = other === HALF_RATE ? sampleRate / 2 : valueAt(parameters, other);
      if (HOLDS[relation](valueAt(parameters, path), limit)) return [];
      const [group] = path.split(".");
      const name = other === HALF_RATE ? "half the sample rate" : other.replace(`${group}.`, "");
      return [{ path, expected: `${WORDS[relation]} ${name}, which is ${limit} ${unit}`.trimEnd() }];
    });
  }

  /** Settings as an exported file. `now`: a Date. */
  encode({ parameters, enabledStages, pausedAt }, now) {
    return { version: this.version, timestamp: now.toISOString(), parameters, enabledStages, ...(pausedAt === null ? {} : { pausedAt }) };
  }

  /** Settings with another value of a parameter, or null where the path or the value is none of it. */
  updated(settings, path, value) {
    const parameter = this.parameters.get(path);
    if (parameter === undefined || this.expectedOf(parameter, value) !== null) return null;
    return this.#settings(withValue(settings.parameters, path, value), settings.enabledStages, settings.pausedAt);
  }

  /** Settings with a stage switched; unchanged where it cannot be off. */
  toggled(settings, stage) {
    if (!this.stage(stage)?.canBeOff) return settings;
    const isOn = settings.enabledStages.includes(stage);
    const enabled = isOn ? settings.enabledStages.filter((each) => each !== stage) : [...settings.enabledStages, stage];
    return this.#settings(settings.parameters, enabled, settings.pausedAt);
  }

  /** Settings that are paused at a stage, or not (null); unchanged where one cannot pause there. */
  paused(settings, stage) {
    if (stage !== null && !this.stage(stage)?.canPause) return settings;
    return this.#settings(settings.parameters, settings.enabledStages, stage);
  }

  #settings(parameters, enabled, pausedAt = null) {
    // Stages in their order; those that pass audio through cannot be off.
    const enabledStages = this.stages.filter(({ id, canBeOff }) => !canBeOff || enabled.includes(id)).map(({ id }) => id);
    return Object.freeze({ parameters, enabledStages, pausedAt });
  }

  #resolved(node) {
    return node.$ref ? this.#definitions[node.$ref.split("/").at(-1)] : node;
  }

  #list(path, node, group, section = null) {
    const target = this.#resolved(node);
    if (target.type === "object") {
      const name = path === group ? null : path.slice(group.length + 1);
      for (const [key, child] of Object.entries(target.properties)) this.#list(`${path}.${key}`, child, group, name);
      return;
    }
    const labels = node["x-labels"] ?? null;
    const kind = target.enum ? "choice" : target.type === "boolean" ? "switch" : target.type;
    this.parameters.set(path, {
      path,
      group,
      name: path.slice(group.length + 1),
      section,
      kind,
      title: node.title ?? target.title,
      help: node.description ?? target.description ?? "",
      unit: node["x-unit"] ?? "",
      step: node["x-step"] ?? null,
      minimum: node.minimum,
      maximum: node.maximum,
      // In the order of their labels, where they have some.
      choices: target.enum === undefined ? null : labels === null ? target.enum : Object.keys(labels),
      labels,
      initial: node.default,
    });
  }

  #defaults() {
    let values = Object.fromEntries(Object.keys(this.#root.properties).map((group) => [group, {}]));
    for (const { path, section, group, initial } of this.parameters.values()) {
      if (section !== null && valueAt(values, `${group}.${section}`) === undefined) values = withValue(values, `${group}.${section}`, {});
      values = withValue(values, path, initial);
    }
    return values;
  }

  #decodeGroup(node, document, path, faults) {
    const target = this.#resolved(node);
    if (!isObject(document)) {
      faults.push({ path: path || "parameters", expected: "an object" });
      return this.#decodeGroup(node, {}, path, faults);
    }
    for (const key of Object.keys(document)) {
      if (!Object.hasOwn(target.properties, key)) faults.push({ path: (path ? `${path}.${key}` : key).slice(0, 200), expected: "no such parameter" });
    }
    return Object.fromEntries(
      Object.entries(target.properties).map(([key, child]) => {
        const here = path ? `${path}.${key}` : key;
        const isGiven = Object.hasOwn(document, key);
        const parameter = this.parameters.get(here);
        if (parameter === undefined) return [key, this.#decodeGroup(child, isGiven ? document[key] : {}, here, faults)];
        if (!isGiven) return [key, parameter.initial];
        const expected = this.expectedOf(parameter, document[key]);
        if (expected !== null) faults.push({ path: here, expected });
        return [key, document[key]];
      }),
    );
  }

  #decodeStages(document, faults) {
    if (!Array.isArray(document)) {
      faults.push({ path: "enabledStages", expected: "a list of stages" });
      return [];
    }
    const ids = this.stages.map(({ id }) => id);
    document.forEach((name, index) => {
      if (!ids.includes(name)) faults.push({ path: `enabledStages[${index}]`, expected: `one of ${ids.join(", ")}` });
    });
    return document;
  }

  #decodePause(name, faults) {
    const possible = this.stages.filter(({ canPause }) => canPause).map(({ id }) => id);
    if (name === null || possible.includes(name)) return name;
    faults.push({ path: "pausedAt", expected: `one of ${possible.join(", ")}` });
    return null;
  }
}

function isMet({ path, above = null }, parameters) {
  const value = valueAt(parameters, path);
  return above === null ? Boolean(value) : value > above;
}

/** The settings of a JSON text: {settings, faults}. */
export function parseSettings(schema, text, options = {}) {
  let document;
  try {
    document = JSON.parse(text);
  } catch (error) {
    return { settings: null, faults: [{ path: "$", expected: `JSON: ${error.message}` }] };
  }
  return schema.decode(document, options);
}
