/**
 * Requests to the control API. Where the sign-in has expired, the browser goes to the sign-in page and returns to
 * this one from there.
 */

import { foreignResponseText, parseObject, parseProblem } from "./models/responses.js";

/**
 * A rejected request: the service's problem document (RFC 9457), or a description of a proxy's own response with the
 * code `not_the_service`.
 */
export class ProblemError extends Error {
  constructor(problem, status, options = {}) {
    const { retryAfter = null, ...others } = options;
    super(problem.detail ?? problem.title ?? `The service responded with ${status}.`, others);
    this.name = "ProblemError";
    this.code = problem.code ?? "internal_error";
    this.status = status;
    this.problem = problem;
    /** Seconds after which it may be tried again, or null: the service did not say. */
    this.retryAfter = retryAfter;
  }
}

/** Send `method path` with a JSON body and `headers`. Resolves to the response's data; rejects with ProblemError. */
export async function control(method, path, body = undefined, headers = {}) {
  return readResponse(await send(method, path, body, headers), method);
}

async function readResponse(response, method) {
  if (response.status === 204) return null;
  const text = await readText(response, method);
  const data = parseObject(text);
  if (response.ok && data !== null) return data;
  const problem = parseProblem(text) ?? { code: "not_the_service", detail: `${foreignResponseText(response.status)}${uncertainty(method)}` };
  if (problem.code === "token_required") signIn();
  throw new ProblemError(problem, response.status);
}

/** Send a request whose body is text. */
export async function controlText(method, path, text, type) {
  return readResponse(await fetchOrFail(path, { method, headers: { "Content-Type": type }, body: text }), method);
}

/** Go to the sign-in page, which returns to this one. */
export function signIn(place = globalThis.location) {
  place.assign(`/sign-in?next=${encodeURIComponent(place.pathname + place.search)}`);
}

async function send(method, path, body, extra) {
  const headers = body === undefined ? extra : { ...extra, "Content-Type": "application/json" };
  return fetchOrFail(path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
}

async function fetchOrFail(path, options) {
  try {
    return await fetch(path, options);
  } catch (error) {
    // The connection may have ended after the request had arrived: then it may have been carried out.
    throw new ProblemError({ code: "unreachable", detail: `The service cannot be reached.${uncertainty(options.method)}` }, 0, { cause: error });
  }
}

/** The sentence about a request without a response. */
const uncertainty = (method) => (method === "GET" ? "" : " It is not known whether anything was changed.");

async function readText(response, method) {
  try {
    return await response.text();
  } catch (error) {
    throw new ProblemError({ code: "unreachable", detail: `The connection was lost before the response arrived.${uncertainty(method)}` }, 0, { cause: error });
  }
}
