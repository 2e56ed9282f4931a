/** The kernel of each stage. A stage without one passes audio through. */

import { NoiseKernel } from "./noise.js";
import { ResampleKernel } from "./resample.js";
import { VadKernel } from "./vad.js";
import { VoiceEnhanceKernel } from "./voice-enhance.js";
import { VoiceFilterKernel } from "./voice-filter.js";

export const KERNELS = {
  voiceFilter: VoiceFilterKernel,
  vad: VadKernel,
  noise: NoiseKernel,
  voiceEnhance: VoiceEnhanceKernel,
  resample: ResampleKernel,
};
