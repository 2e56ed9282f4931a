/** Sends what a microphone delivers, unchanged, to the page: {channels: Float32Arrays} of about 85 ms at 48 kHz. */

const BLOCK = 4_096;

class Record extends AudioWorkletProcessor {
  #channels = [];
  #filled = 0;
  #isOpen = true;

  constructor() {
    super();
    this.port.onmessage = () => {
      this.#send();
      this.port.postMessage("flushed");
      this.#isOpen = false;
    };
  }

  process([channels]) {
    if (!this.#isOpen || channels.length === 0) return this.#isOpen;
    // A device that changes its count of channels begins a block.
    if (channels.length !== this.#channels.length) this.#send(channels.length);
    channels.forEach((samples, index) => this.#channels[index].set(samples, this.#filled));
    this.#filled += channels[0].length;
    if (this.#filled + channels[0].length > BLOCK) this.#send(channels.length);
    return this.#isOpen;
  }

  #send(count = this.#channels.length) {
    if (this.#filled > 0) {
      const channels = this.#channels.map((samples) => samples.slice(0, this.#filled));
      this.port.postMessage({ channels }, channels.map(({ buffer }) => buffer));
    }
    this.#filled = 0;
    if (count !== this.#channels.length) this.#channels = Array.from({ length: count }, () => new Float32Array(BLOCK));
  }
}

registerProcessor("record", Record);
