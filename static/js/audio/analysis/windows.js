/**
 * Windows for spectra, each with its coherent gain and its equivalent noise bandwidth.
 *
 *     w[n] = Σ (-1)^k a_k cos(2πkn/N),  n = 0…N-1 (periodic)
 *     coherent gain = Σ w / N            noise bandwidth = N Σ w² / (Σ w)²   [bins]
 *
 * Source: F. J. Harris, "On the use of windows for harmonic analysis with the discrete Fourier transform" (1978);
 * the flat top is that of SciPy and ISO 18431-2.
 */

const TERMS = {
  rectangular: [1],
  hann: [0.5, 0.5],
  hamming: [0.54, 0.46],
  "blackman-harris": [0.35875, 0.48829, 0.14128, 0.01168],
  "flat-top": [0.21557895, 0.41663158, 0.277263158, 0.083578947, 0.006947368],
};

/** For each window: its name, and what it is for. */
export const WINDOWS = {
  hann: { label: "Hann", purpose: "for most sounds" },
  hamming: { label: "Hamming", purpose: "for two tones close together" },
  "blackman-harris": { label: "Blackman-Harris", purpose: "for a faint tone beside a loud one" },
  "flat-top": { label: "Flat top", purpose: "for the exact level of a tone" },
  rectangular: { label: "Rectangular", purpose: "for clicks" },
};

export const FFT_SIZES = [512, 1024, 2048, 4096, 8192, 16384];

/** {values: Float64Array(size), gain: the coherent gain, bandwidth: the equivalent noise bandwidth in bins}. */
export function makeWindow(name, size) {
  const terms = TERMS[name];
  if (terms === undefined) throw new RangeError(`There is no window ${name}.`);
  const values = new Float64Array(size);
  let sum = 0;
  let squares = 0;
  for (let n = 0; n < size; n += 1) {
    let value = 0;
    terms.forEach((term, k) => {
      value += (k % 2 === 0 ? term : -term) * Math.cos((2 * Math.PI * k * n) / size);
    });
    values[n] = value;
    sum += value;
    squares += value * value;
  }
  return { values, gain: sum / size, bandwidth: (size * squares) / (sum * sum) };
}
