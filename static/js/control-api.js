/**
 * Changing things through the control API. Whoever is not signed in any more is led to the page that asks for the
 * control token, and comes back to this one.
 */

import { foreignResponseText, parseObject, parseProblem } from "./models/responses.js";

/**
 * What was answered instead of doing it: the service's problem document (RFC 9457), or with the code `not_the_service`
 * what a proxy's own answer means.
 */
export class ProblemError extends Error {
  constructor(problem, status, options = undefined) {
    super(problem.detail ?? problem.title ?? `The service responded with ${status}.`, options);
    this.name = "ProblemError";
    this.code = problem.code ?? "internal_error";
    this.status = status;
    this.problem = problem;
  }
}

/** Send `method path` with a JSON body; resolves to the answer's data. Rejects with ProblemError. */
export async function control(method, path, body = undefined) {
  return answered(await send(method, path, body), method);
}

async function answered(response, method) {
  if (response.status === 204) return null;
  const text = await readText(response, method);
  const answer = parseObject(text);
  if (response.ok && answer !== null) return answer;
  const problem = parseProblem(text) ?? { code: "not_the_service", detail: `${foreignResponseText(response.status)}${doubt(method)}` };
  if (problem.code === "token_required") signIn();
  throw new ProblemError(problem, response.status);
}

/** The same with a text as the body. */
export async function controlText(method, path, text, type) {
  return answered(await fetched(path, { method, headers: { "Content-Type": type }, body: text }), method);
}

/** Go to the page that asks for the token, and back here from there. */
export function signIn(place = globalThis.location) {
  place.assign(`/sign-in?next=${encodeURIComponent(place.pathname + place.search)}`);
}

async function send(method, path, body) {
  const headers = body === undefined ? {} : { "Content-Type": "application/json" };
  return fetched(path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
}

async function fetched(path, options) {
  try {
    return await fetch(path, options);
  } catch (error) {
    throw new ProblemError({ code: "unreachable", detail: "The service cannot be reached. Nothing was changed." }, 0, { cause: error });
  }
}

/** What is to be said of a request whose answer is not there. */
const doubt = (method) => (method === "GET" ? "" : " It is not known whether anything was changed.");

async function readText(response, method) {
  try {
    return await response.text();
  } catch (error) {
    throw new ProblemError({ code: "unreachable", detail: `The connection was lost before the response arrived.${doubt(method)}` }, 0, { cause: error });
  }
}
