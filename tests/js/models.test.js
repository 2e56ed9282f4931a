import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { afterClose } from "../../static/js/models/closes.js";
import { between, canTranslate, closest, firstTargets, impossible, isSameLanguage, languageName, notOffered, ownName, readable, sources, targetsOf, unknown, wayText } from "../../static/js/models/languages.js";
import { FLOOR_DB, LevelMeter, SilenceWatch, decibels, levelText, measure, share } from "../../static/js/models/levels.js";
import { isSessionName, sessionName } from "../../static/js/models/session-name.js";
import { TEXTS } from "../fakes/js/texts.js";

const OFFER = { source: ["en", "es"], targets: ["de", "en", "es"], pairs: { en: ["es", "de"], es: ["en"] }, any_source: false, any_target: false, errors: [] };
const DOWN = { source: [], targets: [], pairs: {}, any_source: false, any_target: false, errors: [{ service: "translation-service", detail: "translation-service is not answering." }] };

test("languages have names, and a code without one stays a code", () => {
  assert.equal(languageName("es"), "Spanish");
  assert.equal(languageName("pt-BR"), "Brazilian Portuguese");
  assert.equal(languageName("not a tag!"), "not a tag!");
});

test("a choice has the language's own name beside the page's", () => {
  assert.equal(ownName("de"), "Deutsch (German)");
  assert.equal(ownName("en"), "English");
  assert.equal(ownName("de", "de"), "Deutsch");
  assert.equal(ownName("en", "de"), "English (Englisch)");
  assert.equal(ownName("ar"), "\u200e\u2068العربية\u2069 (Arabic)");
  assert.equal(ownName("not a tag!"), "not a tag!");
});

test("choices are sorted by name and each is there once; null is no choice", () => {
  assert.deepEqual(TEXTS.en.choices(["es", "en", "es"]).map(({ name }) => name), ["English", "Spanish"]);
  assert.deepEqual(TEXTS.en.choices(null), []);
});

test("a translation is possible, impossible or not known", () => {
  assert.equal(canTranslate(OFFER, "en", "es"), true);
  assert.equal(canTranslate(OFFER, "en-GB", "es"), true);
  assert.equal(canTranslate(OFFER, "es", "de"), false);
  assert.equal(canTranslate(OFFER, "fr", "en"), false);
  assert.equal(canTranslate(OFFER, "es", "es"), true);
  assert.equal(canTranslate(OFFER, "auto", "de"), null);
  assert.equal(canTranslate({ ...OFFER, any_target: true }, "es", "de"), null);
  assert.equal(canTranslate(DOWN, "es", "de"), null);
  assert.equal(canTranslate({ ...DOWN, errors: [] }, "es", "de"), false);
  assert.equal(canTranslate(null, "es", "de"), null);
  assert.equal(targetsOf(OFFER, "auto"), null);
});

test("a reader whose language is not offered is told which", () => {
  const offer = { targets: ["fr", "pt"], errors: [] };
  const cases = [[["ar-EG", "fr"], "ar"], [["fr-CA"], null], [["pt-BR", "ar"], null], [[], null]];
  for (const [preferred, expected] of cases) assert.equal(notOffered(offer, preferred), expected, preferred.join());
  assert.equal(notOffered({ targets: [] }, ["ar"]), null);
  assert.equal(notOffered(null, ["ar"]), null);
});

test("a back end without a list may be tried with any language; an unavailable one is reported", () => {
  assert.deepEqual(sources(OFFER), ["en", "es"]);
  assert.ok(sources({ ...OFFER, any_source: true }).includes("fr"));
  assert.ok(readable({ ...OFFER, targets: ["eo"], any_target: true }).includes("eo"));
  assert.deepEqual(readable(null), []);
  assert.deepEqual(unknown(DOWN, TEXTS.en), ["translation-service is not answering."]);
  assert.deepEqual(firstTargets(DOWN, { stored: ["es"] }), ["es"]);
});

test("impossible targets are named, with the possible ones", () => {
  assert.equal(impossible(OFFER, "en", ["es"], TEXTS.en), "");
  assert.equal(impossible(OFFER, "auto", ["es"], TEXTS.en), "");
  assert.equal(
    impossible(OFFER, "es", ["de", "en"], TEXTS.en),
    "German cannot be read when Spanish is spoken. From Spanish the translation service offers English.",
  );
  assert.equal(
    impossible(OFFER, "fr", ["en"], TEXTS.en),
    "English cannot be read when French is spoken. From French the translation service offers no language.",
  );
});

