/**
 * The discrete Fourier transform of real signals, in float64.
 *
 * X[b] = Σ x[n]·exp(-2πi·b·n/size), unscaled; the inverse divides by the size. A real signal of `size` samples is
 * transformed as a complex one of half as many (radix 2, decimation in time), then separated: Press et al.,
 * Numerical Recipes, 12.3. Everything is allocated at construction.
 */

export class RealFft {
  #half;
  #reversed;
  #cosines;
  #sines;
  #re;
  #im;

  /** `size`: samples, a power of two, 4 at least. */
  constructor(size) {
    if (!Number.isInteger(Math.log2(size)) || size < 4) throw new RangeError(`A transform's length is a power of two, not ${size}.`);
    const half = size / 2;
    this.size = size;
    this.bins = half + 1;
    this.#half = half;
    this.#re = new Float64Array(half);
    this.#im = new Float64Array(half);
    this.#cosines = Float64Array.from({ length: half }, (_, index) => Math.cos((2 * Math.PI * index) / size));
    this.#sines = Float64Array.from({ length: half }, (_, index) => Math.sin((2 * Math.PI * index) / size));
    this.#reversed = new Uint32Array(half);
    for (let index = 1; index < half; index += 1) this.#reversed[index] = (this.#reversed[index >> 1] >> 1) | (index & 1 ? half >> 1 : 0);
  }

  /** The spectrum of `input` (`size` numbers) into `re` and `im` (`bins` numbers each). */
  forward(input, re, im) {
    const half = this.#half;
    const reversed = this.#reversed;
    const [a, b, cosines, sines] = [this.#re, this.#im, this.#cosines, this.#sines];
    for (let index = 0; index < half; index += 1) {
      const from = 2 * reversed[index];
      a[index] = input[from];
      b[index] = input[from + 1];
    }
    this.#transform();
    re[0] = a[0] + b[0];
    im[0] = 0;
    re[half] = a[0] - b[0];
    im[half] = 0;
    for (let index = 1; index <= half >> 1; index += 1) {
      const mirror = half - index;
      const evenRe = (a[index] + a[mirror]) / 2;
      const evenIm = (b[index] - b[mirror]) / 2;
      const oddRe = (b[index] + b[mirror]) / 2;
      const oddIm = (a[mirror] - a[index]) / 2;
      const cosine = cosines[index];
      const sine = sines[index];
      const turnedRe = oddRe * cosine + oddIm * sine;
      const turnedIm = oddIm * cosine - oddRe * sine;
      re[index] = evenRe + turnedRe;
      im[index] = evenIm + turnedIm;
      re[mirror] = evenRe - turnedRe;
      im[mirror] = turnedIm - evenIm;
    }
  }

  /** The signal of the spectrum in `re` and `im` into `output` (`size` numbers). The spectrum is not modified. */
  inverse(re, im, output) {
    const half = this.#half;
    const reversed = this.#reversed;
    const [a, b, cosines, sines] = [this.#re, this.#im, this.#cosines, this.#sines];
    // The transform of the conjugate is the conjugate of the inverse: `im` is negated on the way in and out.
    for (let index = 0; index < half; index += 1) {
      const mirror = half - index;
      const ownIm = index === 0 ? 0 : im[index];
      const mirrorIm = index === 0 ? 0 : im[mirror];
      const evenRe = (re[index] + re[mirror]) / 2;
      const evenIm = (ownIm - mirrorIm) / 2;
      const differenceRe = (re[index] - re[mirror]) / 2;
      const differenceIm = (ownIm + mirrorIm) / 2;
      const cosine = cosines[index];
      const sine = sines[index];
      const oddRe = differenceRe * cosine - differenceIm * sine;
      const oddIm = differenceRe * sine + differenceIm * cosine;
      const to = reversed[index];
      a[to] = evenRe - oddIm;
      b[to] = -(evenIm + oddRe);
    }
    this.#transform();
    for (let index = 0; index < half; index += 1) {
      output[2 * index] = a[index] / half;
      output[2 * index + 1] = -b[index] / half;
    }
  }

  /**
   * Transform the complex numbers in `#re` and `#im`, which are in bit-reversed order, in place: two of the radix-2
   * passes at a time, so that each number is read and written half as often.
   */
  #transform() {
    const half = this.#half;
    const [a, b, cosines, sines] = [this.#re, this.#im, this.#cosines, this.#sines];
    let width = 1;
    if (Math.log2(half) % 2 === 1) {
      for (let low = 0; low < half; low += 2) {
        const re = a[low + 1];
        const im = b[low + 1];
        a[low + 1] = a[low] - re;
        b[low + 1] = b[low] - im;
        a[low] += re;
        b[low] += im;
      }
      width = 2;
    }
    for (; width < half; width *= 4) {
      const stride = half / (2 * width);
      for (let offset = 0; offset < width; offset += 1) {
        const cosine1 = cosines[2 * offset * stride];
        const sine1 = sines[2 * offset * stride];
        const cosine2 = cosines[offset * stride];
        const sine2 = sines[offset * stride];
        for (let first = offset; first < half; first += 4 * width) {
          const second = first + width;
          const third = second + width;
          const fourth = third + width;
          // The pass of `width`: first and second, third and fourth.
          const re2 = a[second] * cosine1 + b[second] * sine1;
          const im2 = b[second] * cosine1 - a[second] * sine1;
          const re4 = a[fourth] * cosine1 + b[fourth] * sine1;
          const im4 = b[fourth] * cosine1 - a[fourth] * sine1;
          const sumRe = a[first] + re2;
          const sumIm = b[first] + im2;
          const leftRe = a[first] - re2;
          const leftIm = b[first] - im2;
          const upRe = a[third] + re4;
          const upIm = b[third] + im4;
          const downRe = a[third] - re4;
          const downIm = b[third] - im4;
          // The pass of twice that: first and third, second and fourth, whose factor is a quarter turn further.
          const re3 = upRe * cosine2 + upIm * sine2;
          const im3 = upIm * cosine2 - upRe * sine2;
          const turnedRe = downIm * cosine2 - downRe * sine2;
          const turnedIm = -(downRe * cosine2 + downIm * sine2);
          a[first] = sumRe + re3;
          b[first] = sumIm + im3;
          a[third] = sumRe - re3;
          b[third] = sumIm - im3;
          a[second] = leftRe + turnedRe;
          b[second] = leftIm + turnedIm;
          a[fourth] = leftRe - turnedRe;
          b[fourth] = leftIm - turnedIm;
        }
      }
    }
  }
}
