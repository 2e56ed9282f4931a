/**
 * The state of a topic. Where the topic has none, or there is no such topic, the state is requested over HTTP, again and
 * again while the page is shown: bots may be switched off, or the bot is unknown, and the response says why.
 */

import { Polling } from "../polling.js";

/** Between two requests while the topic has no state (ms). */
const AGAIN_AFTER = 4_000;

export class Feed {
  #socket;
  #topic;
  #path;
  #polling;

  /** `fetch(path)` resolves to the same state as the topic's, or rejects. */
  constructor(socket, { topic, path, fetch }) {
    this.#socket = socket;
    this.#topic = topic;
    this.#path = path;
    this.#polling = new Polling({ fetch, interval: AGAIN_AFTER });
  }

  /** Call `onData(state)` with each state, and `onError(error)` where there is none. Returns the function that ends it. */
  follow({ onData, onError }) {
    const request = () => this.#polling.poll(this.#path, ({ data, error }) => (error === null ? onData(data) : onError(error)));
    const rejected = ({ detail: { code } }) => {
      if (code === "unknown_topic") request();
    };
    this.#socket.addEventListener("complaint", rejected);
    const unsubscribe = this.#socket.onTopic(this.#topic, (state) => {
      if (state === null) {
        request();
        return;
      }
      this.#polling.stop();
      onData(state);
    });
    return () => {
      this.#socket.removeEventListener("complaint", rejected);
      unsubscribe();
      this.#polling.stop();
    };
  }
}
