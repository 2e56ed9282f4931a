/** Asks the service over HTTP why the live connection to it does not come about. */

import { verdict } from "./models/connection-diagnosis.js";

/** An answer that takes longer is none (ms). */
const PATIENCE = 5_000;
/** Characters of an answer that are looked at: a proxy's page may be long. */
const LOOKED_AT = 4_000;

/** The verdict of models/connection-diagnosis.js. */
export async function probeConnection(fetch = globalThis.fetch) {
  const alive = await asked(fetch, "/livez");
  return verdict({ alive, socket: alive === null ? null : await asked(fetch, "/ws") });
}

async function asked(fetch, path) {
  try {
    const answer = await fetch(path, { cache: "no-store", signal: AbortSignal.timeout(PATIENCE) });
    return { status: answer.status, text: (await answer.text()).slice(0, LOOKED_AT) };
  } catch {
    return null; // nobody answers, or not in time: that is what was to be found out
  }
}
