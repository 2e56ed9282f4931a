// The page's connection to the service: connects when it is first needed, and again when it is lost.

import { encodeFrames, frameSize } from "./wire.js";

// Bytes of sound that wait for a connection, or in it, before sound is dropped: some 16 s of one track.
const WAITING = 512 * 1024;
const PART = 64 * 1024;
// Blocks of all tracks arrive together, and go in one message.
const TOGETHER = 5;
// Milliseconds between attempts to connect.
const WAITS = [100, 250, 500, 1000, 2000, 4000];
// Close codes from which on there is nothing to connect to: another page is the bot's, or the bot is no more.
const FINAL = [4001, 4002];

export class Uplink {
  #open;
  #timers;
  #hello;
  #receive;
  #socket = null;
  #isFinal = false;
  #attempts = 0;
  #number = 0;
  #frames = [];
  #bytes = 0;
  #isFlushing = false;

  /** Whether the service has been sent the hello. */
  isOpen = false;

  /** open: returns a WebSocket. hello: returns the first text. receive: called with each message.
   * timers: {set(callback, milliseconds)}. */
  constructor({ open, hello, receive, timers }) {
    this.#open = open;
    this.#hello = hello;
    this.#receive = receive;
    this.#timers = timers;
  }

  start() {
    if (this.#socket || this.#isFinal) return;
    const socket = this.#open();
    this.#socket = socket;
    socket.binaryType = "arraybuffer";
    socket.onopen = () => {
      this.#attempts = this.#number = 0;
      socket.send(JSON.stringify({ type: "hello", ...this.#hello() }));
      this.isOpen = true;
      this.#flush();
    };
    socket.onmessage = ({ data }) => this.#receive(data);
    socket.onclose = ({ code }) => {
      this.#socket = null;
      this.isOpen = false;
      this.#isFinal = FINAL.includes(code);
      const wait = WAITS[Math.min(this.#attempts, WAITS.length - 1)];
      this.#attempts += 1;
      if (!this.#isFinal) this.#timers.set(() => this.start(), wait);
    };
  }

  /** Sends a text; without a connection the next hello has what it says. */
  send(text) {
    this.start();
    if (this.isOpen) {
      this.#flush(); // a track's last sound is before its end
      this.#socket.send(JSON.stringify(text));
    }
  }

  /** Sends a frame of sound, soon. Without room the oldest is dropped, which its numbers show. */
  sendSound(frame) {
    if (this.#isFinal) return;
    this.start();
    this.#frames.push(frame);
    this.#bytes += frameSize(frame);
    while (this.#bytes > WAITING) this.#bytes -= frameSize(this.#frames.shift());
    if (this.#isFlushing) return;
    this.#isFlushing = true;
    this.#timers.set(() => {
      this.#isFlushing = false;
      this.#flush();
    }, TOGETHER);
  }

  #flush() {
    while (this.#frames.length && this.isOpen && this.#socket.bufferedAmount < WAITING) {
      let count = 0;
      let size = 0;
      while (count < this.#frames.length && size < PART) size += frameSize(this.#frames[count++]);
      this.#bytes -= size;
      this.#socket.send(encodeFrames(this.#number, this.#frames.splice(0, count)));
      this.#number += 1;
    }
  }
}
