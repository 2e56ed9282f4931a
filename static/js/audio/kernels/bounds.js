/** What bounds the gains of the stages; the kernels and the pictures of them share it. */

/** The most by which the expander reduces, dB. */
export const EXPANDER_RANGE = 40;
/** The least gain of a closed gate. */
export const GATED = 0.1;
/** The least gain of a frequency that suppression at strength 1 leaves. */
export const LEAST_FLOOR = 1e-3;
/** The gain at the centre where the amount of clarity is 1. */
export const CLARITY = 2;
/** What each quality of the resampler attenuates, dB. */
export const ATTENUATION = { high: 100, medium: 80, low: 60 };
