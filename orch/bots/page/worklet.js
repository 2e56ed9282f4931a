// The page's audio thread: one processor for each track, one for the microphone.

import { SoundKernel } from "./sound_kernel.js";
import { SpeechKernel } from "./speech_kernel.js";

class Sound extends AudioWorkletProcessor {
  #kernel = new SoundKernel();
  #isOpen = true;

  constructor() {
    super();
    this.port.onmessage = ({ data }) => {
      if (data === "end") this.#isOpen = false;
      else this.#kernel.taken();
    };
  }

  process([channels], [output]) {
    const block = this.#kernel.process(currentFrame, output[0].length, channels[0], Date.now());
    if (block) this.port.postMessage(block, block.samples ? [block.samples.buffer] : []);
    return this.#isOpen;
  }
}

class Speech extends AudioWorkletProcessor {
  #kernel = new SpeechKernel();
  #reported = 0;

  constructor() {
    super();
    this.port.onmessage = ({ data }) => {
      if (data.samples) this.#kernel.add(data.number, data.samples);
      else this.#kernel.hush(data.number);
    };
  }

  process(_inputs, [output]) {
    const played = this.#kernel.fill(output[0]);
    // Reports every 64 ms; the end of what there is, at once.
    if (played && (played.isEmpty || currentFrame - this.#reported >= 1024)) {
      this.#reported = currentFrame;
      this.port.postMessage(played);
    }
    return true;
  }
}

registerProcessor("orch-sound", Sound);
registerProcessor("orch-speech", Speech);
