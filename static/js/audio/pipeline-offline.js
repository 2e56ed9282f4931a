/** Processes a whole recording: in the browser (a Web Worker), or by the service where worklets are missing. */

import { ProblemError, signIn } from "../control-api.js";
import { foreignResponseText, parseProblem } from "../models/responses.js";

const WORKER = new URL("./pipeline-worker.js", import.meta.url);

/**
 * Resolves to {samples, sampleRate, taps, track, cuts, timings}; as worklets without latency and at the target rate.
 * `report(share)` is called now and then; `signal` ends it early.
 */
export function processed({ samples, sampleRate, settings, taps = [] }, { report = () => {}, signal = null, WorkerClass = globalThis.Worker } = {}) {
  return new Promise((resolve, reject) => {
    const worker = new WorkerClass(WORKER, { type: "module" });
    const end = (settle, value) => {
      worker.terminate();
      settle(value);
    };
    worker.onmessage = ({ data }) => ("progress" in data ? report(data.progress) : end(resolve, data));
    worker.onerror = (event) => end(reject, new Error(event.message || "The recording could not be processed."));
    signal?.addEventListener("abort", () => end(reject, signal.reason), { once: true });
    worker.postMessage({ samples, sampleRate, settings, taps });
  });
}

/** Have the service process a file (Blob). Resolves to a WAV (Blob); rejects with ProblemError. */
export async function processedByService(file, settings, { signal = null } = {}) {
  const form = new FormData();
  form.append("audio", file, file.name ?? "audio.wav");
  form.append("settings", JSON.stringify(settings));
  let response;
  try {
    response = await fetch("/api/pipeline/process", { method: "POST", body: form, signal });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ProblemError({ code: "unreachable", detail: "The service cannot be reached." }, 0, { cause: error });
  }
  if (response.ok) return response.blob();
  const problem = parseProblem(await response.text()) ?? { code: "not_the_service", detail: foreignResponseText(response.status) };
  if (problem.code === "token_required") signIn();
  throw new ProblemError(problem, response.status);
}