test("the languages on the way of a translation are named", () => {
  const offer = { ...OFFER, pairs: { en: ["es", "fr", "pt"], fr: ["en"] }, via: { en: { es: ["pt"], fr: ["pt", "es"] } } };
  assert.deepEqual(between(offer, "en-US", "fr-CA"), ["pt", "es"]);
  assert.equal(wayText(offer, "en-US", "es", TEXTS.en), "by way of Portuguese");
  assert.equal(wayText(offer, "en", "fr", TEXTS.en), "by way of Portuguese and Spanish");
  assert.equal(wayText(offer, "en", "fr", TEXTS.es), "pasando por: portugués y español");
  for (const [source, target] of [["en", "pt"], ["fr", "en"], ["en", "en-GB"], ["auto", "es"], [null, "es"], ["de", "es"], ["en", "de"]]) {
    assert.equal(wayText(offer, source, target, TEXTS.en), "", `${source} to ${target}`);
  }
  assert.equal(wayText(OFFER, "en", "es", TEXTS.en), "");
  assert.equal(wayText(null, "en", "es", TEXTS.en), "");
  assert.equal(wayText(DOWN, "en", "es", TEXTS.en), "");
});

test("the first targets are the stored choice, else the reader's language and the spoken ones", () => {
  assert.deepEqual(firstTargets(OFFER, { stored: ["es", "fr"] }), ["es"]);
  assert.deepEqual(firstTargets(OFFER, { stored: [] }), []);
  assert.deepEqual(firstTargets(OFFER, { stored: ["fr"], preferred: ["es-MX"] }), ["es"]);
  assert.deepEqual(firstTargets(OFFER, { preferred: ["en-US", "en", "es", "de"] }), ["en"]);
  assert.deepEqual(firstTargets(OFFER, { preferred: ["en-US"], spoken: ["es"] }), ["en", "es"]);
  assert.deepEqual(firstTargets({ ...OFFER, targets: ["en", "en-US", "es"] }, { preferred: ["en-GB"] }), ["en"]);
  assert.deepEqual(firstTargets({ ...OFFER, targets: ["en", "en-US", "es"] }, { preferred: ["en-US"] }), ["en-US"], "offered apart");
  assert.deepEqual(firstTargets({ ...OFFER, targets: ["zh-Hans", "zh-Hant", "nb"] }, { preferred: ["zh-TW"] }), ["zh-Hant"]);
  assert.deepEqual(firstTargets({ ...OFFER, targets: ["nb"] }, { stored: ["no"] }), ["nb"], "a code that means the same");
  assert.deepEqual(firstTargets(OFFER, { preferred: ["ar"] }), []);
  assert.deepEqual(firstTargets(null, { stored: ["es"] }), ["es"], "an offer that is not known keeps the choice");
});

test("codes mean what the service takes them for", () => {
  const cases = JSON.parse(readFileSync(new URL("../data/languages.json", import.meta.url), "utf8"));
  for (const [code, offered, expected] of cases.closest) assert.equal(closest(code, offered), expected, `${code} of ${offered}`);
  for (const [one, other, same] of cases.same) assert.equal(isSameLanguage(one, other), same, `${one} and ${other}`);
});

test("another script is translated where that is offered, else shown as spoken", () => {
  const offer = { ...OFFER, pairs: { "zh-Hans": ["en", "zh-Hant"], en: ["zh-Hans"] } };
  assert.equal(canTranslate(offer, "zh", "zh-TW"), true);
  assert.equal(canTranslate({ ...offer, pairs: { zh: ["en"] } }, "zh", "zh-TW"), false);
  assert.equal(canTranslate(offer, "en", "zh-TW"), true, "one script is better than none");
});

test("names are listed as one says them", () => {
  assert.deepEqual([[], ["a"], ["a", "b"], ["a", "b", "c"]].map((names) => TEXTS.en.list(names)), ["", "a", "a and b", "a, b and c"]);
});

