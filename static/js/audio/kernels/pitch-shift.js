/** Shifts pitch and formants in spectra; the twin of orch/audio/stages/pitch_shift.py, where the equations are. */

import { RealFft } from "./fft.js";

const LIFTER = 0.002;
const MOST = 10 ** (18 / 20);
const FAINTEST = 1e-9;
const TURN = 2 * Math.PI;

/** An angle from −π to below π. Bins 0 and the last flip by π exactly, so halves have one side. */
const wrapped = (angle) => angle - TURN * Math.floor(angle / TURN + 0.5);

export class PitchShift {
  #hop;
  #size;
  #keep;
  #fft;
  #phase;
  #rotation;
  #newPhase;
  #newRotation;
  #magnitude;
  #smooth;
  #imaginary;
  #cepstrum;
  #outRe;
  #outIm;
  #peaks;

  /** For spectra of `bins` of a transform of `size` points, every `hop` samples. */
  constructor({ bins, hop, size }, sampleRate) {
    this.#hop = hop;
    this.#size = size;
    this.#keep = Math.max(2, Math.round(LIFTER * sampleRate));
    this.#fft = new RealFft(size);
    const room = () => new Float64Array(bins);
    [this.#phase, this.#rotation, this.#newPhase, this.#newRotation] = [room(), room(), room(), room()];
    [this.#magnitude, this.#smooth, this.#imaginary, this.#outRe, this.#outIm] = [room(), room(), room(), room(), room()];
    this.#cepstrum = new Float64Array(size);
    this.#peaks = new Int32Array(bins);
  }

  adopt(other) {
    this.#phase.set(other.#phase);
    this.#rotation.set(other.#rotation);
  }

  /** Move the partials of a spectrum by `ratio` and its envelope by `formants`, in place. */
  process(re, im, { ratio, formants }) {
    for (let bin = 0; bin < re.length; bin += 1) this.#magnitude[bin] = Math.sqrt(re[bin] * re[bin] + im[bin] * im[bin]);
    const isCorrected = Math.abs(ratio - formants) > 1e-12;
    if (isCorrected) this.#findEnvelope();
    if (ratio !== 1) this.#shift(re, im, ratio);
    if (!isCorrected) return;
    for (let bin = 0; bin < re.length; bin += 1) {
      const gain = Math.min(MOST, Math.max(1 / MOST, this.#envelopeAt(bin / formants) / this.#envelopeAt(bin / ratio)));
      re[bin] *= gain;
      im[bin] *= gain;
    }
  }

  /** The envelope at a bin that need not be whole. */
  #envelopeAt(at) {
    const last = this.#smooth.length - 1;
    const floor = Math.floor(at);
    const below = Math.min(floor, last);
    const share = at - below;
    return this.#smooth[below] * (1 - share) + this.#smooth[Math.min(below + 1, last)] * share;
  }

  #findEnvelope() {
    const smooth = this.#smooth;
    this.#imaginary.fill(0);
    for (let bin = 0; bin < smooth.length; bin += 1) smooth[bin] = Math.log(this.#magnitude[bin] + FAINTEST);
    this.#fft.inverse(smooth, this.#imaginary, this.#cepstrum);
    this.#cepstrum.fill(0, this.#keep, this.#size - this.#keep + 1);
    this.#fft.forward(this.#cepstrum, smooth, this.#imaginary);
    for (let bin = 0; bin < smooth.length; bin += 1) smooth[bin] = Math.exp(smooth[bin]);
  }

  /** Find the peaks; returns how many. */
  #findPeaks() {
    const m = this.#magnitude;
    const at = (bin) => (bin < 0 || bin >= m.length ? -1 : m[bin]);
    let count = 0;
    let highest = 0;
    for (let bin = 0; bin < m.length; bin += 1) {
      if (m[bin] > m[highest]) highest = bin;
      if (m[bin] > at(bin - 1) && m[bin] > at(bin - 2) && m[bin] >= at(bin + 1) && m[bin] >= at(bin + 2)) {
        this.#peaks[count] = bin;
        count += 1;
      }
    }
    if (count > 0) return count;
    this.#peaks[0] = highest;
    return 1;
  }

  #shift(re, im, ratio) {
    const bins = re.length;
    const [hop, size] = [this.#hop, this.#size];
    for (let bin = 0; bin < bins; bin += 1) this.#newPhase[bin] = Math.atan2(im[bin], re[bin]);
    this.#outRe.fill(0);
    this.#outIm.fill(0);
    const count = this.#findPeaks();
    for (let index = 0, bin = 0; index < count; index += 1) {
      const peak = this.#peaks[index];
      const end = index + 1 < count ? Math.floor((peak + this.#peaks[index + 1]) / 2) : bins - 1;
      const expected = (TURN * hop * peak) / size;
      const advance = this.#newPhase[peak] - this.#phase[peak] - expected;
      const moves = (ratio - 1) * (expected + wrapped(advance));
      const rotation = wrapped(this.#rotation[peak] + moves);
      const offset = Math.floor((moves * size) / (TURN * hop) + 0.5);
      const cosine = Math.cos(rotation);
      const sine = Math.sin(rotation);
      for (; bin <= end; bin += 1) {
        this.#newRotation[bin] = rotation;
        const target = bin + offset;
        if (target < 0 || target >= bins) continue;
        this.#outRe[target] += re[bin] * cosine - im[bin] * sine;
        this.#outIm[target] += re[bin] * sine + im[bin] * cosine;
      }
    }
    re.set(this.#outRe);
    im.set(this.#outIm);
    [this.#phase, this.#newPhase] = [this.#newPhase, this.#phase];
    [this.#rotation, this.#newRotation] = [this.#newRotation, this.#rotation];
  }
}
