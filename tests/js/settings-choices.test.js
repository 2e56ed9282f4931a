/** What the audio pages begin with: the service's presets, and the settings and presets of this browser. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { Scope } from "../../static/js/components/scope.js";
import { ProblemError } from "../../static/js/control-api.js";
import { settingsChoices } from "../../static/js/models/settings-choices.js";
import { CONFIG_KEY, PRESETS_KEY, SettingsStorage } from "../../static/js/models/settings-history.js";
import { loadPipeline } from "../../static/js/pipeline-catalogue.js";
import { DOCUMENT, SCHEMA } from "../fakes/js/pipeline-schema.js";
import { FakeStorage } from "../fakes/js/websocket.js";

const NOW = new Date(0);
const PRESETS = [{ name: "default", title: "Default", text: "For rooms.", settings: SCHEMA.encode(SCHEMA.initial, NOW) }];
const QUIET = SCHEMA.updated(SCHEMA.initial, "noiseReduction.strength", 0.2);

/** The choices where the browser has stored these texts. */
function choicesOf(texts) {
  const storage = new FakeStorage();
  for (const [key, text] of Object.entries(texts)) storage.setItem(key, text);
  return settingsChoices(SCHEMA, PRESETS, new SettingsStorage(storage), NOW);
}

const ids = (choices) => choices.map(({ id }) => id);

test("unprocessed is every stage off that can be off", () => {
  const [none, preset] = choicesOf({});
  assert.deepEqual([none.id, none.settings.enabledStages], ["none", ["original", "final"]]);
  assert.deepEqual(preset, { id: "preset:default", title: "Default", settings: PRESETS[0].settings });
});

test("settings and presets of this browser follow the service's, as exported files", () => {
  const stored = SCHEMA.encode(QUIET, NOW);
  const choices = choicesOf({ [CONFIG_KEY]: JSON.stringify(stored), [PRESETS_KEY]: JSON.stringify([{ name: "Studio", settings: stored }]) });
  assert.deepEqual(ids(choices), ["none", "preset:default", "browser", "own:Studio"]);
  assert.deepEqual(choices.slice(2).map(({ settings }) => settings), [stored, stored]);
});

test("what is stored and not valid is not offered", () => {
  const wrong = { parameters: { noiseReduction: { strength: 7 } }, enabledStages: [] };
  assert.deepEqual(ids(choicesOf({ [CONFIG_KEY]: JSON.stringify(wrong), [PRESETS_KEY]: "{" })), ["none", "preset:default"]);
  const own = [{ name: "Wrong", settings: wrong }, { name: 7, settings: SCHEMA.encode(QUIET, NOW) }, null, { name: "Right", settings: SCHEMA.encode(QUIET, NOW) }];
  assert.deepEqual(ids(choicesOf({ [CONFIG_KEY]: "not JSON", [PRESETS_KEY]: JSON.stringify(own) })), ["none", "preset:default", "own:Right"]);
  assert.deepEqual(ids(choicesOf({ [PRESETS_KEY]: '{"name": "none of a list"}' })), ["none", "preset:default"]);
  assert.deepEqual(ids(settingsChoices(SCHEMA, PRESETS, new SettingsStorage(null), NOW)), ["none", "preset:default"]);
});

/** Notices that a test reads; `press(label)` presses a button of one. */
class FakeNotices {
  shown = new Map();

  show(key, notice) {
    this.shown.set(key, notice);
  }

  remove(key) {
    this.shown.delete(key);
  }

  press(key, label) {
    this.shown.get(key).actions.find((action) => action.label === label).run();
  }
}

const RESPONSES = { "/api/pipeline/schema": DOCUMENT, "/api/pipeline/presets": { presets: PRESETS } };

test("a pipeline that is not there yet is loaded again from the notice", async () => {
  const scope = new Scope();
  scope.open();
  const notices = new FakeNotices();
  let isUp = false;
  const get = async (path) => {
    if (!isUp) throw new ProblemError({ code: "unreachable", detail: "The service cannot be reached." }, 0);
    return RESPONSES[path];
  };
  const loading = loadPipeline({ scope, notices, more: "The presets come from it.", get });
  await new Promise(setImmediate);
  const { text, more, isDismissable } = notices.shown.get("load");
  assert.deepEqual({ text, more, isDismissable }, { text: "The service cannot be reached.", more: "The presets come from it.", isDismissable: false });
  isUp = true;
  notices.press("load", "Load again");
  const { schema, presets, storage } = await loading;
  assert.equal(notices.shown.size, 0);
  assert.deepEqual(schema.initial, SCHEMA.initial);
  assert.deepEqual(presets, PRESETS);
  assert.equal(storage.read(CONFIG_KEY), null);
});

test("a page that was stopped while it loaded gets nothing; what is no refusal is thrown", async () => {
  const scope = new Scope();
  scope.open();
  const get = async (path) => (scope.close(), RESPONSES[path]);
  assert.equal(await loadPipeline({ scope, notices: new FakeNotices(), more: "", get }), null);
  const broken = async () => {
    throw new TypeError("a fault of the page");
  };
  await assert.rejects(loadPipeline({ scope, notices: new FakeNotices(), more: "", get: broken }), TypeError);
});
