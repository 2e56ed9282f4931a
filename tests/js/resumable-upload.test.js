import assert from "node:assert/strict";
import { test } from "node:test";

import { PAUSES, PIECE, ResumableUpload, pause } from "../../static/js/models/resumable-upload.js";
import { LONG } from "../../static/js/models/upload.js";
import { UploadMemory } from "../../static/js/models/upload-memory.js";

/** A service with the tus protocol, whose faults a test plays: each `fault(request)` may respond in its place. */
class FakeService {
  uploads = new Map();
  requests = [];
  started = [];
  faults = [];
  #made = 0;

  respond(request) {
    const { method, url, headers, body } = request;
    this.requests.push(method === "PATCH" ? `PATCH ${headers["Upload-Offset"]}` : method === "POST" ? `POST ${url.includes("recordings") ? "recordings" : "uploads"}` : method);
    const fault = this.faults.shift();
    const faulty = fault?.(request, this);
    if (faulty !== undefined) return faulty;
    assert.equal(headers["Tus-Resumable"], "1.0.0");
    assert.equal(headers["X-Session-Key"], "key");
    if (method === "POST" && url.endsWith("/uploads")) {
      this.#made += 1;
      const path = `${url}/u${this.#made}`;
      this.uploads.set(path, { length: Number(headers["Upload-Length"]), offset: 0 });
      return { status: 201, headers: { Location: path } };
    }
    if (method === "POST") {
      this.started.push(new URL(url, "http://x").searchParams.get("upload"));
      return { status: 202, text: '{"stream_id": "r1"}' };
    }
    const upload = this.uploads.get(url);
    if (upload === undefined) return { status: 404, text: problem("unknown_upload", "No upload has this id.") };
    if (method === "HEAD") return { status: 204, headers: { "Upload-Offset": String(upload.offset), "Upload-Length": String(upload.length) } };
    if (method === "DELETE") {
      this.uploads.delete(url);
      return { status: 204 };
    }
    if (Number(headers["Upload-Offset"]) !== upload.offset) return { status: 409, text: problem("wrong_offset", "Another byte.") };
    upload.offset += body.size;
    return { status: 204, headers: { "Upload-Offset": String(upload.offset) } };
  }
}

const problem = (code, detail) => JSON.stringify({ code, detail, title: "x" });
const lost = () => ({ status: 0 });

function requestsTo(service) {
  return class extends EventTarget {
    upload = new EventTarget();
    headers = {};
    open(method, url) {
      Object.assign(this, { method, url });
    }
    setRequestHeader(name, value) {
      this.headers[name] = value;
    }
    getResponseHeader(name) {
      return this.answer.headers?.[name] ?? null;
    }
    async send(body) {
      this.body = body;
      await null;
      if (this.isAborted) return;
      this.answer = service.respond(this);
      if (this.answer === "hang") return;
      Object.assign(this, { status: this.answer.status, response: this.answer.text ?? "" });
      this.dispatchEvent(new Event(this.status === 0 ? "error" : "load"));
    }
    abort() {
      this.isAborted = true;
      this.dispatchEvent(new Event("abort"));
    }
  };
}

class FakeStorage {
  #all = new Map();
  getItem(key) {
    return this.#all.get(key) ?? null;
  }
  setItem(key, value) {
    this.#all.set(key, value);
  }
}

const fileOf = (size, name = "talk.m4a") => ({ name, size, lastModified: 7, slice: (begin, end) => ({ size: Math.min(end, size) - begin }) });
const FILE = fileOf(2 * PIECE + 10);

function uploading({ service = new FakeService(), memory = new UploadMemory(new FakeStorage()), file = FILE, signal = null } = {}) {
  const shares = [];
  const interruptions = [];
  const pauses = [];
  const upload = new ResumableUpload({
    file,
    target: { session_id: "s", source: "auto", targets: ["es"] },
    headers: () => ({ "X-Session-Key": "key" }),
    memory,
    onProgress: (share) => shares.push(share),
    onInterrupted: (failure) => interruptions.push(failure),
    signal,
    Request: requestsTo(service),
    pause: async (seconds) => pauses.push(seconds),
  });
  return { upload, service, memory, shares, interruptions, pauses };
}

