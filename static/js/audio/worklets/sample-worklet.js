/**
 * Sends what a source plays to a port that the page passes in: one array for each channel, of about 10 ms. More than two
 * channels are mixed to one.
 */

const MOST = 2;

class Samples extends AudioWorkletProcessor {
  #length = 128 * Math.max(1, Math.round((0.01 * sampleRate) / 128));
  #blocks = [];
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
    const count = channels.length > MOST ? 1 : channels.length;
    // A device that changes its channels begins a block.
    if (count !== this.#blocks.length) this.#begin(count);
    const [first] = channels;
    if (channels.length > MOST) for (let n = 0; n < first.length; n += 1) this.#blocks[0][this.#filled + n] = channels.reduce((sum, channel) => sum + channel[n], 0) / channels.length;
    else channels.forEach((channel, index) => this.#blocks[index].set(channel, this.#filled));
    this.#filled += first.length;
    if (this.#filled === this.#length) this.#send();
    return this.#isOpen;
  }

  #begin(count) {
    this.#blocks = Array.from({ length: count }, () => new Float32Array(this.#length));
    this.#filled = 0;
  }

  #send() {
    const blocks = this.#blocks;
    this.#target.postMessage(blocks, blocks.map(({ buffer }) => buffer));
    this.#begin(blocks.length);
  }
}

registerProcessor("samples", Samples);
