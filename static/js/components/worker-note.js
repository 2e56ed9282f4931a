/** Where there are several workers, the note that names the worker whose figures a page shows. */

import { workerLabel } from "../models/workers.js";
import { byId, setText } from "./dom.js";

/**
 * Keep `#worker-note` up to date; it is hidden where there is one worker. `text(label, workers)`: the note for the
 * worker this page is connected to, and the number of workers. Returns the function that ends it.
 */
export function showWorkerNote(socket, text) {
  return socket.onTopic("workers", ({ workers }) => {
    const all = workers.map(({ worker }) => worker);
    const own = workers.find(({ here }) => here);
    byId("worker-note").hidden = all.length < 2;
    setText(byId("worker-note"), all.length < 2 || own === undefined ? "" : text(workerLabel(own.worker, all), all.length));
  });
}
