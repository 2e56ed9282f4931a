import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { COLOURS, DEFAULTS, SIZES, changed, isLargest, isSmallest, parseReading, resized, sizeText } from "../../static/js/models/reading.js";

test("a stored choice is read back, and what is not valid in it has its default", () => {
  const chosen = { size: 4, show: "translation", colours: "yellow-black", confidence: false };
  assert.deepEqual(parseReading(JSON.stringify(chosen)), chosen);
  for (const text of [null, "", "{", "null", "[]", "7", '"x"']) assert.deepEqual(parseReading(text), { ...DEFAULTS }, String(text));
  assert.deepEqual(parseReading('{"size": 99, "show": "nothing", "colours": "toString", "confidence": "yes"}'), { ...DEFAULTS });
  assert.equal(parseReading('{"size": 1.5}').size, DEFAULTS.size);
});

test("the size goes in steps and ends at the smallest and the largest", () => {
  let reading = { ...DEFAULTS };
  assert.equal(sizeText(reading), "100\u00a0%");
  for (let step = 0; step < 20; step += 1) reading = resized(reading, 1);
  assert.deepEqual([reading.size, isLargest(reading), sizeText(reading)], [SIZES.length - 1, true, "300\u00a0%"]);
  for (let step = 0; step < 20; step += 1) reading = resized(reading, -1);
  assert.deepEqual([reading.size, isSmallest(reading), isLargest(reading)], [0, true, false]);
});

test("a change leaves the other choices as they were", () => {
  assert.deepEqual(changed({ ...DEFAULTS, size: 3 }, { show: "original" }), { ...DEFAULTS, size: 3, show: "original" });
});

/** WCAG's relative luminance of "#rrggbb". */
function luminance(colour) {
  const [red, green, blue] = [1, 3, 5].map((at) => Number.parseInt(colour.slice(at, at + 2), 16) / 255).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

test("each choice of colours is in the style sheet, with a contrast of at least 7 to 1", () => {
  const css = readFileSync(new URL("../../static/css/reading.css", import.meta.url), "utf8");
  for (const name of Object.keys(COLOURS).filter((each) => each !== "page")) {
    const found = css.match(new RegExp(`\\[data-colours="${name}"\\] \\{ --ink: (#[0-9a-f]{6}); --paper: (#[0-9a-f]{6}); \\}`));
    assert.ok(found, `${name} is not in reading.css`);
    const [dark, bright] = [luminance(found[1]), luminance(found[2])].sort((a, b) => a - b);
    assert.ok((bright + 0.05) / (dark + 0.05) >= 7, `${name}: ${(bright + 0.05) / (dark + 0.05)}`);
  }
});
