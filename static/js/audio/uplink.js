/**
 * Sends speech to the service over a LiveSocket, across lost connections.
 *
 * A block is stored until the service has acknowledged that it was received and transcribed (`audio_status`): a dead
 * network accepts data without an error. After a lost connection the stream continues at the position that the
 * service reports (docs/protocol.md), with its own times; nothing is sent twice. Overflow rule: a minute is stored at
 * most, as long as the service waits for a speaker; past it the oldest block is dropped. What the service had not
 * received of it is lost: counted here (`overflow`), and shown to everyone as a gap in the transcript.
 *
 * All positions are samples since `start`. stored: [#first, #end); settled <= received <= #sent <= #end.
 *
 * Events:
 * - `state`    detail {state: "idle"|"starting"|"streaming"|"waiting"|"ending", waiting: seconds not received}
 * - `progress` the service received more
 * - `failed`   detail {code, detail}: the service rejected the stream; it is over
 * - `overflow` detail {seconds}: lost in total since `start`
 * - `ended`    detail: the service's `audio_ended`
 * - `complaint` detail: the service's `error` about a stream of this page: it broke off, or audio was rejected
 */

const LIMIT_SECONDS = 60;
/** A stream that the service broke off or could not begin is begun again after this long (ms). */
const RESTART_AFTER = 1_000;
/** At the end no further block triggers sending: the rest is sent this often (ms). */
const DRAIN_EVERY = 100;
/** Without an acknowledgement for this long (ms) the service is unresponsive. */
const UNRESPONSIVE_AFTER = 3_000;
/** Errors of `audio_start` after which it is sent again. */
const TRANSIENT = new Set(["timeout", "shutting_down", "store_unavailable", "rate_limited", "not_in_session"]);

/** The next state for each event in each state; other events are ignored. */
const TRANSITIONS = {
  idle: { start: "starting" },
  starting: { started: "streaming", lost: "waiting", failed: "idle", stop: "ending" },
  streaming: { lost: "waiting", failed: "idle", stop: "ending", change: "starting" },
  waiting: { ready: "starting", failed: "idle", stop: "ending" },
  ending: { started: "ending", lost: "ending", ready: "ending", failed: "idle", done: "idle" },
};

export class Uplink extends EventTarget {
  #socket;
  #now;
  #timers;
  #state = "idle";
  #options = null;
  #streams = new Set();
  /** Whether a stream is open on this connection, and whether one is being started. */
  #isOpen = false;
  #isStarting = false;
  #drainTimer = null;
  #restartTimer = null;

  /** [{start, block, at}]; `at`: when its last sample was recorded. */
  #blocks = [];
  #end = 0;
  #pushedAt = 0;
  #sent = 0;
  #received = 0;
  #settled = 0;
  #lost = 0;
  /** Lost samples right before `#first` that the service does not know of. */
  #gap = 0;
  /** The id of the current stream, and the position of its first sample. */
  #stream = null;
  #zero = 0;
  #acknowledges = true;
  #acknowledgedAt = 0;
  #isEndSent = false;
  #isInterrupted = false;

  #onMessage = ({ detail }) => this.#receive(detail);
  #onState = ({ detail }) => detail.state !== "live" && this.#disconnected();

  constructor(socket, { timers = { setTimeout: globalThis.setTimeout.bind(globalThis), clearTimeout: globalThis.clearTimeout.bind(globalThis) }, now = () => performance.now() } = {}) {
    super();
    this.#socket = socket;
    this.#timers = timers;
    this.#now = now;
  }

  get state() {
    return this.#state;
  }

  /** Seconds of speech that the service has not acknowledged as received. */
  get waiting() {
    return this.#options ? (this.#end - Math.max(this.#received, this.#first)) / this.#options.sample_rate : 0;
  }

