/** Settings of the audio pipeline: all faults by path, rules, changes, undo and redo. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { parseSettings } from "../../static/js/models/pipeline-settings.js";
import { History, SettingsStorage } from "../../static/js/models/settings-history.js";
import { SCHEMA } from "../fakes/js/pipeline-schema.js";

test("settings without values are the defaults", () => {
  const { settings, faults } = SCHEMA.decode({ parameters: {}, enabledStages: ["noise"] });
  assert.deepEqual(faults, []);
  assert.deepEqual(settings, { parameters: SCHEMA.initial.parameters, enabledStages: ["original", "noise", "final"], pausedAt: null });
  assert.equal(settings.parameters.voiceEnhancement.compressor.ratio, 3);
});

test("what is exported is imported as it was", () => {
  const changed = SCHEMA.paused(SCHEMA.toggled(SCHEMA.updated(SCHEMA.initial, "voiceEnhancement.compressor.ratio", 7.5), "voiceEnhance"), "noise");
  const text = JSON.stringify(SCHEMA.encode(changed, new Date(0)));
  assert.match(text, /"timestamp":"1970-01-01T00:00:00.000Z"/);
  assert.deepEqual(parseSettings(SCHEMA, text).settings, changed);
});

test("each fault of a file is found, with its path", () => {
  const { settings, faults } = SCHEMA.decode({
    version: "2.0",
    extra: 1,
    parameters: { noiseReduction: { strength: 1.5, frames: 2.5, protects: "yes", engine: "best", nothing: 1 }, voiceEnhancement: { compressor: 3 }, more: {} },
    enabledStages: ["noise", "reverb"],
    pausedAt: "final",
  });
  assert.equal(settings, null);
  assert.deepEqual(
    Object.fromEntries(faults.map(({ path, expected }) => [path, expected])),
    {
      version: '"1.0"',
      extra: "no such key",
      "noiseReduction.strength": "a number from 0 to 1",
      "noiseReduction.frames": "a whole number from 1 to 9",
      "noiseReduction.protects": "true or false",
      "noiseReduction.engine": "one of builtIn, other",
      "noiseReduction.nothing": "no such parameter",
      "voiceEnhancement.compressor": "an object",
      more: "no such parameter",
      "enabledStages[1]": "one of original, noise, voiceEnhance, final",
      pausedAt: "one of noise, voiceEnhance",
    },
  );
});

test("a file without parameters or enabledStages is refused with the reason", () => {
  assert.deepEqual(SCHEMA.decode({}).faults.map(({ path }) => path), ["parameters", "enabledStages"]);
  assert.deepEqual(SCHEMA.decode([]).faults.map(({ path }) => path), ["$"]);
  assert.match(parseSettings(SCHEMA, "{").faults[0].expected, /^JSON: /);
  for (const parameters of [null, 3, [], "text"]) assert.equal(SCHEMA.decode({ parameters, enabledStages: [] }).settings === null, parameters !== null);
});

test("a broken rule is a fault at the parameter to change", () => {
  const settings = (values) => ({ ...SCHEMA.initial, parameters: { ...SCHEMA.initial.parameters, noiseReduction: { ...SCHEMA.initial.parameters.noiseReduction, ...values } } });
  assert.deepEqual(SCHEMA.faults(SCHEMA.initial), []);
  assert.deepEqual(SCHEMA.faults(settings({ low: 4000 })), [{ path: "noiseReduction.low", expected: "less than high, which is 4000 Hz" }]);
  assert.deepEqual(SCHEMA.faults(SCHEMA.initial, { sampleRate: 8000 }), [{ path: "noiseReduction.high", expected: "less than half the sample rate, which is 4000 Hz" }]);
  assert.deepEqual(SCHEMA.faults(settings({ protects: false }), { sampleRate: 8000 }), []);
  assert.deepEqual(SCHEMA.faults(settings({ low: 2 })), []);
  assert.deepEqual(SCHEMA.faults(settings({ low: 2, strength: 1 })), [{ path: "noiseReduction.low", expected: "at least frames, which is 3" }]);
});

test("a value that a parameter cannot have changes nothing", () => {
  for (const [path, value] of [["noiseReduction.strength", 2], ["noiseReduction.strength", NaN], ["noiseReduction.none", 1], ["noiseReduction", {}], ["__proto__.x", 1]]) assert.equal(SCHEMA.updated(SCHEMA.initial, path, value), null);
  assert.equal(SCHEMA.toggled(SCHEMA.initial, "original"), SCHEMA.initial);
  assert.equal(SCHEMA.paused(SCHEMA.initial, "final"), SCHEMA.initial);
  const changed = SCHEMA.updated(SCHEMA.initial, "noiseReduction.strength", 0.2);
  assert.equal(SCHEMA.initial.parameters.noiseReduction.strength, 0.7);
  assert.equal(changed.parameters.noiseReduction.strength, 0.2);
});

test("stages are found by their id and by their group", () => {
  assert.deepEqual(["noise", "noiseReduction", "nothing"].map((name) => SCHEMA.stageOf(name)), ["noise", "noise", null]);
});

test("a slider's way is one step back", () => {
  const history = new History(0);
  for (const value of [1, 2, 3]) history.push(value, "slider");
  history.push(4, "other");
  assert.deepEqual([history.undo(), history.undo(), history.undo()], [3, 0, 0]);
  assert.deepEqual([history.redo(), history.redo(), history.redo()], [3, 4, 4]);
  history.undo();
  history.push(9);
  assert.equal(history.canRedo, false);
  history.push(10, "slider");
  history.settle();
  history.push(11, "slider");
  assert.equal(history.undo(), 10);
});

test("a storage that is full, forbidden or missing is no error", () => {
  const broken = { getItem: () => assert.fail("read"), setItem: () => assert.fail("full") };
  for (const storage of [null, broken]) {
    assert.equal(new SettingsStorage(storage).read("a"), null);
    assert.equal(new SettingsStorage(storage).write("a", {}), false);
  }
});
