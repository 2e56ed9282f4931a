/**
 * The session that this tab is in, stored for a reload and for the tab's other pages: the navigation leads back to
 * it. `wasSpeaking` tells a reload that the page before closed a microphone.
 */

import { readStoredLink } from "./session-link.js";

const KEY = "translation:session";
const SPEAKING = "translation:speaking";

export class TabSession {
  #storage;

  /** `storage`: sessionStorage, or null where the reader's settings forbid it; then nothing is stored. */
  constructor(storage) {
    this.#storage = storage;
  }

  /** {session_id, key, role}, or null. */
  read() {
    return readStoredLink(this.#get(KEY));
  }

  write({ session_id, key, role }) {
    this.#set(KEY, JSON.stringify({ session_id, key, role }));
  }

  forget() {
    this.#set(KEY, null);
    this.#set(SPEAKING, null);
  }

  /** Whether the microphone was open in `session_id` when the last page was left. Reading it clears it. */
  wasSpeaking(session_id) {
    const was = this.#get(SPEAKING);
    this.#set(SPEAKING, null);
    return was !== null && was === session_id;
  }

  /** Store the session in which the microphone is open; null: in none. */
  setSpeaking(session_id) {
    this.#set(SPEAKING, session_id);
  }

  #get(key) {
    try {
      return this.#storage?.getItem(key) ?? null;
    } catch {
      return null;
    }
  }

  #set(key, value) {
    try {
      if (value === null) this.#storage?.removeItem(key);
      else this.#storage?.setItem(key, value);
    } catch {
      // Full or forbidden: the address still has the session; the navigation does not.
    }
  }
}
