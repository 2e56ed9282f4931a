/**
 * Uploads a long file in pieces (the tus protocol, docs/protocol.md): it goes on after a lost connection, a reload of
 * the page and a restart of the service. The network, the clock and the storage are passed in.
 */

import { foreignResponseText, parseObject, parseProblem } from "./responses.js";
import { recordingUrl, UploadError } from "./upload.js";

/** Bytes of a piece; halved where a proxy accepts less, down to the least. */
export const PIECE = 4 * 2 ** 20;
const LEAST_PIECE = 2 ** 18;
/** Seconds before the next attempt after each failure in a row; then the upload has failed: after ten minutes. */
export const PAUSES = [1, 2, 4, 8, ...Array(18).fill(30)];

const TUS = { "Tus-Resumable": "1.0.0" };
const PIECE_TYPE = "application/offset+octet-stream";
/** Statuses after which the same request may succeed; 409: the offset is another. */
const TEMPORARY = new Set([0, 408, 409, 423, 425, 429]);

const aborted = () => Object.assign(new Error("Cancelled."), { name: "AbortError" });

/** Resolves after `seconds`, or as soon as the browser is online again; rejects when `signal` fires. */
export function pause(seconds, signal) {
  return new Promise((resolve, reject) => {
    const done = (action) => () => {
      clearTimeout(timer);
      globalThis.removeEventListener("online", resume);
      signal?.removeEventListener("abort", abort);
      action();
    };
    const resume = done(resolve);
    const abort = done(() => reject(aborted()));
    const timer = setTimeout(resume, seconds * 1000);
    globalThis.addEventListener("online", resume);
    signal?.addEventListener("abort", abort);
  });
}

/** Send one request. Resolves to {status, header(name), text}; status 0: no response. */
function send(method, url, { headers, body = null, onProgress = () => {}, signal, Request }) {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(aborted());
      return;
    }
    const request = new Request();
    const abort = () => request.abort();
    const finish = (action) => () => {
      signal?.removeEventListener("abort", abort);
      action();
    };
    request.open(method, url);
    for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
    request.responseType = "text";
    request.upload.addEventListener("progress", ({ loaded }) => onProgress(loaded));
    request.addEventListener("load", finish(() => resolve({ status: request.status, header: (name) => request.getResponseHeader(name), text: request.response ?? "" })));
    request.addEventListener("error", finish(() => resolve({ status: 0, header: () => null, text: "" })));
    request.addEventListener("abort", finish(() => reject(aborted())));
    signal?.addEventListener("abort", abort);
    request.send(body);
  });
}

const isNumber = (text) => typeof text === "string" && /^\d{1,15}$/.test(text);

export class ResumableUpload {
  #file;
  #target;
  #headers;
  #memory;
  #onProgress;
  #onInterrupted;
  #signal;
  #Request;
  #pause;
  #failures = 0;
  #piece = PIECE;
  #url = null;
  /** Bytes that the service has; null: not known. */
  #offset = null;

  /**
   * `target`: {session_id, source, targets}; `headers()`: those with the session's key; `memory`: an UploadMemory.
   * `onProgress(share)` 0–1; `onInterrupted(failure)`: why it waits, {status, code, detail} as models/responses.js
   * has it; null when it goes on.
   */
  constructor({ file, target, headers, memory, onProgress, onInterrupted, signal, Request = globalThis.XMLHttpRequest, pause: wait = pause }) {
    this.#file = file;
    this.#target = target;
    this.#headers = headers;
    this.#memory = memory;
    this.#onProgress = onProgress;
    this.#onInterrupted = onInterrupted;
    this.#signal = signal;
    this.#Request = Request;
    this.#pause = wait;
  }

  /** Upload the file and have it transcribed. Resolves to the service's response; rejects with UploadError or AbortError. */
  async run() {
    try {
      this.#url = this.#memory.read(this.#target.session_id, this.#file)?.url ?? null;
      let answer = null;
      while (answer === null) answer = await this.#step();
      this.#memory.forget(this.#target.session_id, this.#file);
      return answer;
    } catch (error) {
      if (error.name === "AbortError") this.#remove();
      throw error;
    }
  }

