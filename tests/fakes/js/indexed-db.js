/** An IndexedDB of one database in memory: as much as stores with a key path need. */

const later = (run) => setImmediate(run);

class Request extends EventTarget {
  result;
  error = null;

  end(result) {
    later(() => {
      this.result = result;
      this.dispatchEvent(new Event("success"));
    });
    return this;
  }
}

class Store {
  #rows;
  #keyPath;

  constructor(transaction, rows, keyPath) {
    this.transaction = transaction;
    this.#rows = rows;
    this.#keyPath = keyPath;
  }

  getAll() {
    return new Request().end([...this.#rows.values()].map((row) => structuredClone(row)));
  }

  put(row) {
    this.transaction.change(() => this.#rows.set(row[this.#keyPath], structuredClone(row)));
    return new Request().end(row[this.#keyPath]);
  }

  delete(key) {
    this.transaction.change(() => this.#rows.delete(key));
    return new Request().end(undefined);
  }

  clear() {
    this.transaction.change(() => this.#rows.clear());
    return new Request().end(undefined);
  }
}

class Transaction extends EventTarget {
  error = null;
  #changes = [];
  #database;

  constructor(database, mode) {
    super();
    this.#database = database;
    later(() => later(() => this.#end(mode)));
  }

  objectStore(name) {
    const { rows, keyPath } = this.#database.stores.get(name);
    return new Store(this, rows, keyPath);
  }

  change(apply) {
    this.#changes.push(apply);
  }

  #end() {
    if (this.#changes.length > 0 && this.#database.isFull) {
      this.error = new DOMException("The quota has been exceeded.", "QuotaExceededError");
      this.dispatchEvent(new Event("abort"));
      return;
    }
    for (const apply of this.#changes) apply();
    this.dispatchEvent(new Event("complete"));
  }
}

export class FakeIndexedDB {
  /** {name: {rows: Map, keyPath}}. */
  stores = new Map();
  isFull = false;
  opened = 0;
  closed = 0;

  open() {
    const request = new Request();
    const isNew = this.stores.size === 0;
    const database = {
      createObjectStore: (name, { keyPath }) => this.stores.set(name, { rows: new Map(), keyPath }),
      transaction: (_name, mode) => new Transaction(this, mode),
      close: () => (this.closed += 1),
    };
    this.opened += 1;
    request.result = database;
    later(() => {
      if (isNew) request.dispatchEvent(new Event("upgradeneeded"));
      request.end(database);
    });
    return request;
  }
}
