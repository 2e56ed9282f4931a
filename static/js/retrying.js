/** Repeats requests that the service refused because it is busy, when it says that they may be tried again. */

import { ProblemError } from "./control-api.js";

/** A request is sent at most so often: with the service's usual wait of 5 s it gives up after a minute and a half. */
export const MOST_TRIES = 20;

/** Whether the service refused only for now, and said for how long: 429 or 503 with Retry-After. */
export function isBusy(error) {
  return error instanceof ProblemError && (error.status === 429 || error.status === 503) && error.retryAfter !== null;
}

/** Resolves to the result of `send()`; before each further try `wait(error)` is awaited. Rejects as both do. */
export async function retrying(send, { wait, most = MOST_TRIES }) {
  for (let tries = 1; ; tries += 1) {
    try {
      return await send();
    } catch (error) {
      if (!isBusy(error) || tries === most) throw error;
      await wait(error);
    }
  }
}