  /** Make the next request; resolves to the recording's response once it is being transcribed, else to null. */
  #step() {
    if (this.#url === null) return this.#create();
    if (this.#offset === null) return this.#ask();
    return this.#offset < this.#file.size ? this.#sendPiece() : this.#begin();
  }

  async #create() {
    const { session_id } = this.#target;
    const answer = await this.#send("POST", `/api/sessions/${encodeURIComponent(session_id)}/uploads`, { "Upload-Length": String(this.#file.size) });
    const url = answer.header("Location");
    if (answer.status !== 201 || url === null) return this.#failed(answer);
    this.#url = url;
    return this.#arrived(0);
  }

  /** Request how much has arrived. */
  async #ask() {
    const answer = await this.#send("HEAD", this.#url);
    const [offset, length] = [answer.header("Upload-Offset"), answer.header("Upload-Length")];
    if (answer.status < 200 || answer.status >= 300 || !isNumber(offset)) return this.#failed(answer);
    if (Number(length) !== this.#file.size) return this.#lost();
    return this.#arrived(Number(offset));
  }

  async #sendPiece() {
    const begin = this.#offset;
    const body = this.#file.slice(begin, begin + this.#piece);
    const onProgress = (loaded) => {
      this.#onInterrupted(null);
      this.#onProgress(Math.min(begin + loaded, this.#file.size) / this.#file.size);
    };
    const answer = await this.#send("PATCH", this.#url, { "Upload-Offset": String(begin), "Content-Type": PIECE_TYPE }, { body, onProgress });
    const offset = answer.header("Upload-Offset");
    if (answer.status !== 204 || !isNumber(offset)) return this.#failed(answer);
    this.#failures = 0;
    return this.#arrived(Number(offset));
  }

  /** Have the complete upload transcribed. */
  async #begin() {
    const { session_id } = this.#target;
    const upload = this.#url.slice(this.#url.lastIndexOf("/") + 1);
    const url = `${recordingUrl(session_id, { ...this.#target, name: this.#file.name })}&upload=${encodeURIComponent(upload)}`;
    const answer = await this.#send("POST", url);
    const started = parseObject(answer.text);
    if (answer.status === 202 && typeof started?.stream_id === "string") return started;
    return this.#failed(answer);
  }

  #arrived(offset) {
    this.#offset = offset;
    this.#memory.write(this.#target.session_id, this.#file, { url: this.#url, offset });
    this.#onProgress(offset / this.#file.size);
    return null;
  }

  /** The service no longer has the upload: it begins again. */
  #lost() {
    this.#memory.forget(this.#target.session_id, this.#file);
    this.#url = null;
    this.#offset = null;
    return null;
  }

  /** Wait for the next attempt, or throw the reason if there is none. */
  async #failed(answer) {
    const { status, text } = answer;
    const problem = parseProblem(text);
    const isGone = status === 404 && this.#url !== null && (problem === null || problem.code === "unknown_upload");
    if (status === 413 && problem === null && this.#piece > LEAST_PIECE) {
      this.#piece /= 2;
      return null;
    }
    const detail = status === 0 ? "The service cannot be reached." : problem === null ? foreignResponseText(status) : (problem.detail ?? problem.title);
    const failure = { status, code: problem?.code ?? "", detail };
    if (!isGone && !TEMPORARY.has(status) && status < 500) {
      this.#memory.forget(this.#target.session_id, this.#file);
      throw new UploadError(status, failure.detail, failure.code);
    }
    const seconds = PAUSES[this.#failures];
    this.#failures += 1;
    // What has arrived is stored for a day: the file can be chosen again.
    if (seconds === undefined) throw new UploadError(status, failure.detail, failure.code, { isInterrupted: true });
    if (isGone) this.#lost();
    else this.#offset = null;
    const isFirst = this.#failures === 1;
    // A piece that was cut off, or an upload that the service has dropped, goes on at once.
    if (isFirst && (isGone || status === 409)) return null;
    this.#onInterrupted(failure);
    await this.#pause(seconds, this.#signal);
    return null;
  }

  #send(method, url, headers = {}, more = {}) {
    return send(method, url, { headers: { ...TUS, ...this.#headers(), ...headers }, signal: this.#signal, Request: this.#Request, ...more });
  }

  /** Remove a cancelled upload; where that fails, the service does so after a day. */
  #remove() {
    this.#memory.forget(this.#target.session_id, this.#file);
    if (this.#url !== null) removeUpload(this.#url, { headers: this.#headers(), Request: this.#Request }).catch(() => null);
  }
}

/** Remove an upload that is not complete. */
export function removeUpload(url, { headers, Request = globalThis.XMLHttpRequest }) {
  return send("DELETE", url, { headers: { ...TUS, ...headers }, signal: null, Request });
}
