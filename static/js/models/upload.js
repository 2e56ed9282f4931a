/**
 * Uploads one file in one request, with progress; long ones go in pieces (resumable-upload.js). fetch does not report how
 * much of a body was sent; XMLHttpRequest does, and is passed in.
 */

import { foreignResponseText, parseObject, parseProblem } from "./responses.js";

/** Larger files are uploaded in pieces (bytes). */
export const LONG = 4 * 2 ** 20;

/**
 * Why a recording was rejected: `status` (0: the service was not reached), `message` in English, `code` ("": not the
 * service's). `isInterrupted`: what has arrived of it is stored, and the file can be chosen again.
 */
export class UploadError extends Error {
  constructor(status, detail, code = "", { isInterrupted = false } = {}) {
    super(detail);
    this.name = "UploadError";
    this.status = status;
    this.code = code;
    this.isInterrupted = isInterrupted;
  }
}

/**
 * Send `file` to `url`. `onProgress(share)` 0–1. Resolves to the service's response, which is one if `isAnswer` accepts
 * it; rejects with UploadError, or with an AbortError once `signal` fires.
 */
export function upload(file, url, { headers = {}, onProgress = () => {}, signal = null, isAnswer = isStream, Request = globalThis.XMLHttpRequest } = {}) {
  if (file.size === 0) return Promise.reject(new UploadError(422, "The file is empty.", "empty_audio"));
  return new Promise((resolve, reject) => {
    const request = new Request();
    request.open("POST", url);
    request.setRequestHeader("Content-Type", file.type || "application/octet-stream");
    for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
    request.responseType = "text";
    request.upload.addEventListener("progress", ({ lengthComputable, loaded, total }) => lengthComputable && onProgress(loaded / total));
    request.addEventListener("load", () => {
      const { status, response } = request;
      const answer = parseObject(response);
      if (status >= 200 && status < 300 && isAnswer(answer)) {
        resolve(answer);
        return;
      }
      const problem = parseProblem(response);
      reject(problem === null ? new UploadError(status, foreignResponseText(status)) : new UploadError(status, problem.detail ?? problem.title, problem.code));
    });
    request.addEventListener("error", () => reject(new UploadError(0, "The service cannot be reached.")));
    request.addEventListener("abort", () => reject(Object.assign(new Error("Cancelled."), { name: "AbortError" })));
    signal?.addEventListener("abort", () => request.abort(), { once: true });
    request.send(file);
  });
}

/** Whether a response is that of a recording that is being transcribed. */
const isStream = (answer) => typeof answer?.stream_id === "string";

/** The header with a session's key. It is never in the address, which is logged. */
export function keyHeaders(key) {
  return key ? { "X-Session-Key": key } : {};
}

/** The address that a recording is uploaded to, with its languages, and whether several people speak in it. */
export function recordingUrl(session_id, { source, targets, name, diarization = false }) {
  const query = new URLSearchParams({ source_language: source, target_languages: targets.join(","), name: name.slice(0, 80) });
  if (diarization) query.set("diarization", "true");
  return `/api/sessions/${encodeURIComponent(session_id)}/recordings?${query}`;
}
