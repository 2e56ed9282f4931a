/**
 * Changing things through the control API. Whoever is not signed in any more is led to the page that asks for the
 * control token, and comes back to this one.
 */

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
  return answered(await send(method, path, body));
}

async function answered(response) {
  if (response.ok) return response.status === 204 ? null : response.json();
  const problem = await readProblem(response);
  if (problem.code === "token_required") signIn();
  throw new ProblemError(problem, response.status);
}

/** The same with a text as the body. */
export async function controlText(method, path, text, type) {
  return answered(await fetched(path, { method, headers: { "Content-Type": type }, body: text }));
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

async function readProblem(response) {
  const type = response.headers.get("Content-Type") ?? "";
  return type.includes("json") ? response.json() : { title: `The service answered ${response.status}.` };
}
