import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { test } from "node:test";

import { INTERFACE_LANGUAGES, Texts } from "../../static/js/models/texts.js";

const ROOT = new URL("../../", import.meta.url);
const LANGUAGES = Object.keys(INTERFACE_LANGUAGES);
const CATALOGUES = Object.fromEntries(await Promise.all(LANGUAGES.map(async (language) => [language, (await import(`../../static/js/texts/${language}.js`)).default])));

const forms = (entry) => (typeof entry === "string" ? [entry] : Object.values(entry));
const placeholders = (text) => [...text.matchAll(/\{(\w+)\}/g)].map(([, name]) => name).sort();

/** The text of each file below `folder` with that ending. */
function sources(folder, ending) {
  const names = readdirSync(new URL(folder, ROOT), { recursive: true });
  return names.filter((name) => name.endsWith(ending)).map((name) => [name, readFileSync(new URL(`${folder}/${name}`, ROOT), "utf8")]);
}

test("each language of the interface has a catalogue, and no other", () => {
  assert.deepEqual(readdirSync(new URL("static/js/texts", ROOT)).sort(), LANGUAGES.map((language) => `${language}.js`).sort());
});

for (const language of LANGUAGES) {
  test(`${language}: the same keys and placeholders as English, a form for each plural, nothing empty`, () => {
    const catalogue = CATALOGUES[language];
    assert.deepEqual(Object.keys(catalogue), Object.keys(CATALOGUES.en));
    const categories = new Intl.PluralRules(language).resolvedOptions().pluralCategories.slice().sort();
    for (const [key, english] of Object.entries(CATALOGUES.en)) {
      const entry = catalogue[key];
      assert.equal(typeof entry, typeof english, key);
      if (typeof entry === "object") assert.deepEqual(Object.keys(entry).sort(), categories, key);
      const wanted = placeholders(forms(english).at(-1));
      for (const form of forms(entry)) {
        assert.ok(form.trim() === form && form !== "", key);
        // "a recording" needs no number; the form for all other numbers does.
        const isSingular = typeof entry === "object" && form !== entry.other;
        const needed = (names) => (isSingular ? names.filter((name) => name !== "count") : names);
        assert.deepEqual(needed(placeholders(form)), needed(wanted), key);
      }
    }
  });
}

test("no text but English itself is left in English", () => {
  for (const language of LANGUAGES.slice(1)) {
    for (const [key, entry] of Object.entries(CATALOGUES[language])) {
      // Of placeholders and names alone nothing can be translated.
      const english = forms(CATALOGUES.en[key])[0];
      if (english.replace(/\{\w+\}/g, "").match(/\p{L}{3}/u)) assert.notEqual(forms(entry)[0], english, `${language} ${key}`);
    }
  }
});

test("each text is used, and each text that is used exists", () => {
  const used = new Set();
  const code = [...sources("static/js", ".js").filter(([name]) => !name.startsWith("texts/")), ...sources("templates", ".html")];
  const prefixes = [...new Set(Object.keys(CATALOGUES.en).map((key) => key.split(".")[0]))].join("|");
  for (const [, text] of code) for (const [, key] of text.matchAll(new RegExp(`"((?:${prefixes})\\.[a-z_]+)"`, "g"))) used.add(key);
  for (const key of used) assert.ok(Object.hasOwn(CATALOGUES.en, key), key);
  // models/caption-view.js writes these without their prefix.
  for (const name of ["no_session", "no_key", "gone", "failed", "locked", "removed", "not_connected", "opening", "ready"]) used.add(`captions.${name}`);
  // orch/web/texts.py writes these: a problem of the service by its code.
  const problems = readFileSync(new URL("orch/problems.py", ROOT), "utf8");
  for (const key of Object.keys(CATALOGUES.en)) if (key === "problem.other" || problems.includes(`Problem("${key.split("problem.")[1]}"`)) used.add(key);
  // The codes of live-socket.js and control-api.js: there was no response, or it was not the service's.
  for (const code of ["timeout", "connection_lost", "stopped", "unreachable", "not_the_service"]) used.add(`problem.${code}`);
  assert.deepEqual(Object.keys(CATALOGUES.en).filter((key) => !used.has(key)), []);
});

test("a number chooses the plural form of the language and is written in its digits", () => {
  const more = (language, count) => new Texts(language, CATALOGUES[language]).text("captions.faults_more", { count });
  assert.deepEqual([more("en", 1), more("en", 2)], ["1 further parameter is wrong.", "2 further parameters are wrong."]);
  assert.equal(more("fr", 0), "0 autre paramètre est erroné.");
  assert.equal(new Set([0, 1, 2, 3, 11, 100].map((count) => more("ar", count).replace(/[\d٠-٩]+/g, "#"))).size, 6);
});

test("values are isolated where they would reorder the text around them", () => {
  const ready = (language, session) => new Texts(language, CATALOGUES[language]).text("captions.ready", { session });
  assert.match(ready("en", "room"), /speaks in room\.$/);
  assert.match(ready("en", "غرفة"), /\u2068غرفة\u2069\.$/);
  assert.match(ready("ar", "room-1"), /\u2068room-1\u2069\.$/);
  // A value that is a text with a value itself, and one whose isolates are not in pairs.
  assert.match(ready("ar", "\u2068a\u2069 b"), /\u2068\u2068a\u2069 b\u2069\.$/);
  for (const name of ["a\u2069b", "\u2069a\u2068b", "a\u2068b"]) assert.match(ready("ar", name), /\u2068ab\u2069\.$/);
});

test("a missing key or value is an error, and markup stays text", () => {
  const texts = new Texts("en", CATALOGUES.en);
  assert.throws(() => texts.text("captions.nothing"), /no text captions\.nothing in en/);
  assert.throws(() => texts.text("captions.ready"), /no value \{session\}/);
  assert.match(texts.text("captions.ready", { session: "$& {reason}" }), /\$& \{reason\}/);
});

test("seconds, lists and names of languages are written as the language writes them, with the digits of the transcript", () => {
  const texts = (language) => new Texts(language, CATALOGUES[language]);
  assert.deepEqual(["en", "de", "ar"].map((language) => texts(language).seconds(4.25)), ["4.3 s", "4,3 s", "\u20684.3\u2069 ث"]);
  assert.deepEqual(["en", "de"].map((language) => texts(language).seconds(1234.5)), ["1,235 s", "1.235 s"]);
  assert.deepEqual(["en", "de", "ar"].map((language) => texts(language).confidence(0.5)), ["0.50", "0,50", "0.50"]);
  assert.equal(texts("en").seconds(NaN), "–");
  assert.equal(texts("en").list(["A", "B", "C"]), "A, B and C");
  assert.equal(texts("es").languageNames(["en", "de"]), "inglés y alemán");
  assert.deepEqual(texts("de").choices(["en", "de", "ar", "en"]).map(({ name }) => name), ["Arabisch", "Deutsch", "Englisch"]);
});

test("what the service reports stays as it is in English, and is the text of its code in other languages", () => {
  const coded = (language, report) => new Texts(language, CATALOGUES[language]).coded(report);
  const report = { code: "rate_limited", detail: "Wait 5 s." };
  assert.equal(coded("en", report), "Wait 5 s.");
  assert.equal(coded("en", { code: "rate_limited" }), "Too many attempts in a short time. Try again in a moment.");
  assert.equal(coded("fr", report), "Trop d'essais en peu de temps. Réessayez dans un instant.");
  assert.equal(coded("fr", { code: "strange", detail: "Strange." }), "Le service signale une erreur (strange).");
});
