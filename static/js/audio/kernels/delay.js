/** Delays samples by a whole number of samples; the twin of orch/audio/stages/delay.py. */

/** A delay of `length` samples. What `process` returns is valid until its next call. */
export class Delay {
  #ring;
  #at = 0;
  #out;
  #Numbers;

  constructor(length, Numbers = Float32Array) {
    this.#ring = new Numbers(length);
    this.#out = new Numbers(128);
    this.#Numbers = Numbers;
  }

  get length() {
    return this.#ring.length;
  }

  /** Continue with what another one of the same length holds. */
  adopt(other) {
    this.#ring.set(other.#ring);
    this.#at = other.#at;
  }

  process(block) {
    const ring = this.#ring;
    if (ring.length === 0) return block;
    if (this.#out.length !== block.length) this.#out = new this.#Numbers(block.length);
    const out = this.#out;
    let at = this.#at;
    for (let index = 0; index < block.length; index += 1) {
      out[index] = ring[at];
      ring[at] = block[index];
      at = at + 1 === ring.length ? 0 : at + 1;
    }
    this.#at = at;
    return out;
  }
}

/** Delays the activity track of the VAD stage: {confidence: Float32Array, speech: Uint8Array}. */
export class ActivityDelay {
  #confidence;
  #speech;

  constructor(length) {
    this.#confidence = new Delay(length);
    this.#speech = new Delay(length, Uint8Array);
  }

  process({ confidence, speech }) {
    return { confidence: this.#confidence.process(confidence), speech: this.#speech.process(speech) };
  }
}

/** The activity of `count` samples without speech. */
export function noActivity(count) {
  return { confidence: new Float32Array(count), speech: new Uint8Array(count) };
}
