/** A WebSocket without a network: a test plays the server's part. */
export class FakeWebSocket extends EventTarget {
  binaryType = "blob";
  bufferedAmount = 0;
  sent = [];
  blocks = [];
  closedBy = null;

  constructor(url) {
    super();
    this.url = url;
  }

  send(data) {
    if (this.closedBy) throw new Error("sent after close");
    if (typeof data === "string") this.sent.push(JSON.parse(data));
    else this.blocks.push(data);
  }

  /** By the client. A real socket tells its own close later; a dead network never does. */
  close(code) {
    this.closedBy ??= { by: "client", code };
  }

  /** The server says something. */
  say(message) {
    this.dispatchEvent(Object.assign(new Event("message"), { data: JSON.stringify({ timestamp: 0, ...message }) }));
  }

  greet(more = {}) {
    this.say({ type: "connected", connection_id: "c1", server_time: 0, ping_interval: 25, recovery_window: 1800, ...more });
  }

  /** The connection ends. */
  drop(code = 1006, reason = "") {
    this.closedBy = { by: "server", code };
    this.dispatchEvent(Object.assign(new Event("close"), { code, reason }));
  }

  /** The last message of this type that the client sent. */
  last(type) {
    return this.sent.findLast((message) => message.type === type);
  }

  count(type) {
    return this.sent.filter((message) => message.type === type).length;
  }
}

/** A class whose instances are kept in `made`, newest last. */
export function fakeWebSockets() {
  const made = [];
  class WebSocketClass extends FakeWebSocket {
    /** Called with each that is made. */
    static onMade = null;

    constructor(url) {
      super(url);
      made.push(this);
      WebSocketClass.onMade?.(this);
    }
  }
  return { WebSocketClass, made, newest: () => made[made.length - 1] };
}

/** sessionStorage without a browser. */
export class FakeStorage {
  #items = new Map();

  getItem(key) {
    return this.#items.get(key) ?? null;
  }

  setItem(key, value) {
    this.#items.set(key, String(value));
  }

  removeItem(key) {
    this.#items.delete(key);
  }

  /** What a duplicated tab starts with. */
  copy() {
    const copy = new FakeStorage();
    for (const [key, value] of this.#items) copy.setItem(key, value);
    return copy;
  }
}
