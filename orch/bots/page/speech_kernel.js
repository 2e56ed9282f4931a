// Plays the bot's speech on the audio thread: silence, unless there are samples.

// Samples that are queued at most; the service sends a second ahead.
const LONGEST = 64_000;

export class SpeechKernel {
  #parts = [];
  #at = 0;
  #queued = 0;
  #number = 0;
  #played = 0;

  /** Queues samples (Int16Array) of a speech. */
  add(number, samples) {
    if (number !== this.#number) this.#begin(number);
    if (this.#queued + samples.length > LONGEST) return;
    this.#parts.push(samples);
    this.#queued += samples.length;
  }

  /** Ends a speech at once. */
  hush(number) {
    if (number === this.#number) this.#begin(0);
  }

  /** Fills an output. Returns {number, samples, isEmpty} when something was played, else null. */
  fill(output) {
    if (!this.#queued) return null;
    let filled = 0;
    while (filled < output.length && this.#parts.length) {
      const part = this.#parts[0];
      const count = Math.min(output.length - filled, part.length - this.#at);
      for (let index = 0; index < count; index += 1) output[filled + index] = part[this.#at + index] / 32_768;
      filled += count;
      this.#at += count;
      if (this.#at === part.length) {
        this.#parts.shift();
        this.#at = 0;
      }
    }
    this.#queued -= filled;
    this.#played += filled;
    return { number: this.#number, samples: this.#played, isEmpty: this.#queued === 0 };
  }

  #begin(number) {
    this.#parts = [];
    this.#at = this.#queued = this.#played = 0;
    this.#number = number;
  }
}
