/** A schema of the audio pipeline of two stages, with each kind of parameter and rule. */

import { PipelineSchema } from "../../../static/js/models/pipeline-settings.js";

const knob = (title, minimum, maximum, initial, more = {}) => ({ title, description: `${title}.`, "x-step": 1, "x-unit": "dB", type: "number", minimum, maximum, default: initial, ...more });
const object = (properties) => ({ type: "object", properties, required: [], additionalProperties: false });

/** As `GET /api/pipeline/schema` responds. */
export const DOCUMENT = {
  version: "1.0",
  schema: {
    $ref: "#/$defs/Parameters",
    $defs: {
      Parameters: object({ noiseReduction: { $ref: "#/$defs/Noise", default: {} }, voiceEnhancement: { $ref: "#/$defs/Enhancement", default: {} } }),
      Noise: object({
        strength: knob("Strength", 0, 1, 0.7),
        low: knob("Low", 0, 9000, 100),
        high: knob("High", 0, 9000, 4000),
        frames: knob("Frames", 1, 9, 3, { type: "integer" }),
        protects: { title: "Protect", type: "boolean", default: true },
        engine: { title: "Engine", enum: ["builtIn", "other"], default: "builtIn" },
      }),
      Enhancement: object({ compressor: { $ref: "#/$defs/Compressor", default: {} } }),
      Compressor: object({ enabled: { title: "Compressor", type: "boolean", default: true }, ratio: knob("Ratio", 1, 20, 3) }),
    },
  },
  stages: [
    ["original", null],
    ["noise", "noiseReduction"],
    ["voiceEnhance", "voiceEnhancement"],
    ["final", null],
  ].map(([id, group]) => ({ id, title: id, group, canBeOff: group !== null, canPause: group !== null })),
  rules: [
    { path: "noiseReduction.low", relation: "<", other: "noiseReduction.high", unit: "Hz" },
    { path: "noiseReduction.high", relation: "<", other: "sampleRate / 2", unit: "Hz", when: { path: "noiseReduction.protects" } },
    { path: "noiseReduction.low", relation: ">=", other: "noiseReduction.frames", when: { path: "noiseReduction.strength", above: 0.9 } },
  ],
};

export const SCHEMA = new PipelineSchema(DOCUMENT);
