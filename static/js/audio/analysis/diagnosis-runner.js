/**
 * Feeds a Diagnosis from a port (a microphone) or from samples (a file), and posts what it measured.
 *
 * Messages in, by `type`: `open` {settings, sampleRate, taps, spectrum; port, or channels and mixed}, `settings`, `tap`
 * {side, tap}, `spectrum`, `reset-peaks`, `listen` {side or null, port, rate}, `rush`: the rest of a file at once,
 * `report`, `close`. Channels are arrays of one length; the pipeline gets their mean. Messages out: `frame`, `report`, `ended`: the file's end, `failed` {message}.
 *
 * A file is fed at the speed at which it would be heard: a timer feeds as many samples as its time has passed.
 */

import { mix } from "../kernels/capture.js";
import { PipelineKernel } from "../kernels/pipeline.js";
import { Resampler } from "../kernels/resampler.js";
import { Diagnosis, SIDES } from "./diagnosis.js";

/** A file is fed every so many ms, in blocks of so many seconds. */
const FEED_EVERY = 10;
const BLOCK_SECONDS = 0.01;
/** While a file is measured at once, messages are read after so many seconds of sound. */
const RUSH_SECONDS = 2;
/** What was missed for longer than this (ms), because the machine slept, is not caught up. */
const LONGEST_GAP = 500;

export class DiagnosisRunner {
  #post;
  #now;
  #timers;
  #makePipeline;
  #diagnosis = null;
  #port = null;
  #file = null;
  #timer = null;
  #listening = null;
  #handlers;

  /** `post(message, transfer)`; `now()` in ms; `timers` {setTimeout, clearTimeout}. */
  constructor({ post, now = () => performance.now(), timers = globalThis, makePipeline = (settings, rate) => new PipelineKernel(settings, rate, { clock: () => now() / 1_000 }) }) {
    this.#makePipeline = makePipeline;
    this.#post = post;
    this.#now = now;
    this.#timers = timers;
    this.#handlers = {
      open: (message) => this.#open(message),
      settings: ({ settings }) => this.#diagnosis?.change(settings),
      tap: ({ side, tap }) => this.#setTap(side, tap),
      spectrum: ({ spectrum }) => this.#diagnosis?.setSpectrum(spectrum),
      "reset-peaks": () => this.#diagnosis?.resetPeaks(),
      listen: (message) => this.#listen(message),
      rush: () => this.#rush(),
      report: () => this.#diagnosis && this.#post({ type: "report", summary: this.#diagnosis.summary }),
      close: () => this.#close(),
    };
  }

  receive(message) {
    try {
      this.#handlers[message.type](message);
    } catch (error) {
      this.#fail(error);
    }
  }

  #fail(error) {
    this.#close();
    this.#post({ type: "failed", message: error.message });
  }

  #open({ settings, sampleRate, taps, spectrum, port = null, channels = null, mixed = null }) {
    this.#close();
    this.#diagnosis = new Diagnosis({ makePipeline: this.#makePipeline, settings, sampleRate, taps, spectrum, mixed });
    if (port !== null) {
      this.#port = port;
      port.onmessage = ({ data }) => this.#guarded(() => this.#feed(data));
    } else {
      this.#file = { channels, length: channels[0].length, at: 0, begun: this.#now() };
      this.#schedule();
    }
  }

  #close() {
    this.#timers.clearTimeout(this.#timer);
    if (this.#port) this.#port.onmessage = null;
    this.#port?.close();
    this.#port = null;
    this.#file = null;
    this.#diagnosis = null;
    this.#listening = null;
  }

  #guarded(action) {
    if (this.#diagnosis === null) return;
    try {
      action();
    } catch (error) {
      this.#fail(error);
    }
  }

  #schedule() {
    this.#timer = this.#timers.setTimeout(() => this.#guarded(() => this.#feedFile()), FEED_EVERY);
  }

  #feedFile() {
    const file = this.#file;
    const rate = this.#diagnosis.sampleRate;
    const wanted = () => Math.round(((this.#now() - file.begun) / 1_000) * rate);
    if (wanted() - file.at > (rate * LONGEST_GAP) / 1_000) file.begun = this.#now() - (file.at / rate) * 1_000;
    const until = Math.min(wanted(), file.length);
    this.#feedUntil(until);
    if (file.at >= file.length) this.#end();
    else this.#schedule();
  }

  /** The rest of the file as fast as possible; between parts other messages are read. */
  #rush() {
    if (this.#file === null) return;
    this.#timers.clearTimeout(this.#timer);
    const rate = this.#diagnosis.sampleRate;
    this.#feedUntil(Math.min(this.#file.length, this.#file.at + RUSH_SECONDS * rate));
    if (this.#file.at >= this.#file.length) this.#end();
    else this.#timer = this.#timers.setTimeout(() => this.#guarded(() => this.#rush()), 0);
  }

  #feedUntil(until) {
    const file = this.#file;
    const length = Math.round(this.#diagnosis.sampleRate * BLOCK_SECONDS);
    while (file.at < until) {
      const end = Math.min(file.length, file.at + length);
      this.#feed(file.channels.map((channel) => channel.slice(file.at, end)));
      file.at = end;
    }
  }

  #end() {
    this.#send(this.#diagnosis.flush());
    this.#post({ type: "ended", summary: this.#diagnosis.summary });
    this.#file = null;
  }

  #feed(channels) {
    this.#send(this.#diagnosis.process(channels.length === 1 ? channels[0] : mix(channels), channels));
  }

  #send({ sound, ...frame }) {
    const transfer = [];
    for (const side of SIDES) {
      const { low, high, columns, levels, peaks } = frame.sides[side];
      for (const array of [low, high, columns, levels, peaks]) if (array !== undefined) transfer.push(array.buffer);
    }
    this.#play(sound);
    this.#post({ type: "frame", ...frame }, transfer);
  }

  #setTap(side, tap) {
    this.#diagnosis?.setTap(side, tap);
    if (this.#listening?.side === side) this.#tune();
  }

  #listen({ side, port = null, rate = 0 }) {
    if (port !== null) this.#listening = { port, rate };
    if (this.#listening === null) return;
    this.#listening.side = side;
    this.#tune();
  }

  /** Convert from the rate of the side that is listened to. */
  #tune() {
    const { side, rate, port } = this.#listening;
    port.postMessage("clear");
    const from = side === null ? 0 : this.#diagnosis.rateOfSide(side);
    this.#listening.resampler = side === null || from === rate ? null : new Resampler(from, rate);
  }

  #play(sound) {
    const listening = this.#listening;
    if (listening === null || listening.side === null) return;
    const samples = sound[listening.side];
    const block = listening.resampler === null ? samples.slice() : listening.resampler.process(samples);
    if (block.length > 0) listening.port.postMessage(block, [block.buffer]);
  }
}
