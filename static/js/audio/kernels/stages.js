/** The ten stages of the pipeline, in the order in which audio passes them, and the kernels of those that change it. */

export const STAGE_IDS = ["original", "decoded", "voiceFilter", "vad", "noise", "voiceEnhance", "voiceProcess", "silence", "resample", "final"];

/** The group of parameters of each stage that has some; the others pass audio through. */
export const GROUPS = {
  voiceFilter: "voiceFilter",
  vad: "vad",
  noise: "noiseReduction",
  voiceEnhance: "voiceEnhancement",
  voiceProcess: "voiceProcessing",
  silence: "silence",
  resample: "resampling",
};

/** Whether a stage processes audio: it is enabled, and no pause is before it. `settings` as in an exported file. */
export function isOn({ enabledStages, pausedAt = null }, stage) {
  if (!(stage in GROUPS)) return true;
  if (!enabledStages.includes(stage)) return false;
  return pausedAt === null || STAGE_IDS.indexOf(stage) <= STAGE_IDS.indexOf(pausedAt);
}
