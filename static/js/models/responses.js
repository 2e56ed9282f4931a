/**
 * Tells the service's responses from others'. Pure. The service rejects with problem documents that have a `code`; a
 * proxy, a load balancer or a network's sign-in page uses the same statuses with other bodies.
 */

/** The JSON object in a text, or null. */
export function parseObject(text) {
  try {
    const value = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? value : null;
  } catch {
    // Not JSON: an HTML page.
    return null;
  }
}

/** The service's problem document in the text of a response, or null: then something else responded. */
export function parseProblem(text) {
  const problem = parseObject(text);
  if (problem === null || typeof problem.code !== "string" || problem.code === "") return null;
  return [problem.detail, problem.title].some((words) => typeof words === "string" && words !== "") ? problem : null;
}

/** The seconds of a Retry-After header, which is a number or a date; null without one. `now`: epoch ms. */
export function retryAfterSeconds(header, now) {
  if (header === null) return null;
  if (/^\d{1,6}$/.test(header.trim())) return Number(header);
  const at = header.endsWith(" GMT") ? Date.parse(header) : NaN;
  return Number.isNaN(at) ? null : Math.max(0, Math.ceil((at - now) / 1000));
}

/** For readers: what a response means that is not the service's, as a text {key, values} of the catalogue. */
export function foreignResponse(status) {
  return { key: foreignResponseKey(status), values: { status: String(status) } };
}

/**
 * Why a request failed, in the language of `texts`. `status`: of the response, 0 where there was none; `code` and `detail`:
 * those of the service's problem, "" where something else responded.
 */
export function failureText({ status, code = "", detail = "" }, texts) {
  if (code !== "") return texts.coded({ code, detail });
  if (status === 0) return texts.text("connection.unreachable");
  const { key, values } = foreignResponse(status);
  return texts.text(key, values);
}

function foreignResponseKey(status) {
  if (status >= 200 && status < 400) return "response.sign_in";
  if (status === 401 || status === 403 || status === 407) return "response.rejected";
  if (status === 429) return "response.too_many";
  return status === 502 || status === 503 || status === 504 ? "response.no_response" : "response.other";
}

/** For operators, in English: what a response means that is not the service's, and what to do, by its `status`. */
export function foreignResponseText(status) {
  if (status >= 200 && status < 400) return `Something between this page and the service responded in its place (${status}), perhaps a network that requires a sign-in. Open another page, sign in there, and try again.`;
  if (status === 401 || status === 403 || status === 407) return `A proxy in front of the service rejected the request (${status}). Sign in there, or ask its administrator.`;
  if (status === 429) return "A proxy in front of the service accepts no more requests from here for now (429). Try again in a minute.";
  if (status === 502 || status === 503 || status === 504) return `A proxy in front of the service got no response from it (${status}). Try again in a moment.`;
  return `A proxy in front of the service responded with ${status} in its place. Ask its administrator why.`;
}