test("a long file is sent in pieces, in order, and transcribed", async () => {
  const { upload, service, shares, memory, pauses } = uploading();
  assert.deepEqual(await upload.run(), { stream_id: "r1" });
  assert.deepEqual(service.requests, ["POST uploads", "PATCH 0", `PATCH ${PIECE}`, `PATCH ${2 * PIECE}`, "POST recordings"]);
  assert.deepEqual(service.started, ["u1"]);
  assert.equal(shares.at(-1), 1);
  assert.deepEqual(pauses, []);
  assert.equal(memory.read("s", FILE), null);
});

test("after a lost connection it goes on where the service is", async () => {
  const service = new FakeService();
  // The second piece arrives in part, and the next request finds no network either.
  const cut = (request, { uploads }) => {
    uploads.get(request.url).offset += 1000;
    return { status: 0 };
  };
  service.faults = [undefined, undefined, cut, lost, undefined];
  const { upload, interruptions, pauses } = uploading({ service });
  await upload.run();
  assert.deepEqual(service.requests.slice(2, 6), [`PATCH ${PIECE}`, "HEAD", "HEAD", `PATCH ${PIECE + 1000}`]);
  assert.deepEqual(pauses, [1, 2]);
  assert.deepEqual(interruptions[0], { status: 0, code: "", detail: "The service cannot be reached." });
});

test("the same file goes on after a reload, and another file does not", async () => {
  const service = new FakeService();
  const memory = new UploadMemory(new FakeStorage());
  service.faults = [undefined, undefined, () => "hang"];
  uploading({ service, memory }).upload.run();
  await new Promise((resolve) => setTimeout(resolve, 5));
  assert.deepEqual(memory.unfinished("s").map(({ name, offset }) => [name, offset]), [["talk.m4a", PIECE]]);
  assert.deepEqual(memory.unfinished("other"), []);
  service.requests.length = 0;
  await uploading({ service, memory }).upload.run();
  assert.deepEqual(service.requests, ["HEAD", `PATCH ${PIECE}`, `PATCH ${2 * PIECE}`, "POST recordings"]);
  assert.deepEqual(memory.unfinished("s"), []);
  assert.equal(memory.read("s", { ...FILE, size: 5 }), null);
});

test("an upload that the service no longer has begins again", async () => {
  const service = new FakeService();
  const memory = new UploadMemory(new FakeStorage());
  memory.write("s", FILE, { url: "/api/sessions/s/uploads/gone", offset: 5 });
  const { upload, pauses } = uploading({ service, memory });
  await upload.run();
  assert.deepEqual(service.requests.slice(0, 3), ["HEAD", "POST uploads", "PATCH 0"]);
  assert.deepEqual(pauses, []);
});

test("a service that always drops it is given up, with what to do", async () => {
  const service = new FakeService();
  service.faults = Array(200).fill((request) => (request.method === "PATCH" ? { status: 404, text: problem("unknown_upload", "Gone.") } : undefined));
  const { upload, pauses } = uploading({ service });
  await assert.rejects(upload.run(), { status: 404, code: "unknown_upload", isInterrupted: true });
  assert.equal(pauses.length, PAUSES.length - 1);
});

test("without a network it is given up after ten minutes, and stays to be continued", async () => {
  const service = new FakeService();
  const { upload, pauses, memory } = uploading({ service });
  service.faults = [undefined, undefined, ...Array(200).fill(lost)];
  await assert.rejects(upload.run(), { status: 0, code: "", isInterrupted: true });
  const waited = pauses.reduce((sum, each) => sum + each, 0);
  assert.ok(waited > 500 && waited < 700, String(waited));
  assert.equal(memory.read("s", FILE).offset, PIECE);
});

