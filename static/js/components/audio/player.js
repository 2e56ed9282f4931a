/**
 * Plays one of several versions of a recording and switches between them at the same position; its waveform has a
 * moving cursor. Keys on the waveform: Space plays and pauses, arrows move by 1 s (with Shift by 5 s), Home and End.
 */

import { bytes } from "../../models/number-format.js";
import { minutes } from "../../models/recording-formats.js";
import { peaks, waveformWords } from "../../models/waveform.js";
import { byId, h, setAttribute, setText } from "../dom.js";
import { Scope } from "../scope.js";

/** Larger files are not decoded here: an hour of samples fills the browser's memory. */
export const LARGEST_PLAYED = 64_000_000;
const STEP = 1;
const LONG_STEP = 5;
/** Updates a second where the reader wants less motion. */
const CALM = 4;

export class Player extends EventTarget {
  #scope = new Scope();
  /** {key: {title, buffer, words}}, in their order. */
  #versions = new Map();
  #active = null;
  #context = null;
  #source = null;
  /** Where it plays from (s), and the context's time then. */
  #position = 0;
  #startedAt = 0;
  #frame = null;
  #drawnAt = -Infinity;
  #opened = 0;

  start() {
    const scope = this.#scope;
    if (!scope.open()) return;
    scope.listen(byId("play"), "click", () => this.toggle());
    scope.listen(byId("waveform"), "keydown", (event) => this.#key(event));
    scope.listen(byId("waveform"), "pointerdown", (event) => this.#point(event));
    scope.listen(byId("waveform"), "pointermove", (event) => event.buttons === 1 && this.#point(event));
    scope.listen(byId("versions"), "click", ({ target }) => target.closest("button") && this.use(target.closest("button").dataset.version));
    const resized = new ResizeObserver(() => this.#draw());
    resized.observe(byId("waveform"));
    scope.defer(() => resized.disconnect());
    const theme = new MutationObserver(() => this.#draw());
    theme.observe(document.documentElement, { attributeFilter: ["data-theme"] });
    scope.defer(() => theme.disconnect());
    scope.listen(matchMedia("(prefers-color-scheme: dark)"), "change", () => this.#draw());
    scope.defer(() => this.#close());
  }

  stop() {
    this.#scope.close();
  }

  get #isPlaying() {
    return this.#source !== null;
  }

  get #buffer() {
    return this.#versions.get(this.#active)?.buffer ?? null;
  }

  /** Seconds from the beginning. */
  get position() {
    const length = this.#buffer?.duration ?? 0;
    return Math.min(length, this.#isPlaying ? this.#position + this.#context.currentTime - this.#startedAt : this.#position);
  }

  /** Show `versions`: [{key, title, blob}], null blobs left out. Resolves to those that cannot be played: [{title, why}]. */
  async open(versions) {
    this.#halt();
    this.#opened += 1;
    const opened = this.#opened;
    const failed = [];
    const decoded = new Map();
    for (const { key, title, blob } of versions) {
      if (blob === null) continue;
      if (blob.size > LARGEST_PLAYED) failed.push({ title, why: `larger than ${bytes(LARGEST_PLAYED)}` });
      else {
        try {
          const buffer = await this.#decoded(blob);
          decoded.set(key, { title, buffer, words: waveformWords(channelsOf(buffer), buffer.sampleRate) });
        } catch {
          failed.push({ title, why: "no sound, or a format that it does not have" });
        }
      }
      if (opened !== this.#opened) return [];
    }
    this.#versions = decoded;
    this.#position = 0;
    this.#active = decoded.has(this.#active) ? this.#active : (decoded.keys().next().value ?? null);
    byId("versions").replaceChildren(...[...decoded].map(([key, { title }]) => h("button", { type: "button", class: "button button-small", "data-version": key, "aria-pressed": "false" }, title)));
    this.#show();
    this.#draw();
    return failed;
  }

  /** Listen to another version, from the same position. */
  use(key) {
    if (!this.#versions.has(key)) return;
    const { position } = this;
    const wasPlaying = this.#isPlaying;
    this.#halt();
    this.#active = key;
    this.#position = Math.min(position, this.#buffer.duration);
    if (wasPlaying) this.#play();
    this.#show();
    this.#draw();
  }

  toggle() {
    if (this.#buffer === null) return;
    if (this.#isPlaying) this.#pause();
    else this.#play();
    this.#show();
  }

  #pause() {
    const { position } = this;
    this.#halt();
    this.#position = position;
  }

  #play() {
    this.#context ??= new AudioContext();
    this.#context.resume();
    if (this.#position >= this.#buffer.duration - 0.01) this.#position = 0;
    const source = new AudioBufferSourceNode(this.#context, { buffer: this.#buffer });
    source.connect(this.#context.destination);
    source.onended = () => {
      if (this.#source !== source) return;
      this.#position = this.#buffer.duration;
      this.#halt();
      this.#show();
    };
    source.start(0, this.#position);
    this.#source = source;
    this.#startedAt = this.#context.currentTime;
    this.#frame = requestAnimationFrame(this.#move);
  }

  #halt() {
    cancelAnimationFrame(this.#frame);
    const source = this.#source;
    this.#source = null;
    if (source === null) return;
    source.onended = null;
    source.stop();
    source.disconnect();
  }

  #seek(position) {
    if (this.#buffer === null) return;
    const wasPlaying = this.#isPlaying;
    this.#halt();
    this.#position = Math.max(0, Math.min(this.#buffer.duration, position));
    if (wasPlaying) this.#play();
    this.#show();
  }

  #key(event) {
    const step = event.shiftKey ? LONG_STEP : STEP;
    const end = this.#buffer?.duration ?? 0;
    const actions = {
      " ": () => this.toggle(),
      ArrowLeft: () => this.#seek(this.position - step),
      ArrowRight: () => this.#seek(this.position + step),
      Home: () => this.#seek(0),
      End: () => this.#seek(end),
    };
    if (!Object.hasOwn(actions, event.key) || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    actions[event.key]();
  }

  #point(event) {
    if (this.#buffer === null || event.button > 0) return;
    const box = byId("waveform").getBoundingClientRect();
    this.#seek((this.#buffer.duration * (event.clientX - box.left)) / box.width);
  }

  async #decoded(blob) {
    // An offline context decodes at its own rate; it needs no click.
    const context = new OfflineAudioContext(1, 1, 48_000);
    return context.decodeAudioData(await blob.arrayBuffer());
  }

  #close() {
    this.#halt();
    this.#context?.close();
    this.#context = null;
  }

  #move = (now) => {
    const isCalm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    if (!isCalm || now - this.#drawnAt >= 1_000 / CALM) {
      this.#drawnAt = now;
      this.#showPosition();
    }
    if (this.#isPlaying) this.#frame = requestAnimationFrame(this.#move);
  };

  #show() {
    const version = this.#versions.get(this.#active);
    byId("play").disabled = version === undefined;
    for (const id of ["waveform", "time"]) byId(id).hidden = version === undefined;
    byId("player-empty").hidden = version !== undefined;
    setText(byId("play"), this.#isPlaying ? "Pause" : "Play");
    for (const button of byId("versions").children) setAttribute(button, "aria-pressed", String(button.dataset.version === this.#active));
    setText(byId("waveform-text"), version === undefined ? "" : `${version.title}: ${version.words}`);
    this.#showPosition();
  }

  #showPosition() {
    const length = this.#buffer?.duration ?? 0;
    const { position } = this;
    setText(byId("time"), `${time(position)} / ${time(length)}`);
    const slider = byId("waveform");
    setAttribute(slider, "aria-valuemax", length.toFixed(1));
    setAttribute(slider, "aria-valuenow", position.toFixed(1));
    setAttribute(slider, "aria-valuetext", `${position.toFixed(1)} s of ${length.toFixed(1)} s`);
    slider.style.setProperty("--at", length === 0 ? 0 : position / length);
  }

  #draw() {
    const canvas = byId("waveform-picture");
    const { width, height } = byId("waveform").getBoundingClientRect();
    const scale = globalThis.devicePixelRatio || 1;
    canvas.width = Math.max(1, Math.round(width * scale));
    canvas.height = Math.max(1, Math.round(height * scale));
    const picture = canvas.getContext("2d");
    picture.clearRect(0, 0, canvas.width, canvas.height);
    if (this.#buffer === null) return;
    const style = getComputedStyle(canvas);
    picture.fillStyle = style.getPropertyValue("--accent");
    const channels = channelsOf(this.#buffer);
    channels.forEach((samples, index) => drawLane(picture, samples, { lane: canvas.height / channels.length, index }));
  }
}

const channelsOf = (buffer) => Array.from({ length: buffer.numberOfChannels }, (_, index) => buffer.getChannelData(index));

/** Draw a channel into the lane `index` from above; a lane is `lane` pixels high. */
function drawLane(picture, samples, { lane, index }) {
  const { width } = picture.canvas;
  const middle = (index + 0.5) * lane;
  const [low, high] = peaks(samples, width);
  for (let column = 0; column < width; column += 1) {
    const top = middle - (Math.min(1, high[column]) * lane) / 2;
    const bottom = middle - (Math.max(-1, low[column]) * lane) / 2;
    picture.fillRect(column, top, 1, Math.max(1, bottom - top));
  }
}

/** "0:03.2". */
const time = (seconds) => `${minutes(seconds)}.${Math.floor((seconds * 10) % 10)}`;
