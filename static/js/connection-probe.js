/** Finds out over HTTP why the live connection fails. */

import { diagnose } from "./models/connection-diagnosis.js";

/** A response that takes longer counts as none (ms). */
const RESPONSE_LIMIT = 5_000;
/** Characters of a response that are read: a proxy's page may be long. */
const TEXT_LIMIT = 4_000;

/** Resolves to the diagnosis of models/connection-diagnosis.js. */
export async function probeConnection(fetch = globalThis.fetch) {
  const alive = await request(fetch, "/livez");
  return diagnose({ alive, socket: alive === null ? null : await request(fetch, "/ws") });
}

async function request(fetch, path) {
  try {
    const response = await fetch(path, { cache: "no-store", signal: AbortSignal.timeout(RESPONSE_LIMIT) });
    return { status: response.status, text: (await response.text()).slice(0, TEXT_LIMIT) };
  } catch {
    return null; // no response, or not in time: that is a result too
  }
}
