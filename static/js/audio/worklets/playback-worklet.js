/** Plays the samples that arrive at a port which the page passes in. */

import { SoundQueue } from "../kernels/sound-queue.js";

class Playback extends AudioWorkletProcessor {
  #queue = new SoundQueue(sampleRate, Math.round(0.15 * sampleRate));
  #isOpen = true;

  constructor() {
    super();
    this.port.onmessage = ({ data }) => {
      if (data.source) data.source.onmessage = (event) => (event.data === "clear" ? this.#queue.clear() : this.#queue.push(event.data));
      if (data.isOpen === false) this.#isOpen = false;
    };
  }

  process(_inputs, [[out, ...others]]) {
    if (out === undefined) return this.#isOpen;
    this.#queue.fill(out);
    for (const other of others) other.set(out);
    return this.#isOpen;
  }
}

registerProcessor("playback", Playback);
