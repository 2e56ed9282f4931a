/** Sends what a source plays, mixed to one channel, in blocks of about 10 ms to a port that the page passes in. */

class Samples extends AudioWorkletProcessor {
  #length = 128 * Math.max(1, Math.round((0.01 * sampleRate) / 128));
  #block = new Float32Array(this.#length);
  #filled = 0;
  #target = null;
  #isOpen = true;

  constructor() {
    super();
    this.port.onmessage = ({ data }) => {
      if (data.target) this.#target = data.target;
      if (data.isOpen === false) this.#isOpen = false;
    };
  }

  process([channels]) {
    if (this.#target === null || channels.length === 0) return this.#isOpen;
    const count = channels[0].length;
    for (let n = 0; n < count; n += 1) {
      let sum = 0;
      for (const channel of channels) sum += channel[n];
      this.#block[this.#filled] = sum / channels.length;
      this.#filled += 1;
      if (this.#filled === this.#length) this.#send();
    }
    return this.#isOpen;
  }

  #send() {
    const block = this.#block;
    this.#target.postMessage(block, [block.buffer]);
    this.#block = new Float32Array(this.#length);
    this.#filled = 0;
  }
}

registerProcessor("samples", Samples);
