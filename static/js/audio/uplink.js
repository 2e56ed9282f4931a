/**
 * Speech on its way to the service, over a LiveSocket and over lost connections too.
 *
 * A block is stored here until the service has said that it has arrived and is transcribed (`audio_status`): a
 * network that has gone takes everything and says nothing. After a lost connection the stream goes on from where
 * the service says that it is (docs/protocol.md), at its own times; nothing is sent twice. A minute is stored at
 * most, as much as the service waits for a speaker; past it the oldest is let go. What of that had not arrived is
 * lost: counted here (`overflow`), and a gap in the transcript that everyone sees.
 *
 * All positions are samples since `start`. stored: [#first, #end); settled <= received <= #sent <= #end.
 *
 * Events:
 * - `state`    detail {state: "idle"|"starting"|"streaming"|"waiting"|"ending", waiting: seconds that have not arrived}
 * - `progress` more has arrived
 * - `failed`   detail {code, detail}: the service will not listen; the stream is over
 * - `overflow` detail {seconds}: lost in all since `start`
 * - `ended`    detail: the service's `audio_ended`
 * - `complaint` detail: the service's `error` about a stream of this page: it broke off, or audio was refused
 */

const LIMIT_SECONDS = 60;
/** A stream that the service broke off, or could not begin just now, is begun again after so long (ms). */
const BEGIN_AGAIN = 1_000;
/** At the end no further block comes that would send the rest: look again this often (ms). */
const DRAIN_EVERY = 100;
/** Sent, and nothing acknowledged for so long (ms): it is not known that anyone listens. */
const DOUBTED_AFTER = 3_000;
/** Errors of `audio_start` that pass. */
const PASSING = new Set(["timeout", "shutting_down", "store_unavailable", "rate_limited", "not_in_session"]);

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
  #now;
  #timers;
  #state = "idle";
  #options = null;
  #streams = new Set();
  /** Whether a stream is open on this connection, or asked for. */
  #isListening = false;
  #isAsking = false;
  #drainTimer = null;
  #againTimer = null;

  /** [{start, block, at}]; `at`: when its last sample was recorded. */
  #blocks = [];
  #end = 0;
  #pushedAt = 0;
  #sent = 0;
  #received = 0;
  #settled = 0;
  #lost = 0;
  /** Of those, how many lie right before #first and are not known to the service. */
  #gap = 0;
  /** The stream that goes on, and where its first sample is. */
  #stream = null;
  #zero = 0;
  #acknowledges = true;
  #acknowledgedAt = 0;
  #isEndSent = false;
  #isInterrupted = false;

  #onMessage = ({ detail }) => this.#hear(detail);
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

  /** Seconds of speech that have not arrived, as far as is known. */
  get waiting() {
    return this.#options ? (this.#end - Math.max(this.#received, this.#first)) / this.#options.sample_rate : 0;
  }

  /** Whether it is not known that anyone listens: no connection, or nothing acknowledged while speech goes out. */
  get isUnresponsive() {
    if (this.#state === "idle") return false;
    if (!this.#socket.isLive) return true;
    return this.#isListening && this.#acknowledges && this.#sent > this.#received && this.#now() - this.#acknowledgedAt >= DOUBTED_AFTER;
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
    this.#end = this.#sent = this.#received = this.#settled = this.#lost = this.#gap = this.#zero = 0;
    this.#stream = null;
    this.#isEndSent = this.#isInterrupted = false;
    this.#pushedAt = this.#now();
    this.#socket.addEventListener("message", this.#onMessage);
    this.#socket.addEventListener("state", this.#onState);
    this.#socket.carriesSpeech = true;
    this.#go("start");
    this.#ask();
  }

  /** From now on another language is spoken, or others are read: the stream ends here and the next one begins. */
  change(options) {
    if (this.#state === "idle" || this.#state === "ending") return;
    this.#options = { ...this.#options, ...options };
    this.#again();
  }

  /** The microphone was gone: what comes next does not follow at once on what came before. */
  interrupted() {
    this.#isInterrupted = this.#state !== "idle" && this.#end > 0;
  }

  /** A block of PCM (ArrayBuffer). */
  push(block) {
    if (this.#state === "idle") return;
    if (this.#isInterrupted) this.#passOver(block);
    this.#pushedAt = this.#now();
    this.#store(block, this.#pushedAt);
    this.#bound();
    this.#flush();
  }

  /** The end of the speech. What waits is still sent, when it can be. */
  stop() {
    if (!this.#go("stop")) return;
    this.#flush();
  }

  /** The page goes away: nobody will send what is stored. */
  leave() {
    if (this.#state === "idle") return;
    if (this.#isListening) {
      this.#flush();
      if (!this.#isEndSent) this.#socket.send({ type: "audio_end" });
    }
    this.#finish("failed");
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
    this.#finish("failed");
  }

  // --- what is stored ---------------------------------------------------------------------------------------

  /** The first sample that is stored. */
  get #first() {
    return this.#blocks.length > 0 ? this.#blocks[0].start : this.#end;
  }

  /** How old a sample of the first block that is stored is, in seconds. */
  #age(at) {
    if (this.#blocks.length === 0) return 0;
    return Math.max(0, (this.#now() - this.#blocks[0].at) / 1000 + (this.#endOf(this.#blocks[0]) - at) / this.#options.sample_rate);
  }

  /** Let go of what is settled, and of what is older than a minute. */
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

  /** Nothing was captured for a while: it counts as silence, so that what follows stands at its own time. */
  #passOver(block) {
    this.#isInterrupted = false;
    const rate = this.#options.sample_rate;
    const missing = Math.round(((this.#now() - this.#pushedAt) / 1000) * rate) - block.byteLength / 2;
    if (missing > LIMIT_SECONDS * rate) {
      this.#again();
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
  #again() {
    // One that is just beginning is changed once it has begun.
    if (!this.#go("change")) return;
    this.#isListening = false;
    this.#socket.send({ type: "audio_end" });
    this.#ask();
  }

  async #ask() {
    if (this.#isAsking) return;
    if (!this.#socket.isLive) {
      this.#disconnected();
      return;
    }
    const options = this.#options;
    const rate = options.sample_rate;
    // Of a block that began before the stream did, the rest is the stream's.
    const first = Math.max(this.#first, this.#zero);
    const position = (first - this.#zero) / rate;
    const message = { type: "audio_start", ...options, age: this.#age(first), position };
    if (this.#stream !== null) message.stream_id = this.#stream;
    if (this.#gap > 0) message.lost_seconds = this.#gap / rate;
    this.#isAsking = true;
    try {
      const answer = await this.#socket.request(message);
      this.#isAsking = false;
      if (this.#state === "idle") return;
      this.#started(answer, first, position);
      this.#go("started");
      if (options !== this.#options && this.#state === "streaming") this.change({});
      else this.#flush();
    } catch (error) {
      this.#isAsking = false;
      if (this.#state === "idle") return;
      if (error.code === "connection_lost" || !this.#socket.isLive) this.#disconnected();
      else if (PASSING.has(error.code)) {
        this.#disconnected();
        this.#later();
      } else {
        this.#finish("failed");
        this.#emit("failed", { code: error.code, detail: error.message });
      }
    }
  }

  /** The service listens from a position on; what lies before it is there, or lost. */
  #started(answer, first, position) {
    const rate = this.#options.sample_rate;
    this.#streams.add(answer.stream_id);
    this.#acknowledges = typeof answer.position === "number";
    let from = first + Math.round(((answer.position ?? position) - position) * rate);
    // Less than a block is no gap.
    if (!this.#acknowledges || this.#first - from <= rate / 20) from = Math.max(from, this.#first);
    this.#zero = from - Math.round((answer.received_seconds ?? 0) * rate);
    this.#sent = from;
    this.#received = from;
    // Another stream does not know what the former one has; that one publishes it.
    if (answer.stream_id !== this.#stream) this.#settled = from;
    this.#stream = answer.stream_id;
    this.#gap = 0;
    this.#isListening = true;
    this.#isEndSent = false;
    this.#acknowledgedAt = this.#now();
    this.#bound();
  }

  #later() {
    this.#timers.clearTimeout(this.#againTimer);
    this.#againTimer = this.#timers.setTimeout(() => this.ready(), BEGIN_AGAIN);
  }

  /** The stream can be fed no more on this connection; what has not arrived waits for the next one. */
  #disconnected() {
    const isOver = this.#isEndSent || this.#stream === null;
    this.#isListening = false;
    this.#isEndSent = false;
    if (this.#state === "ending" && isOver && this.#received >= this.#end) this.#finish("done");
    else this.#go("lost");
  }

  #flush() {
    if (!this.#isListening) return;
    if (this.#sent < this.#first && this.#state === "streaming") {
      // The network is slower than speech, and what it never carried is let go: a gap, and the rest after it.
      this.#again();
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

  /** At the end: send what is left, say that it was all, and wait until all of it has arrived. */
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

  // --- what the service says --------------------------------------------------------------------------------

  #hear(message) {
    if (message.type === "error" && this.#streams.has(message.stream_id)) this.#emit("complaint", message);
    if (message.type === "audio_status" && message.stream_id === this.#stream && this.#isListening) this.#heardStatus(message);
    // A final in a history that was missed says more than the last status did.
    if (message.type === "transcript" && message.final && this.#stream !== null && message.segment_id.startsWith(`${this.#stream}-`)) {
      this.#acknowledged(this.#received, this.#zero + Math.floor(message.end * (this.#options?.sample_rate ?? 0)));
    }
    if (message.type !== "audio_ended" || !this.#streams.has(message.stream_id)) return;
    this.#emit("ended", message);
    if (message.stream_id !== this.#stream || !this.#isListening) return;
    if (this.#isEndSent) {
      this.#finish("done");
      return;
    }
    // Nobody asked for this end: the stream broke off in the service. What is said now waits for the next one.
    this.#disconnected();
    this.#later();
  }

  #heardStatus({ received_seconds, settled_seconds }) {
    if (typeof received_seconds !== "number") return;
    const rate = this.#options.sample_rate;
    this.#acknowledgedAt = this.#now();
    this.#acknowledged(this.#zero + Math.round(received_seconds * rate), this.#zero + Math.floor(settled_seconds * rate));
    this.#emit("progress");
    if (this.#state === "ending" && this.#isListening) this.#drain();
  }

  /** It only rises, and nothing has arrived that was not sent. */
  #acknowledged(received, settled) {
    this.#received = Math.max(this.#received, Math.min(received, this.#sent));
    this.#settled = Math.max(this.#settled, Math.min(settled, this.#received));
    if (this.#options) this.#bound();
  }

  /** The stream is over; its last words may still come, so that `audio_ended` is heard until the next start. */
  #finish(event) {
    this.#isListening = false;
    this.#blocks = [];
    this.#received = this.#sent = this.#end;
    this.#socket.carriesSpeech = false;
    this.#timers.clearTimeout(this.#drainTimer);
    this.#timers.clearTimeout(this.#againTimer);
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
