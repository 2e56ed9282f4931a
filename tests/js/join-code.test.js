/** Codes in addresses, their validity in words, and QR codes. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { TEXTS } from "../fakes/js/texts.js";
import { codeInAddress, joinAddress, validity } from "../../static/js/models/join-code.js";
import { BORDER, qrCode } from "../../static/js/models/qr-code.js";

test("a code is read from behind the # of the address, and nothing else is", () => {
  assert.equal(codeInAddress("https://host/join#K7M-4QX"), "K7M-4QX");
  assert.equal(codeInAddress("https://host/join#%20k7m%204qx"), "k7m 4qx");
  for (const hash of ["", "#", "#%", "#%E0%A4%A", `#${"K".repeat(65)}`]) assert.equal(codeInAddress(`https://host/join${hash}`), "");
});

test("the address to type is the host's, with its port", () => {
  assert.equal(joinAddress("https://captions.example.org/translation#session=s"), "captions.example.org/join");
  assert.equal(joinAddress("http://192.0.2.7:3000/translation"), "192.0.2.7:3000/join");
});

test("a code says until when it is valid, and that it no longer is", () => {
  assert.match(validity(1_700_000_000, 1_699_999_999, TEXTS.en), /^valid until \d\d:\d\d$/);
  assert.equal(validity(1_700_000_000, 1_700_000_000, TEXTS.en), "no longer valid");
  assert.match(validity(1_700_000_000, 1_699_999_999, TEXTS.ar), /^صالح حتى \u2068\d\d:\d\d\u2069$/);
});

/** The dark modules of a QR code, as rows of booleans, from its path. */
function modules({ size, path }) {
  const rows = Array.from({ length: size }, () => Array(size).fill(false));
  for (const [, x, y, width] of path.matchAll(/M(\d+) (\d+)h(\d+)v1h-\d+z/g)) rows[y].fill(true, Number(x), Number(x) + Number(width));
  return rows;
}

const FINDER = ["1111111", "1000001", "1011101", "1011101", "1011101", "1000001", "1111111"];

test("a QR code has its three finder patterns, and a light border", () => {
  const code = qrCode("https://captions.example.org/translation#session=calm-oak-7f3k&key=aaaaaaaaaaaaaaaaaaaaaa");
  const rows = modules(code);
  const at = (top, left) => FINDER.map((_, y) => FINDER.map((__, x) => (rows[top + y][left + x] ? "1" : "0")).join(""));
  const far = code.size - BORDER - 7;
  for (const [top, left] of [[BORDER, BORDER], [BORDER, far], [far, BORDER]]) assert.deepEqual(at(top, left), FINDER);
  assert.equal((code.size - 2 * BORDER - 17) % 4, 0);
  for (let index = 0; index < code.size; index += 1) {
    for (let edge = 0; edge < BORDER; edge += 1) {
      for (const [y, x] of [[edge, index], [code.size - 1 - edge, index], [index, edge], [index, code.size - 1 - edge]]) assert.equal(rows[y][x], false);
    }
  }
});

test("a longer text has a larger QR code, and one that is too long is refused", () => {
  assert.ok(qrCode("a".repeat(400)).size > qrCode("a").size);
  assert.throws(() => qrCode("a".repeat(5_000)));
});
