import assert from "node:assert/strict";
import { test } from "node:test";

import { languagesDependOn, serviceNotices } from "../../static/js/models/service-notices.js";
import { ServiceNotices } from "../../static/js/pages/translation/service-notices.js";
import { TEXTS } from "../fakes/js/texts.js";

const services = (notice, engine = "pocketsphinx") => ({
  services: [
    { name: "audio-service", state: "healthy", instances: [{ engine, ...(notice === null ? {} : { notice }) }] },
    { name: "translation-service", state: "healthy", instances: [{ engine: null }] },
  ],
});

/** Stands for the page's notices: those shown, by key. */
function shownNotices() {
  const shown = new Map();
  return { shown, show: (key, notice) => shown.set(key, notice), remove: (key) => shown.delete(key), texts: () => [...shown.values()].map(({ text }) => text) };
}

test("instances with the same notice have one", () => {
  const two = { services: [{ name: "audio-service", instances: [{ notice: "a" }, { notice: "a" }, { notice: "b" }, {}] }] };
  assert.deepEqual(serviceNotices(two), [{ key: "notice of audio-service", service: "audio-service", text: "a b" }]);
  assert.deepEqual(serviceNotices(services(null)), []);
  assert.deepEqual(serviceNotices(null), []);
});

test("progress is shown, not read out, and removed when the engine is there", () => {
  const notices = shownNotices();
  const page = new ServiceNotices(notices, TEXTS.en);
  page.show(services("62 of 148 MB"));
  page.show(services("63 of 148 MB"));
  assert.deepEqual(notices.texts(), ["63 of 148 MB"]);
  assert.equal([...notices.shown.values()][0].isSilent, true);
  page.show(services(null, "faster-whisper"));
  assert.deepEqual(notices.texts(), []);
});

test("a notice that was dismissed stays away until the back end has had none", () => {
  const notices = shownNotices();
  const page = new ServiceNotices(notices, TEXTS.en);
  page.show(services("62 of 148 MB"));
  const [[key, { onDismiss }]] = notices.shown;
  notices.remove(key);
  onDismiss();
  page.show(services("63 of 148 MB"));
  assert.deepEqual(notices.texts(), []);
  page.show(services(null));
  page.show(services("something new"));
  assert.deepEqual(notices.texts(), ["something new"]);
});

test("languages are loaded again when an engine or a state changes, not for a notice", () => {
  assert.equal(languagesDependOn(services("62 of 148 MB")), languagesDependOn(services("63 of 148 MB")));
  assert.notEqual(languagesDependOn(services(null)), languagesDependOn(services(null, "faster-whisper")));
});