test("levels: silence is the floor, a full-scale square wave 0 dB, a sine −3 dB RMS", () => {
  assert.equal(decibels(0), FLOOR_DB);
  assert.deepEqual(measure(new Float32Array(10)), { rms: FLOOR_DB, peak: FLOOR_DB });
  assert.deepEqual(measure(new Float32Array(0)), { rms: FLOOR_DB, peak: FLOOR_DB });
  assert.deepEqual(measure(Float32Array.from([1, -1, 1, -1])), { rms: 0, peak: 0 });
  const sine = Float32Array.from({ length: 1600 }, (_, index) => Math.sin((2 * Math.PI * index) / 16));
  assert.ok(Math.abs(measure(sine).rms + 3.01) < 0.01);
  const samples = Int16Array.from(sine, (value) => Math.round(value * 16_384));
  assert.ok(Math.abs(measure(samples).peak + 6.02) < 0.01);
});

test("a meter rises at once, falls steadily and holds its peak", () => {
  const meter = new LevelMeter({ fall: 30, hold: 1.5 });
  const loud = Float32Array.from([1, -1]);
  const silent = new Float32Array(2);
  assert.deepEqual(meter.add(loud, 10), { level: 0, peak: 0 });
  assert.deepEqual(meter.add(silent, 11), { level: -30, peak: 0 });
  assert.deepEqual(meter.add(silent, 12), { level: -60, peak: -60 }, "never below the level");
  assert.deepEqual(meter.add(silent, 20), { level: FLOOR_DB, peak: FLOOR_DB });
});

test("ten seconds of digital silence are silence, noise is not", () => {
  const watch = new SilenceWatch();
  const nothing = new Int16Array(640).fill(1);
  const noise = new Int16Array(640).fill(3);
  const seen = [];
  for (let at = 0; at <= 12; at += 0.04) seen.push(watch.add(nothing, at));
  assert.ok(Math.abs(seen.indexOf(true) - 250) <= 1);
  assert.equal(watch.add(noise, 12.1), false);
  assert.equal(watch.add(nothing, 12.2), false);
  assert.equal(watch.add(nothing, 22.2), true);
});

test("a microphone with almost no sound is taken for muted after 15 s, and speech ends that", () => {
  const watch = new SilenceWatch();
  const hiss = new Int16Array(640).fill(-32);
  const speech = new Int16Array(640).fill(33);
  assert.equal(watch.add(hiss, 0), false);
  assert.equal(watch.add(hiss, 14.9), false);
  assert.equal(watch.add(hiss, 15), true);
  assert.equal(watch.add(speech, 15.1), false);
  assert.equal(watch.add(hiss, 30), false);
  assert.equal(watch.add(hiss, 45), true);
});

test("levels as a share of a meter and as text", () => {
  assert.deepEqual([share(0), share(-30), share(-60), share(-90)], [1, 0.5, 0, 0]);
  assert.deepEqual([-21.4, 0, FLOOR_DB].map((level) => levelText(level, TEXTS.en)), ["−21 dB", "0 dB", "silent"]);
});

test("session names are readable, take every byte, and are names to the service", () => {
  assert.equal(sessionName(() => Uint8Array.from([29, 26, 5, 13, 1, 10])), "swift-river-7f3c");
  for (let byte = 0; byte < 256; byte += 1) {
    const name = sessionName((n) => new Uint8Array(n).fill(byte));
    assert.match(name, /^[a-z]+-[a-z]+-[2-9a-z]{4}$/);
    assert.ok(isSessionName(name));
  }
  assert.equal(isSessionName("a b"), false);
  assert.equal(isSessionName(""), false);
});

test("close codes: what to do, the service's reason first", () => {
  assert.equal(afterClose(4001, "").next, "stop");
  assert.equal(afterClose(4100).next, "back_off");
  assert.equal(afterClose(4201).next, "now");
  assert.equal(afterClose(1012).next, "back_off");
  assert.equal(afterClose(9999).next, "back_off");
  assert.equal(afterClose(1008, "Wrong origin.").words, "Wrong origin.");
});

test("every close code of the service's table is followed as the table says", () => {
  const table = readFileSync(new URL("../../orch/protocol/closes.py", import.meta.url), "utf8");
  const rows = [...table.matchAll(/Close\(\s*(\d{4}),[^)]*?"(stop|back_off|now)"\s*\)/g)];
  assert.ok(rows.length >= 10);
  for (const [, code, next] of rows) assert.equal(afterClose(Number(code)).next, next, code);
});
