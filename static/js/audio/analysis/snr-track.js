/**
 * The noise floor and the signal-to-noise ratio of a stream over time, by its voice activity.
 *
 *     N = mean power of the frames without speech      S = mean power of the frames with speech, less N
 *     floor = 10 log10 N  [dBFS]                       SNR = 10 log10(S / N)  [dB]
 *
 * Frames of 20 ms, those of the last 6 s. A frame has speech where its mean confidence is 0.5 or more, and none where
 * it is below 0.2 and outside a segment of speech; the others count for neither. There is no ratio, but a reason,
 * where one of both is missing or the noise is not stationary: the levels of its frames spread (standard deviation)
 * by more than 4 dB; white noise has 0.2 dB, a fan about 1 dB, babble and keys 5 dB and more.
 *
 * The confidence is 1 for two seconds of each and noise that does not vary; it falls in proportion to less, and to 0.5
 * with a spread of 4 dB.
 */

export const FRAME_SECONDS = 0.02;
const FRAMES = 300;
const LEAST_FRAMES = 15;
const FULL_FRAMES = 100;
const STATIONARY_DB = 4;
const SPEECH_FROM = 0.5;
const NOISE_BELOW = 0.2;
/** Digital silence counts as this power: −130 dBFS. */
const LEAST_POWER = 1e-13;

const toDb = (power) => 10 * Math.log10(Math.max(power, LEAST_POWER));

/** What there is before anything is known. */
const UNKNOWN = { snrDb: null, floorDb: null, confidence: 0 };

export class SnrTrack {
  #frames = [];

  /** Add a frame: its power (mean square), mean confidence (null: the VAD stage is off), and whether it is speech. */
  add(power, confidence, speech) {
    this.#frames.push({ power, confidence, speech });
    if (this.#frames.length > FRAMES) this.#frames.shift();
  }

  /** {snrDb, floorDb, confidence: 0…1, reason: why there is no ratio, or ""}. */
  get value() {
    const known = this.#frames.filter(({ confidence }) => confidence !== null);
    if (this.#frames.length < LEAST_FRAMES) return { ...UNKNOWN, reason: "too little sound so far" };
    if (known.length < LEAST_FRAMES) return { ...UNKNOWN, reason: "the VAD stage is off, so speech and noise cannot be told apart" };
    const noise = known.filter(({ confidence, speech }) => confidence < NOISE_BELOW && !speech);
    const voice = known.filter(({ confidence }) => confidence >= SPEECH_FROM);
    if (noise.length < LEAST_FRAMES) return { ...UNKNOWN, reason: "no pause in the last 6 s" };
    const floor = mean(noise.map(({ power }) => power));
    const levels = noise.map(({ power }) => toDb(power));
    const spread = deviation(levels);
    const floorDb = toDb(floor);
    const steady = Math.max(0, 1 - spread / (2 * STATIONARY_DB));
    const floorConfidence = Math.min(1, noise.length / FULL_FRAMES) * steady;
    if (spread > STATIONARY_DB) return { snrDb: null, floorDb, confidence: floorConfidence, reason: `the noise is not stationary: its level varies by ${spread.toFixed(1)} dB` };
    if (voice.length < LEAST_FRAMES) return { snrDb: null, floorDb, confidence: floorConfidence, reason: "no speech in the last 6 s" };
    const signal = mean(voice.map(({ power }) => power)) - floor;
    if (signal <= 0) return { snrDb: null, floorDb, confidence: floorConfidence, reason: "speech is not louder than the noise" };
    const snrDb = 10 * Math.log10(signal / Math.max(floor, LEAST_POWER));
    return { snrDb, floorDb, confidence: floorConfidence * Math.min(1, voice.length / FULL_FRAMES), reason: "" };
  }
}

const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;

function deviation(values) {
  const centre = mean(values);
  return Math.sqrt(mean(values.map((value) => (value - centre) ** 2)));
}

/** The power of each frame of a stream. */
export class FramePowers {
  #length;
  #sum = 0;
  #count = 0;

  constructor(sampleRate) {
    this.#length = Math.round(sampleRate * FRAME_SECONDS);
  }

  /** Take in samples; returns the powers of the frames that they completed. */
  add(block) {
    const powers = [];
    for (let n = 0; n < block.length; n += 1) {
      this.#sum += block[n] * block[n];
      this.#count += 1;
      if (this.#count === this.#length) {
        powers.push(this.#sum / this.#length);
        this.#sum = 0;
        this.#count = 0;
      }
    }
    return powers;
  }
}
