/** Files through the service's audio pipeline (`/api/pipeline`). Each rejects with ProblemError, or as `signal` aborts. */

import { ProblemError, signIn } from "./control-api.js";
import { foreignResponseText, parseObject, parseProblem, retryAfterSeconds } from "./models/responses.js";

async function send(path, file, fields, signal) {
  const form = new FormData();
  // Whatever else is wrong is known before the file arrives.
  for (const [name, value] of Object.entries(fields)) if (value !== null) form.append(name, typeof value === "string" ? value : JSON.stringify(value));
  form.append("audio", file.blob, file.name);
  let response;
  try {
    response = await fetch(`/api/pipeline/${path}`, { method: "POST", body: form, signal });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ProblemError({ code: "unreachable", detail: "The service cannot be reached, or it ended the connection." }, 0, { cause: error });
  }
  if (response.ok) return response;
  const problem = parseProblem(await response.text()) ?? { code: "not_the_service", detail: foreignResponseText(response.status) };
  if (problem.code === "token_required") signIn();
  throw new ProblemError(problem, response.status, { retryAfter: retryAfterSeconds(response.headers.get("Retry-After"), Date.now()) });
}

async function readDocument(response) {
  const data = parseObject(await response.text());
  if (data === null) throw new ProblemError({ code: "not_the_service", detail: foreignResponseText(response.status) }, response.status);
  return data;
}

/** `file`: {blob, name}; `settings`: as in an exported file. Resolves to a WAV (Blob). */
export async function processFile(file, settings, signal) {
  return (await send("process", file, { settings }, signal)).blob();
}

/** Resolves to the measures before, after, and of each stage. */
export async function analyzeFile(file, settings, signal) {
  return readDocument(await send("analyze", file, { settings }, signal));
}

/** Resolves to measures and transcripts of both, and the words that differ. `reference`, `language`: text or null. */
export async function compareFile(file, { a, b, reference, language }, signal) {
  return readDocument(await send("compare", file, { a, b, reference, language }, signal));
}
