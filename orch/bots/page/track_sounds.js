// Captures the sound of remote tracks.

import { CaptureClock } from "./capture_clock.js";
import { RATE } from "./wire.js";

/** What is captured of one track. */
class TrackSound {
  #source;
  #node;
  #element;
  #clock = new CaptureClock();

  /** heard: samples so far. */
  heard = 0;

  constructor({ window, context, track, number, onFrame }) {
    this.track = track;
    this.number = number;
    const stream = new window.MediaStream([track]);
    // Chromium decodes a remote track for an audio graph only while an element plays it. This one is muted,
    // and in no document.
    this.#element = new window.Audio();
    this.#element.muted = true;
    this.#element.srcObject = stream;
    this.#element.play().catch(() => {}); // it begins with the track, or ends with it
    this.#source = new window.MediaStreamAudioSourceNode(context, { mediaStream: stream });
    this.#node = new window.AudioWorkletNode(context, "orch-sound", {
      channelCount: 1,
      channelCountMode: "explicit",
      outputChannelCount: [1],
    });
    this.#node.port.onmessage = ({ data: { first, count, samples } }) => {
      this.#node.port.postMessage("taken");
      this.heard = first + count;
      const now = window.performance.timeOrigin + window.performance.now();
      onFrame({ track: number, first, count, samples, captured: this.#clock.at(this.heard, now) });
    };
    // Silent; a node that leads nowhere is not run.
    this.#source.connect(this.#node).connect(context.destination);
  }

  stop() {
    this.#node.port.onmessage = null;
    this.#node.port.postMessage("end");
    this.#source.disconnect();
    this.#node.disconnect();
    this.#element.srcObject = null;
  }
}

/** All tracks that are captured. */
export class TrackSounds {
  #window;
  #context;
  #uplink;
  #ready;
  #sounds = new Map();
  #waiting = new Map();
  #number = 0;

  /** context: returns the AudioContext, whose worklet is loaded. */
  constructor({ window, context, uplink }) {
    this.#window = window;
    this.#context = context;
    this.#uplink = uplink;
  }

  /** The tracks, for the first text of a connection. */
  get shown() {
    return [...this.#sounds.values()].map((sound) => this.#shown(sound));
  }

  has(track) {
    return this.#waiting.has(track) || this.#sounds.has(track);
  }

  /** Captures a track until it ends. */
  async add(track) {
    if (this.has(track) || track.kind !== "audio" || track.readyState === "ended") return;
    this.#waiting.set(track, true);
    const context = await this.#context();
    if (!this.#waiting.delete(track) || track.readyState === "ended") return;
    this.#number = (this.#number % 0xffff) + 1;
    const sound = new TrackSound({
      window: this.#window,
      context,
      track,
      number: this.#number,
      onFrame: (frame) => this.#uplink.sendSound(frame),
    });
    this.#sounds.set(track, sound);
    track.addEventListener("ended", () => this.remove(track));
    this.#uplink.send({ type: "began", track: this.#shown(sound) });
  }

  remove(track) {
    this.#waiting.delete(track);
    const sound = this.#sounds.get(track);
    if (!sound) return;
    this.#sounds.delete(track);
    sound.stop();
    this.#uplink.send({ type: "ended", number: sound.number });
  }

  /** Ends what has ended without an event, as the tracks of a connection that the page closes. */
  sweep() {
    for (const track of [...this.#sounds.keys()]) if (track.readyState === "ended") this.remove(track);
  }

  #shown({ number, track, heard }) {
    return { number, id: String(track.id).slice(0, 200), heard };
  }
}
