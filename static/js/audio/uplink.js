/**
 * Speech on its way to the service: one stream after another over a LiveSocket, over lost connections too.
 *
 * While there is no connection, or the service has not yet said that it listens, blocks wait here: 60 seconds of
 * them at 16 kHz, as much as the service itself keeps for a back end that fails. Past that the oldest are let go
 * and counted (`overflow`), so that what is said now is never behind by more.
 *
 * Events:
 * - `state`    detail {state: "idle"|"starting"|"streaming"|"waiting"|"ending", waiting: seconds that wait here}
 * - `failed`   detail {code, detail}: the service will not listen; the stream is over
 * - `overflow` detail {seconds}: let go in all since `start`
 * - `ended`    detail: the service's `audio_ended`
 */

const LIMIT_SECONDS = 60;
/** A stream that the service broke off is begun again after so long (ms). */
const BEGIN_AGAIN = 1_000;
/** At the end no further block comes that would send the rest: look again this often (ms). */
const DRAIN_EVERY = 100;

/** What each event leads to, from each state; what is not here is ignored. */
const TRANSITIONS = {
  idle: { start: "starting" },
  starting: { started: "streaming", lost: "waiting", failed: "idle", stop: "ending" },
  streaming: { lost: "waiting", failed: "idle", stop: "ending", change: "starting" },
  waiting: { ready: "starting", failed: "idle", stop: "ending" },
  ending: { started: "ending", lost: "ending", ready: "ending", failed: "idle", done: "idle" },
};

export class Uplink extends EventTarget {
  #socket;
  #state = "idle";
  #options = null;
  #blocks = [];
  #bytes = 0;
  #lostBytes = 0;
  #streams = new Set();
  #current = null;
  #isListening = false;
  #timers;
  #drainTimer = null;
  #onMessage = ({ detail }) => this.#hear(detail);
  #onState = ({ detail }) => detail.state !== "live" && this.#lost();

  constructor(socket, { timers = { setTimeout: globalThis.setTimeout.bind(globalThis), clearTimeout: globalThis.clearTimeout.bind(globalThis) } } = {}) {
    super();
    this.#socket = socket;
    this.#timers = timers;
  }

  get state() {
    return this.#state;
  }

  /** Seconds of speech that wait here. */
  get waiting() {
    return this.#options ? this.#bytes / 2 / this.#options.sample_rate : 0;
  }

  /** Whether the segment or stream is one of this page's microphone. */
  owns(id) {
    for (const stream of this.#streams) if (id.startsWith(stream)) return true;
    return false;
  }

  /** Begin a stream: {session_id, sample_rate, source_language, target_languages}. Nothing where one is open. */
  start(options) {
    if (this.#state !== "idle") return;
    this.#options = options;
    this.#blocks = [];
    this.#bytes = 0;
    this.#lostBytes = 0;
    this.#socket.addEventListener("message", this.#onMessage);
    this.#socket.addEventListener("state", this.#onState);
    this.#go("start");
    this.#ask();
  }

  /** From now on another language is spoken, or others are read: the stream ends here and the next one begins. */
  change(options) {
    if (this.#state === "idle" || this.#state === "ending") return;
    this.#options = { ...this.#options, ...options };
    // One that is just beginning is changed once it has begun.
    if (!this.#go("change")) return;
    this.#isListening = false;
    this.#current = null;
    this.#socket.send({ type: "audio_end" });
    this.#ask();
  }

  /** A block of PCM (ArrayBuffer). */
  push(block) {
    if (this.#state === "idle") return;
    this.#blocks.push(block);
    this.#bytes += block.byteLength;
    const limit = LIMIT_SECONDS * this.#options.sample_rate * 2;
    let overflowed = false;
    while (this.#bytes > limit) {
      const { byteLength } = this.#blocks.shift();
      this.#bytes -= byteLength;
      this.#lostBytes += byteLength;
      overflowed = true;
    }
    if (overflowed) this.#emit("overflow", { seconds: this.#lostBytes / 2 / this.#options.sample_rate });
    this.#flush();
  }

  /** The end of the speech. What waits is still sent, when it can be. */
  stop() {
    if (!this.#go("stop")) return;
    this.#flush();
  }

  /** The session can be spoken in again, after a lost connection. */
  ready() {
    if (this.#state !== "waiting" && this.#state !== "ending") return;
    this.#go("ready");
    if (!this.#isListening) this.#ask();
  }

  /** The session can be spoken in no more: give up what waits. */
  abort() {
    if (this.#state === "idle") return;
    if (this.#isListening) this.#socket.send({ type: "audio_end" });
    this.#end("failed");
  }

  async #ask() {
    if (!this.#socket.isLive) {
      this.#lost();
      return;
    }
    const options = this.#options;
    try {
      const { stream_id } = await this.#socket.request({ type: "audio_start", ...options });
      if (this.#state === "idle") return;
      this.#streams.add(stream_id);
      this.#current = stream_id;
      this.#isListening = true;
      this.#go("started");
      if (options !== this.#options && this.#state === "streaming") this.change({});
      else this.#flush();
    } catch (error) {
      if (this.#state === "idle") return;
      if (error.code === "connection_lost" || !this.#socket.isLive) {
        this.#lost();
        return;
      }
      this.#end("failed");
      this.#emit("failed", { code: error.code, detail: error.message });
    }
  }

  #lost() {
    this.#isListening = false;
    if (this.#state === "ending" && this.#blocks.length === 0) this.#end("done");
    else this.#go("lost");
  }

  #flush() {
    if (!this.#isListening) return;
    while (this.#blocks.length > 0 && this.#socket.sendAudio(this.#blocks[0])) this.#bytes -= this.#blocks.shift().byteLength;
    if (this.#state !== "ending") return;
    if (this.#blocks.length > 0) {
      this.#timers.clearTimeout(this.#drainTimer);
      this.#drainTimer = this.#timers.setTimeout(() => this.#flush(), DRAIN_EVERY);
      return;
    }
    this.#socket.send({ type: "audio_end" });
    this.#end("done");
  }

  #hear(message) {
    if (message.type !== "audio_ended" || !this.#streams.has(message.stream_id)) return;
    this.#emit("ended", message);
    if (message.stream_id !== this.#current || !this.#isListening) return;
    // Nobody asked for this end: the stream broke off in the service. What is said now waits for the next one.
    this.#lost();
    this.#timers.setTimeout(() => this.ready(), BEGIN_AGAIN);
  }

  /** The stream is over; its last words may still come, so that `audio_ended` is heard until the next start. */
  #end(event) {
    this.#isListening = false;
    this.#blocks = [];
    this.#bytes = 0;
    this.#socket.removeEventListener("state", this.#onState);
    this.#go(event);
  }

  #go(event) {
    const next = TRANSITIONS[this.#state][event];
    if (next === undefined) return false;
    this.#state = next;
    this.#emit("state", { state: next, waiting: this.waiting });
    return true;
  }

  #emit(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}
