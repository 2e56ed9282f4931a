/** Runs audio/kernels/capture.js on the audio thread and sends each block, an ArrayBuffer of PCM, to the page. */

import { CaptureKernel } from "../kernels/capture.js";

class Capture extends AudioWorkletProcessor {
  #kernel;
  #open = true;

  constructor({ processorOptions }) {
    super();
    this.#kernel = new CaptureKernel({ inputRate: sampleRate, blockMs: processorOptions.blockMs });
    this.port.onmessage = ({ data }) => {
      if (data !== "flush") return;
      this.#send(this.#kernel.flush());
      this.port.postMessage("flushed");
      this.#open = false;
    };
  }

  process([channels]) {
    if (this.#open) this.#send(this.#kernel.process(channels));
    return this.#open;
  }

  #send(blocks) {
    for (const { buffer } of blocks) this.port.postMessage(buffer, [buffer]);
  }
}

registerProcessor("capture", Capture);