  /** Whether there is no connection, or no acknowledgement while speech is sent. */
  get isUnresponsive() {
    if (this.#state === "idle") return false;
    if (!this.#socket.isLive) return true;
    return this.#isOpen && this.#acknowledges && this.#sent > this.#received && this.#now() - this.#acknowledgedAt >= UNRESPONSIVE_AFTER;
  }

  /** Whether a segment or stream belongs to this page's microphone. */
  owns(id) {
    for (const stream of this.#streams) if (id.startsWith(stream)) return true;
    return false;
  }

  /** Begin a stream: {session_id, sample_rate, source_language, target_languages}. Does nothing where one is open. */
  start(options) {
    if (this.#state !== "idle") return;
    this.#options = options;
    this.#blocks = [];
    this.#end = this.#sent = this.#received = this.#settled = this.#lost = this.#gap = this.#zero = 0;
    this.#stream = null;
    this.#isEndSent = this.#isInterrupted = false;
    this.#pushedAt = this.#now();
    this.#socket.addEventListener("message", this.#onMessage);
    this.#socket.addEventListener("state", this.#onState);
    this.#socket.carriesSpeech = true;
    this.#go("start");
    this.#startStream();
  }

  /** Other languages are spoken or read: this stream ends and the next one begins. */
  change(options) {
    if (this.#state === "idle" || this.#state === "ending") return;
    this.#options = { ...this.#options, ...options };
    this.#restart();
  }

  /** The microphone was interrupted: the next block does not follow directly on the last. */
  interrupted() {
    this.#isInterrupted = this.#state !== "idle" && this.#end > 0;
  }

  /** Store and send a block of PCM (ArrayBuffer). */
  push(block) {
    if (this.#state === "idle") return;
    if (this.#isInterrupted) this.#skipGap(block);
    this.#pushedAt = this.#now();
    this.#store(block, this.#pushedAt);
    this.#bound();
    this.#flush();
  }

  /** End the speech. Stored blocks are still sent. */
  stop() {
    if (!this.#go("stop")) return;
    this.#flush();
  }

  /** The page is being left: stored blocks are dropped. */
  leave() {
    if (this.#state === "idle") return;
    if (this.#isOpen) {
      this.#flush();
      if (!this.#isEndSent) this.#socket.send({ type: "audio_end" });
    }
    this.#finish("failed");
  }

  /** The session can be spoken in again after a lost connection. */
  ready() {
    if (this.#state !== "waiting" && this.#state !== "ending") return;
    this.#go("ready");
    if (!this.#isOpen) this.#startStream();
  }

  /** The session has ended: stored blocks are dropped. */
  abort() {
    if (this.#state === "idle") return;
    if (this.#isOpen) this.#socket.send({ type: "audio_end" });
    this.#finish("failed");
  }

  // --- stored blocks ----------------------------------------------------------------------------------------

  /** The position of the first stored sample. */
  get #first() {
    return this.#blocks.length > 0 ? this.#blocks[0].start : this.#end;
  }

  /** The age of a sample of the first stored block, in seconds. */
  #age(at) {
    if (this.#blocks.length === 0) return 0;
    return Math.max(0, (this.#now() - this.#blocks[0].at) / 1000 + (this.#endOf(this.#blocks[0]) - at) / this.#options.sample_rate);
  }

  /** Drop the blocks that are settled, and those that are older than a minute. */
  #bound() {
    const rate = this.#options.sample_rate;
    while (this.#blocks.length > 0 && this.#endOf(this.#blocks[0]) <= this.#settled) this.#blocks.shift();
    let overflowed = false;
    while (this.#end - this.#first > LIMIT_SECONDS * rate) {
      const old = this.#blocks.shift();
      const lost = Math.max(0, this.#endOf(old) - Math.max(old.start, this.#received));
      if (lost > 0) overflowed = true;
      this.#lost += lost;
      this.#gap += lost;
    }
    if (overflowed) this.#emit("overflow", { seconds: this.#lost / rate });
  }

  #endOf({ start, block }) {
    return start + block.byteLength / 2;
  }

  /** Skip the time without capture as silence, so that the next block has its own time. */
  #skipGap(block) {
    this.#isInterrupted = false;
    const rate = this.#options.sample_rate;
    const missing = Math.round(((this.#now() - this.#pushedAt) / 1000) * rate) - block.byteLength / 2;
    if (missing > LIMIT_SECONDS * rate) {
      this.#restart();
      return;
    }
    const began = this.#pushedAt;
    for (let passed = 0; passed < missing; passed += rate) {
      const samples = Math.min(missing - passed, rate);
      this.#store(new ArrayBuffer(samples * 2), began + ((passed + samples) / rate) * 1000);
    }
  }

  #store(block, at) {
    this.#blocks.push({ start: this.#end, block, at });
    this.#end += block.byteLength / 2;
  }

  // --- sending ----------------------------------------------------------------------------------------------

  /** End the stream, if there is one, and begin another that follows it. */
  #restart() {
    // A stream that is being started is changed once it has started.
    if (!this.#go("change")) return;
    this.#isOpen = false;
    this.#socket.send({ type: "audio_end" });
    this.#startStream();
  }

  async #startStream() {
    if (this.#isStarting) return;
    if (!this.#socket.isLive) {
      this.#disconnected();
      return;
    }
    const options = this.#options;
    const rate = options.sample_rate;
    // Of a block that began before the stream, the rest belongs to the stream.
    const first = Math.max(this.#first, this.#zero);
    const position = (first - this.#zero) / rate;
    const message = { type: "audio_start", ...options, age: this.#age(first), position };
    if (this.#stream !== null) message.stream_id = this.#stream;
    if (this.#gap > 0) message.lost_seconds = this.#gap / rate;
    this.#isStarting = true;
    try {
      const answer = await this.#socket.request(message);
      this.#isStarting = false;
      if (this.#state === "idle") return;
      this.#started(answer, first, position);
      this.#go("started");
      if (options !== this.#options && this.#state === "streaming") this.change({});
      else this.#flush();
    } catch (error) {
      this.#isStarting = false;
      if (this.#state === "idle") return;
      if (error.code === "connection_lost" || !this.#socket.isLive) this.#disconnected();
      else if (TRANSIENT.has(error.code)) {
        this.#disconnected();
        this.#restartLater();
      } else {
        this.#finish("failed");
        this.#emit("failed", { code: error.code, detail: error.message });
      }
    }
  }

  /** The service receives from a position on; samples before it were received, or are lost. */
  #started(answer, first, position) {
    const rate = this.#options.sample_rate;
    this.#streams.add(answer.stream_id);
    this.#acknowledges = typeof answer.position === "number";
    let from = first + Math.round(((answer.position ?? position) - position) * rate);
    // Less than a block is not a gap.
    if (!this.#acknowledges || this.#first - from <= rate / 20) from = Math.max(from, this.#first);
    this.#zero = from - Math.round((answer.received_seconds ?? 0) * rate);
    this.#sent = from;
    this.#received = from;
    // A new stream does not report what the former one received; that one publishes its own captions.
    if (answer.stream_id !== this.#stream) this.#settled = from;
    this.#stream = answer.stream_id;
    this.#gap = 0;
    this.#isOpen = true;
    this.#isEndSent = false;
    this.#acknowledgedAt = this.#now();
    this.#bound();
  }

  #restartLater() {
    this.#timers.clearTimeout(this.#restartTimer);
    this.#restartTimer = this.#timers.setTimeout(() => this.ready(), RESTART_AFTER);
  }

  /** The stream has ended on this connection; unacknowledged samples wait for the next one. */
  #disconnected() {
    const isOver = this.#isEndSent || this.#stream === null;
    this.#isOpen = false;
    this.#isEndSent = false;
    if (this.#state === "ending" && isOver && this.#received >= this.#end) this.#finish("done");
    else this.#go("lost");
  }

  #flush() {
    if (!this.#isOpen) return;
    if (this.#sent < this.#first && this.#state === "streaming") {
      // The network is slower than speech and unsent blocks were dropped: the next stream begins after the gap.
      this.#restart();
      return;
    }
    for (const stored of this.#blocks) {
      const end = this.#endOf(stored);
      if (end <= this.#sent) continue;
      const block = this.#sent > stored.start ? stored.block.slice((this.#sent - stored.start) * 2) : stored.block;
      if (!this.#socket.sendAudio(block)) break;
      if (this.#sent === this.#received) this.#acknowledgedAt = this.#now();
      this.#sent = end;
    }
    if (!this.#acknowledges) this.#acknowledged(this.#sent, this.#sent);
    if (this.#state === "ending") this.#drain();
  }

  /** At the end: send the rest and `audio_end`, and wait until all of it is received. */
  #drain() {
    if (this.#sent < this.#end) {
      this.#timers.clearTimeout(this.#drainTimer);
      this.#drainTimer = this.#timers.setTimeout(() => this.#flush(), DRAIN_EVERY);
      return;
    }
    if (!this.#isEndSent) {
      this.#isEndSent = true;
      this.#socket.send({ type: "audio_end" });
    }
    if (this.#received >= this.#end) this.#finish("done");
  }

  // --- the service's messages ---------------------------------------------------------------------------------

  #receive(message) {
    if (message.type === "error" && this.#streams.has(message.stream_id)) this.#emit("complaint", message);
    if (message.type === "audio_status" && message.stream_id === this.#stream && this.#isOpen) this.#receiveStatus(message);
    // A final transcript in a missed history is newer than the last status.
    if (message.type === "transcript" && message.final && this.#stream !== null && message.segment_id.startsWith(`${this.#stream}-`)) {
      this.#acknowledged(this.#received, this.#zero + Math.floor(message.end * (this.#options?.sample_rate ?? 0)));
    }
    if (message.type !== "audio_ended" || !this.#streams.has(message.stream_id)) return;
    this.#emit("ended", message);
    if (message.stream_id !== this.#stream || !this.#isOpen) return;
    if (this.#isEndSent) {
      this.#finish("done");
      return;
    }
    // The stream broke off in the service: speech waits for the next one.
    this.#disconnected();
    this.#restartLater();
  }

  #receiveStatus({ received_seconds, settled_seconds }) {
    if (typeof received_seconds !== "number") return;
    const rate = this.#options.sample_rate;
    this.#acknowledgedAt = this.#now();
    this.#acknowledged(this.#zero + Math.round(received_seconds * rate), this.#zero + Math.floor(settled_seconds * rate));
    this.#emit("progress");
    if (this.#state === "ending" && this.#isOpen) this.#drain();
  }

  /** Positions only increase, and nothing is received that was not sent. */
  #acknowledged(received, settled) {
    this.#received = Math.max(this.#received, Math.min(received, this.#sent));
    this.#settled = Math.max(this.#settled, Math.min(settled, this.#received));
    if (this.#options) this.#bound();
  }

  /** The stream is over. Its last captions may still arrive: `audio_ended` is received until the next start. */
  #finish(event) {
    this.#isOpen = false;
    this.#blocks = [];
    this.#received = this.#sent = this.#end;
    this.#socket.carriesSpeech = false;
    this.#timers.clearTimeout(this.#drainTimer);
    this.#timers.clearTimeout(this.#restartTimer);
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

  #emit(name, detail = null) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}
