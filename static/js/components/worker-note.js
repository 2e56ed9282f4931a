/** Where there are several workers: whose figures a page shows. */

import { workerLabel } from "../models/workers.js";
import { byId, setText } from "./dom.js";

/** Say it in `#whose`, and nothing where there is one worker. `words(who, many)`: who this page talks to, how many. */
export function showWorkerNote(socket, words) {
  return socket.onTopic("workers", ({ workers }) => {
    const all = workers.map(({ worker }) => worker);
    const here = workers.find(({ here: is }) => is);
    byId("worker-note").hidden = all.length < 2;
    setText(byId("worker-note"), all.length < 2 || here === undefined ? "" : words(workerLabel(here.worker, all), all.length));
  });
}
