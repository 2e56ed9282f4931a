/** Adds sound sources up into one audio node, each with its own gain, and measures each behind it. */

/** Samples that are measured at once: 128 ms at 16 kHz. */
const WINDOW = 2_048;
/** A changed gain is reached in about this many seconds: a step would be heard as a click. */
const FADE = 0.02;

export class Mixer {
  #context;
  #target;
  /** {source, gain, meter} by name. */
  #inputs = new Map();

  /** `target`: the AudioNode that receives the sum. */
  constructor(context, target) {
    this.#context = context;
    this.#target = target;
  }

  /** Add a MediaStream under a name; `gain` as a factor. */
  add(name, stream, gain = 1) {
    const source = this.#context.createMediaStreamSource(stream);
    const fader = this.#context.createGain();
    const meter = this.#context.createAnalyser();
    fader.gain.value = gain;
    meter.fftSize = WINDOW;
    source.connect(fader);
    fader.connect(meter);
    meter.connect(this.#target);
    this.#inputs.set(name, { source, fader, meter });
  }

  /** Set a source's gain, as a factor. Does nothing where it is not there. */
  setGain(name, gain) {
    this.#inputs.get(name)?.fader.gain.setTargetAtTime(gain, this.#context.currentTime, FADE);
  }

  /** A source's last samples (float32, 1 = full scale), or null where it is not there. */
  samples(name) {
    const meter = this.#inputs.get(name)?.meter;
    if (meter === undefined) return null;
    const samples = new Float32Array(meter.fftSize);
    meter.getFloatTimeDomainData(samples);
    return samples;
  }

  /** Take a source out of the sum. Its stream is not stopped. */
  remove(name) {
    const input = this.#inputs.get(name);
    for (const node of input ? [input.source, input.fader, input.meter] : []) node.disconnect();
    this.#inputs.delete(name);
  }

  close() {
    for (const name of [...this.#inputs.keys()]) this.remove(name);
  }
}
