/** A downward expander: makes what is below a threshold quieter; the twin of orch/audio/stages/expander.py. */

import { Steps, coefficient, expansion, stepSize } from "./envelope.js";
import { GainComputer } from "./gain-computer.js";

const RANGE = 40;

export class Expander {
  #unit;
  #size;
  #steps;
  #computer;
  #transform = (step) => this.#step(step);

  constructor(unit, sampleRate) {
    const size = stepSize(sampleRate);
    const curve = { threshold: unit.threshold, ratio: unit.ratio, range: RANGE };
    this.#unit = unit;
    this.#size = size;
    this.#steps = new Steps(size);
    this.#computer = new GainComputer((level) => expansion(level, curve), { falling: coefficient(unit.release), rising: coefficient(unit.attack), size });
  }

  get latency() {
    return this.#size;
  }

  /** Of the last step, dB. */
  get gain() {
    return this.#computer.gain;
  }

  adopt(other) {
    this.#steps.adopt(other.#steps);
    this.#computer.adopt(other.#computer);
  }

  process(block) {
    return this.#steps.process(block, 1, this.#transform);
  }

  #step(step) {
    const computer = this.#computer;
    if (!this.#unit.enabled) {
      computer.reset();
      return step;
    }
    computer.follow(step);
    const { before } = computer;
    const slope = computer.factor - before;
    if (slope === 0 && before === 1) return step;
    const size = this.#size;
    for (let index = 0; index < size; index += 1) step[index] *= before + (slope * (index + 1)) / size;
    return step;
  }
}