test("it waits for its turn to be transcribed, without sending anything again", async () => {
  const service = new FakeService();
  const busy = () => ({ status: 503, text: problem("too_many_recordings", "4 recordings are being transcribed.") });
  service.faults = [undefined, undefined, undefined, undefined, busy, undefined, busy];
  const { upload, interruptions } = uploading({ service });
  await upload.run();
  assert.deepEqual(service.requests.slice(4), ["POST recordings", "HEAD", "POST recordings", "HEAD", "POST recordings"]);
  assert.deepEqual(interruptions.find((failure) => failure !== null), { status: 503, code: "too_many_recordings", detail: "4 recordings are being transcribed." });
});

test("a rejection is final, and nothing of it is stored", async () => {
  for (const [status, code] of [[413, "recording_too_large"], [404, "unknown_session"], [403, "read_only"]]) {
    const service = new FakeService();
    service.faults = [() => ({ status, text: problem(code, "No.") })];
    const { upload, memory } = uploading({ service });
    await assert.rejects(upload.run(), { status, code, message: "No.", isInterrupted: false });
    assert.deepEqual(memory.unfinished("s"), []);
  }
});

test("a proxy that accepts less gets smaller pieces", async () => {
  const service = new FakeService();
  service.faults = Array(20).fill((request) => (request.method === "PATCH" && request.body.size > 2 ** 20 ? { status: 413, text: "<html>" } : undefined));
  const { upload, pauses } = uploading({ service });
  await upload.run();
  assert.deepEqual(service.requests.slice(1, 5), ["PATCH 0", "PATCH 0", "PATCH 0", `PATCH ${2 ** 20}`]);
  assert.deepEqual(pauses, []);
  const tiny = new FakeService();
  tiny.faults = Array(200).fill((request) => (request.method === "PATCH" ? { status: 413, text: "<html>" } : undefined));
  await assert.rejects(uploading({ service: tiny }).upload.run(), { status: 413, code: "" });
});

test("a cancelled upload is removed from the service", async () => {
  const service = new FakeService();
  const abort = new AbortController();
  service.faults = [undefined, undefined, () => "hang"];
  const { upload, memory } = uploading({ service, signal: abort.signal });
  const cancelled = assert.rejects(upload.run(), { name: "AbortError" });
  await new Promise((resolve) => setTimeout(resolve, 5));
  abort.abort();
  await cancelled;
  await new Promise((resolve) => setTimeout(resolve, 5));
  assert.equal(service.requests.at(-1), "DELETE");
  assert.equal(service.uploads.size, 0);
  assert.deepEqual(memory.unfinished("s"), []);
});

test("a pause ends when the browser is online again, or with an AbortError", async () => {
  globalThis.addEventListener ??= () => {};
  const listeners = new Map();
  const real = [globalThis.addEventListener, globalThis.removeEventListener];
  globalThis.addEventListener = (name, listener) => listeners.set(name, listener);
  globalThis.removeEventListener = (name) => listeners.delete(name);
  try {
    const waiting = pause(1000, null);
    listeners.get("online")();
    await waiting;
    assert.equal(listeners.size, 0);
    const abort = new AbortController();
    const stopped = assert.rejects(pause(1000, abort.signal), { name: "AbortError" });
    abort.abort();
    await stopped;
    await pause(0.001, null);
  } finally {
    [globalThis.addEventListener, globalThis.removeEventListener] = real;
  }
});

test("stored uploads are bounded in number and age, and survive nonsense", () => {
  const storage = new FakeStorage();
  let now = 0;
  const memory = new UploadMemory(storage, () => now);
  for (let index = 0; index < 30; index += 1) memory.write("s", fileOf(LONG + 1, `${index}.wav`), { url: `/u/${index}`, offset: 0 });
  assert.deepEqual([memory.unfinished("s").length, memory.unfinished("s")[0].name], [20, "10.wav"]);
  memory.forgetUrl("/u/12");
  assert.equal(memory.unfinished("s").length, 19);
  now = 25 * 3600 * 1000;
  assert.deepEqual(memory.unfinished("s"), []);
  for (const text of ["{", "null", "[1]", '{"a": null}', '{"a": {"url": 5}}']) {
    storage.setItem("translation:uploads", text);
    assert.deepEqual(memory.unfinished("s"), []);
  }
  assert.deepEqual(new UploadMemory(null).unfinished("s"), []);
});
