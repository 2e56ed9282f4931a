/**
 * Trims silence and shortens pauses: orch/audio/stages/silence.py, where the rules are.
 *
 * `process` returns the samples that are certain to stay, fewer or more than it was given. `cuts` has what the last call
 * removed: [{output, inputFrom, inputTo}], in samples since the first; `breaks` of a time map are output and inputTo.
 */

const FRAME_SECONDS = 0.01;
const FADE_SECONDS = 0.005;
const LONGEST_BREATH = 0.6;
const LONGEST_END = 10;
const SILENCE_DB = -120;
const NOTHING = new Float32Array(0);

const SILENCE = 0;
const BREATH = 1;
const SOUND = 2;

/** Samples in a row: added at the end, removed at the beginning. */
class Queue {
  #samples = new Float32Array(8192);
  #begin = 0;
  #end = 0;

  get length() {
    return this.#end - this.#begin;
  }

  /** All of them. Valid until the next change. */
  get all() {
    return this.#samples.subarray(this.#begin, this.#end);
  }

  add(samples) {
    if (this.#end + samples.length > this.#samples.length) {
      const size = this.length + samples.length;
      const target = 2 * size > this.#samples.length ? new Float32Array(2 * size) : this.#samples;
      target.set(this.all);
      this.#samples = target;
      this.#end -= this.#begin;
      this.#begin = 0;
    }
    this.#samples.set(samples, this.#end);
    this.#end += samples.length;
  }

  remove(count) {
    this.#begin += count;
    if (this.#begin >= this.#end) this.#begin = this.#end = 0;
  }

  copyFrom(other) {
    this.#samples = other.#samples.slice();
    this.#begin = other.#begin;
    this.#end = other.#end;
  }
}

export class SilenceKernel {
  #frame;
  #fade;
  #rest;
  #filled = 0;
  /** Of the unfinished frame: 1 where voice is, 0 where none is, -1 where it is not known. */
  #voice = -1;
  #position = 0;
  #written = 0;
  #leading = true;
  #pause = 0;
  #returned = 0;
  #breath = 0;
  #held = new Queue();
  #output = new Queue();
  #joint = NOTHING;
  #jointFrom = 0;

  constructor(parameters, sampleRate) {
    this.parameters = parameters;
    this.sampleRate = sampleRate;
    this.#frame = Math.max(1, Math.round(FRAME_SECONDS * sampleRate));
    this.#fade = Math.round(FADE_SECONDS * sampleRate);
    this.#rest = new Float32Array(this.#frame);
    this.cuts = [];
  }

  /** Samples by which sound is late. */
  get latency() {
    return this.#frame;
  }

  get reduction() {
    return this.#joint.length ? SILENCE_DB : 0;
  }

  /** Continue from a kernel with other parameters. */
  adopt(other) {
    this.#rest = other.#rest.slice();
    this.#filled = other.#filled;
    this.#voice = other.#voice;
    this.#position = other.#position;
    this.#written = other.#written;
    this.#leading = other.#leading;
    this.#pause = other.#pause;
    this.#returned = other.#returned;
    this.#breath = other.#breath;
    this.#held.copyFrom(other.#held);
    this.#joint = other.#joint;
    this.#jointFrom = other.#jointFrom;
  }

  process(block, activity = null) {
    this.cuts = [];
    for (let taken = 0; taken < block.length; ) {
      const count = Math.min(this.#frame - this.#filled, block.length - taken);
      this.#rest.set(block.subarray(taken, taken + count), this.#filled);
      if (activity) for (let index = taken; index < taken + count; index += 1) this.#voice = Math.max(this.#voice, activity.speech[index]);
      this.#filled += count;
      taken += count;
      if (this.#filled === this.#frame) this.#next();
    }
    return this.#result();
  }

  flush() {
    this.cuts = [];
    if (this.#filled) this.#next();
    this.#finish();
    return this.#result();
  }

  #result() {
    const out = this.#output.all.slice();
    this.#output.remove(out.length);
    return out;
  }

  #next() {
    const frame = this.#rest.subarray(0, this.#filled);
    const kind = this.#kind(frame, this.#voice);
    this.#filled = 0;
    this.#voice = -1;
    this.#add(frame, kind);
  }

  #kind(frame, voice) {
    const { threshold, breathThreshold, keepBreaths, useVoiceActivity } = this.parameters;
    let power = 0;
    for (let index = 0; index < frame.length; index += 1) power += frame[index] * frame[index];
    const level = 10 * Math.log10(Math.max(power / frame.length, 10 ** (SILENCE_DB / 10)));
    const isFaint = level < breathThreshold;
    if (!(level >= threshold)) return SILENCE;
    if (useVoiceActivity && voice !== -1) return voice || (isFaint && keepBreaths) ? SOUND : SILENCE;
    return isFaint && !keepBreaths ? BREATH : SOUND;
  }

