/** The kernel of each stage. A stage without one passes audio through. */

import { NoiseKernel } from "./noise.js";
import { ResampleKernel } from "./resample.js";
import { SilenceKernel } from "./silence.js";
import { VadKernel } from "./vad.js";
import { VoiceEnhanceKernel } from "./voice-enhance.js";
import { VoiceFilterKernel } from "./voice-filter.js";
import { VoiceProcessKernel } from "./voice-process.js";

export const KERNELS = {
  voiceFilter: VoiceFilterKernel,
  vad: VadKernel,
  noise: NoiseKernel,
  voiceEnhance: VoiceEnhanceKernel,
  voiceProcess: VoiceProcessKernel,
  silence: SilenceKernel,
  resample: ResampleKernel,
};
