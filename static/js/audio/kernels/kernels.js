/** The kernel of each stage. A stage without one passes audio through. */

import { ResampleKernel } from "./resample.js";
import { VoiceEnhanceKernel } from "./voice-enhance.js";

export const KERNELS = { voiceEnhance: VoiceEnhanceKernel, resample: ResampleKernel };
