/** Where there are several workers: whose figures a page shows. */

import { workerLabel } from "../models/workers.js";
import { byId, setText } from "./dom.js";

/** Say it in `#whose`, and nothing where there is one worker. `words(who, many)`: who this page talks to, how many. */
export function showWhose(socket, words) {
  return socket.onTopic("workers", ({ workers }) => {
    const all = workers.map(({ worker }) => worker);
    const here = workers.find(({ here: is }) => is);
    byId("whose").hidden = all.length < 2;
    setText(byId("whose"), all.length < 2 || here === undefined ? "" : words(workerLabel(here.worker, all), all.length));
  });
}