  #add(frame, kind) {
    this.#position += frame.length;
    if (!(this.#leading || this.#pause) && kind !== SILENCE) {
      this.#give(frame);
      return;
    }
    this.#held.add(frame);
    if (kind === SILENCE) {
      this.#pause += this.#breath + 1;
      this.#breath = 0;
      this.#silent();
      return;
    }
    this.#breath += 1;
    if (kind === SOUND || this.#breath > Math.round(LONGEST_BREATH / FRAME_SECONDS)) this.#resume(this.#breath * this.#frame);
  }

  get #pad() {
    return Math.floor(this.parameters.padDuration / 10);
  }

  /** Samples of silence that may be needed at the end. */
  get #end() {
    return this.parameters.trimEnd ? 0 : Math.round(LONGEST_END * this.sampleRate);
  }

  /** The stream ends here. */
  #finish() {
    if (!(this.#leading || this.#pause)) return;
    if (this.#breath) {
      this.#pause += this.#breath;
      this.#breath = 0;
      this.#silent();
    }
    const held = this.#held.length;
    if (this.#leading && this.parameters.trimStart) {
      if (this.#position) this.#cut(0, this.#position);
    } else if (this.#end) this.#join();
    else {
      if (!this.#joint.length) {
        this.#joint = this.#held.all.slice(0, this.#fade);
        this.#jointFrom = this.#position - held;
      }
      const joint = this.#joint;
      if (joint.length) {
        this.#give(joint.map((sample, index) => sample * (1 - (index + 0.5) / joint.length)));
        const begin = this.#jointFrom + joint.length;
        if (begin < this.#position) this.#cut(begin, this.#position);
      }
    }
    this.#held.remove(this.#held.length);
    this.#joint = NOTHING;
  }

  #silent() {
    if (this.#leading && !this.parameters.trimStart) {
      this.#join();
      return;
    }
    const early = Math.min(this.#pad, this.#pause) - this.#returned;
    if (!this.#leading && !this.#joint.length && early > 0) {
      this.#returned += early;
      const samples = this.#held.all.subarray(0, early * this.#frame);
      this.#give(samples);
      this.#held.remove(samples.length);
    }
    this.#drop(0, this.#end);
  }

  #drop(after, spare) {
    const shortest = Math.floor(this.parameters.minDuration / 10);
    if (!this.#leading && (this.#pause < shortest || this.#pause <= 2 * this.#pad)) return;
    const surplus = this.#held.length - after - Math.max(this.#pad * this.#frame, this.#leading ? 0 : spare);
    if (surplus <= 0) return;
    if (!this.#joint.length) {
      this.#jointFrom = this.#position - this.#held.length;
      this.#joint = this.#leading ? new Float32Array(this.#fade) : this.#held.all.slice(0, this.#fade);
    }
    this.#held.remove(surplus);
  }

  #resume(after) {
    if (this.parameters.trimStart || !this.#leading) this.#drop(after, 0);
    this.#join();
    this.#leading = false;
    this.#pause = this.#returned = this.#breath = 0;
  }

  #join() {
    const held = this.#held.all;
    const joint = this.#joint;
    if (joint.length) this.#cut(this.#jointFrom, this.#position - held.length);
    for (let index = 0; index < Math.min(joint.length, held.length); index += 1) {
      const rise = (index + 0.5) / joint.length;
      held[index] = joint[index] * (1 - rise) + held[index] * rise;
    }
    this.#give(held);
    this.#held.remove(held.length);
    this.#joint = NOTHING;
  }

  #cut(inputFrom, inputTo) {
    this.cuts.push({ output: this.#written, inputFrom, inputTo });
  }

  #give(samples) {
    this.#output.add(samples);
    this.#written += samples.length;
  }
}
