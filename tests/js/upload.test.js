import assert from "node:assert/strict";
import { test } from "node:test";

import { recordingUrl, upload } from "../../static/js/models/upload.js";

/** XMLHttpRequest without a network: a test plays the service's part. */
class FakeRequest extends EventTarget {
  static last = null;
  upload = new EventTarget();
  headers = {};

  constructor() {
    super();
    FakeRequest.last = this;
  }

  open(method, url) {
    Object.assign(this, { method, url });
  }

  setRequestHeader(name, value) {
    this.headers[name] = value;
  }

  send(body) {
    this.body = body;
  }

  abort() {
    this.dispatchEvent(new Event("abort"));
  }

  progress(loaded, total) {
    this.upload.dispatchEvent(Object.assign(new Event("progress"), { lengthComputable: true, loaded, total }));
  }

  answer(status, response) {
    Object.assign(this, { status, response });
    this.dispatchEvent(new Event("load"));
  }
}

const file = { name: "a.wav", type: "audio/wav", size: 1000 };
const send = (more = {}) => upload(file, "/x", { Request: FakeRequest, ...more });

test("the file is the body, with progress, and the service's response is the result", async () => {
  const shares = [];
  const sent = send({ onProgress: (share) => shares.push(share) });
  const request = FakeRequest.last;
  assert.deepEqual([request.method, request.url, request.body, request.headers["Content-Type"]], ["POST", "/x", file, "audio/wav"]);
  request.progress(500, 1000);
  request.progress(1000, 1000);
  request.answer(202, '{"stream_id": "r1", "seconds": 6.1}');
  assert.deepEqual(await sent, { stream_id: "r1", seconds: 6.1 });
  assert.deepEqual(shares, [0.5, 1]);
});

test("what is no response of the service is a rejection, whatever a caller awaits", async () => {
  const isAnswer = (answer) => typeof answer?.seconds === "number";
  const sent = send({ isAnswer });
  FakeRequest.last.answer(202, '{"seconds": 6.1}');
  assert.deepEqual(await sent, { seconds: 6.1 });
  const refused = assert.rejects(send({ isAnswer }), { name: "UploadError", status: 200 });
  FakeRequest.last.answer(200, "<html>A proxy's page.</html>");
  await refused;
});

test("a rejection has the problem's status, code and sentence", async () => {
  const refused = assert.rejects(send(), { name: "UploadError", status: 415, code: "not_audio", message: "It is text." });
  FakeRequest.last.answer(415, '{"code": "not_audio", "title": "x", "detail": "It is text."}');
  await refused;
});

test("a response without the service's code is not the service's, whatever its status", async () => {
  const pages = ["<html>", "", "null", "[]", '"too large"', '{"message": "Request Too Long"}', '{"code": 413, "detail": "x"}', '{"code": "x"}'];
  for (const status of [400, 403, 413, 415, 429, 502, 503, 504]) {
    for (const page of pages) {
      const refused = assert.rejects(send(), { name: "UploadError", status, code: "", message: /proxy in front of the service/ });
      FakeRequest.last.answer(status, page);
      await refused;
    }
  }
});

test("a success that names no recording is not the service's", async () => {
  for (const page of ["<html>sign in", "", "null", "{}", '{"stream_id": 7}']) {
    const refused = assert.rejects(send(), { status: 200, code: "", message: /sign-in/ });
    FakeRequest.last.answer(200, page);
    await refused;
  }
});

test("an unreachable service is told from one that rejects", async () => {
  const lost = assert.rejects(send(), { status: 0 });
  FakeRequest.last.dispatchEvent(new Event("error"));
  await lost;
});

test("an upload can be cancelled", async () => {
  const abort = new AbortController();
  const cancelled = assert.rejects(send({ signal: abort.signal }), { name: "AbortError" });
  abort.abort();
  await cancelled;
});

test("empty files are rejected before anything is sent", async () => {
  FakeRequest.last = null;
  await assert.rejects(upload({ ...file, size: 0 }, "/x", { Request: FakeRequest }), { status: 422 });
  assert.equal(FakeRequest.last, null);
});

test("the address names the session, the languages and the recording, whatever is in them", () => {
  const url = recordingUrl("calm-oak-7f3k", { source: "auto", targets: ["es", "de"], name: `a&b=c/ü ${"x".repeat(100)}.wav` });
  const parsed = new URL(url, "http://x");
  assert.equal(parsed.pathname, "/api/sessions/calm-oak-7f3k/recordings");
  assert.equal(parsed.searchParams.get("source_language"), "auto");
  assert.equal(parsed.searchParams.get("target_languages"), "es,de");
  assert.equal(parsed.searchParams.get("name").length, 80);
  assert.match(parsed.searchParams.get("name"), /^a&b=c\/ü x/);
});
