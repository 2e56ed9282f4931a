/** How loud a block of samples is, in dBFS (0 dB: a full-scale square wave; full-scale sine: −3 dB RMS). Pure. */

/** The level of silence: the step of 16-bit audio is −90 dB. */
export const FLOOR_DB = -90;

/** An amplitude (1 = full scale) in dBFS, not below the floor. */
export function decibels(amplitude) {
  return amplitude > 0 ? Math.max(FLOOR_DB, 20 * Math.log10(amplitude)) : FLOOR_DB;
}

/** RMS and peak of a block in dBFS. Int16Array counts 32768 as full scale, Float32Array 1. */
export function measure(samples) {
  const scale = samples instanceof Int16Array ? 1 / 32_768 : 1;
  let sum = 0;
  let peak = 0;
  for (const sample of samples) {
    sum += sample * sample;
    peak = Math.max(peak, Math.abs(sample));
  }
  const rms = samples.length > 0 ? Math.sqrt(sum / samples.length) : 0;
  return { rms: decibels(rms * scale), peak: decibels(peak * scale) };
}

/**
 * What a meter shows of the blocks given to it: the level rises at once and falls by `fall` dB a second; the
 * peak is held for `hold` seconds.
 */
export class LevelMeter {
  #fall;
  #hold;
  #at = null;
  #peakAt = 0;
  #level = FLOOR_DB;
  #peak = FLOOR_DB;

  constructor({ fall = 30, hold = 1.5 } = {}) {
    this.#fall = fall;
    this.#hold = hold;
  }

  /** `now` in seconds. Returns {level, peak} in dBFS. */
  add(samples, now) {
    const { rms, peak } = measure(samples);
    const passed = this.#at === null ? 0 : Math.max(0, now - this.#at);
    this.#at = now;
    this.#level = Math.max(rms, this.#level - this.#fall * passed, FLOOR_DB);
    if (peak >= this.#peak || now - this.#peakAt > this.#hold) {
      this.#peak = peak;
      this.#peakAt = now;
    }
    // The level falls slowly: the peak is never shown below it.
    return { level: this.#level, peak: Math.max(this.#peak, this.#level) };
  }
}

/** A working microphone delivers noise: this many seconds of digital silence mean that it is muted. */
const SILENT_AFTER = 10;
/** The last bit may be dither. */
const NOTHING = 1;

/** A switch on the device may leave a little noise: this many seconds below −60 dB may mean that it is muted, too. */
const QUIET_AFTER = 15;
const QUIET = 32;

/** Detects an open microphone that is probably muted, from Int16Array blocks: digital silence, or almost no sound. */
export class SilenceWatch {
  #silentSince = null;
  #quietSince = null;

  /** Add a block; `now` in seconds. Returns whether the microphone has been silent for that long. */
  add(samples, now) {
    let peak = 0;
    for (const sample of samples) peak = Math.max(peak, Math.abs(sample));
    this.#silentSince = peak > NOTHING ? null : (this.#silentSince ?? now);
    this.#quietSince = peak > QUIET ? null : (this.#quietSince ?? now);
    return isOver(this.#silentSince, SILENT_AFTER, now) || isOver(this.#quietSince, QUIET_AFTER, now);
  }
}

const isOver = (since, seconds, now) => since !== null && now - since >= seconds;

/** dBFS as a share of a meter from `from` to 0 dB: 0–1. */
export function share(level, from = -60) {
  return Math.min(1, Math.max(0, (level - from) / -from));
}

/** "−21 dB", with a true minus; at the floor "silent" in the language of `texts`. */
export function levelText(level, texts) {
  return level <= FLOOR_DB ? texts.text("microphone.is_silent") : `${Math.round(level) < 0 ? "−" : ""}${Math.abs(Math.round(level))} dB`;
}
