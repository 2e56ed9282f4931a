/** Stores runs in the browser's IndexedDB, within the limits of models/run-history.js. Where that is forbidden or full, it says so. */

import { bytesOf, dropsFor } from "./models/run-history.js";

const NAME = "livetranslate-test-audio";
const STORE = "runs";

const done = (request) =>
  new Promise((resolve, reject) => {
    request.addEventListener("success", () => resolve(request.result), { once: true });
    request.addEventListener("error", () => reject(request.error), { once: true });
  });

const completed = (transaction) =>
  new Promise((resolve, reject) => {
    transaction.addEventListener("complete", () => resolve(), { once: true });
    for (const name of ["abort", "error"]) transaction.addEventListener(name, () => reject(transaction.error), { once: true });
  });

export class RunStorage {
  #factory;
  #database = null;

  constructor(factory = globalThis.indexedDB) {
    this.#factory = factory;
  }

  /** All runs, newest first. Rejects where the browser stores nothing. */
  async all() {
    const runs = await done((await this.#store("readonly")).getAll());
    return runs.sort((first, second) => second.at - first.at);
  }

  /** Store a run. Resolves to {dropped: count of older runs, fits}; rejects where the browser has no room. */
  async add(run) {
    const stored = (await this.all()).map((each) => ({ id: each.id, at: each.at, bytes: bytesOf(each) }));
    const { drops, fits } = dropsFor(bytesOf(run), stored.filter(({ id }) => id !== run.id));
    if (!fits) return { dropped: 0, fits };
    const store = await this.#store("readwrite");
    for (const id of drops) store.delete(id);
    store.put(run);
    await completed(store.transaction);
    return { dropped: drops.length, fits };
  }

  async delete(id) {
    const store = await this.#store("readwrite");
    store.delete(id);
    await completed(store.transaction);
  }

  async clear() {
    const store = await this.#store("readwrite");
    store.clear();
    await completed(store.transaction);
  }

  close() {
    this.#database?.then((database) => database.close()).catch(() => null);
    this.#database = null;
  }

  async #store(mode) {
    this.#database ??= this.#open();
    return (await this.#database).transaction(STORE, mode).objectStore(STORE);
  }

  #open() {
    if (!this.#factory) return Promise.reject(new Error("This browser has no IndexedDB here."));
    const request = this.#factory.open(NAME, 1);
    request.addEventListener("upgradeneeded", () => request.result.createObjectStore(STORE, { keyPath: "id" }));
    return done(request);
  }
}
