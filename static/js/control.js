/**
 * Changing things through the control API. Where the service wants the control token, it is asked for once and
 * kept in this tab (sessionStorage).
 */

import { askToken } from "./components/dialog.js";

const KEPT = "control-token";

/** What the service answered instead of doing it: a problem document (RFC 9457). */
export class ProblemError extends Error {
  constructor(problem, status, options = undefined) {
    super(problem.detail ?? problem.title ?? `The service answered ${status}.`, options);
    this.name = "ProblemError";
    this.code = problem.code ?? "internal_error";
    this.status = status;
    this.problem = problem;
  }
}

/** Send `method path` with a JSON body; resolves to the answer's data. Rejects with ProblemError. */
export async function control(method, path, body = undefined) {
  let token = kept();
  for (;;) {
    const response = await send(method, path, body, token);
    if (response.ok) return response.status === 204 ? null : response.json();
    const problem = await readProblem(response);
    if (problem.code !== "token_required") throw new ProblemError(problem, response.status);
    keep(null);
    const given = await askToken(problem.detail);
    if (given === null) throw new ProblemError(problem, response.status);
    token = given;
    keep(token);
  }
}

async function send(method, path, body, token) {
  const headers = {};
  if (token !== null) headers.Authorization = `Bearer ${token}`;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  try {
    return await fetch(path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
  } catch (error) {
    throw new ProblemError({ code: "unreachable", detail: "The service cannot be reached. Nothing was changed." }, 0, { cause: error });
  }
}

async function readProblem(response) {
  const type = response.headers.get("Content-Type") ?? "";
  return type.includes("json") ? response.json() : { title: `The service answered ${response.status}.` };
}

function kept() {
  try {
    return sessionStorage.getItem(KEPT);
  } catch {
    return null; // storage is refused: the token is asked for each time
  }
}

function keep(token) {
  try {
    if (token === null) sessionStorage.removeItem(KEPT);
    else sessionStorage.setItem(KEPT, token);
  } catch {
    // as above
  }
}
