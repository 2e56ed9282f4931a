/**
 * How late captions are. Pure. Speech that is being transcribed always waits, about as long as the utterance is; it
 * is late when it waits and makes no progress.
 */

/** Seconds without progress after which captions are late; while a back end is unavailable they are late at once. */
const STALLED_AFTER = 10;

export class CaptionDelay {
  /** stream -> {waiting, settled, service, since}: `since`: when it last made progress. */
  #streams = new Map();

  /** Apply an `audio_status` of a stream; `now` in seconds. */
  update(status, now) {
    const { stream_id, waiting_seconds: waiting, settled_seconds: settled = 0, waiting_for: service } = status;
    const known = this.#streams.get(stream_id);
    const hasProgress = known === undefined || known.waiting === 0 || waiting < known.waiting || settled > known.settled;
    this.#streams.set(stream_id, { waiting, settled, service, since: hasProgress ? now : known.since });
  }

  /** The stream has ended. */
  remove(stream_id) {
    this.#streams.delete(stream_id);
  }

  clear() {
    this.#streams.clear();
  }

  /** The speech of all streams that waits at `now`, {seconds, service}; null where captions are not late. */
  at(now) {
    const all = [...this.#streams.values()].filter(({ waiting }) => waiting > 0);
    const late = all.filter(({ service, since }) => service || now - since >= STALLED_AFTER);
    if (late.length === 0) return null;
    return { seconds: late.reduce((sum, { waiting }) => sum + waiting, 0), service: late.find(({ service }) => service)?.service ?? null };
  }
}

/** Delays that the median is taken of. */
const DELAYS = 20;

/** The delays of this page's own captions: from the end of speech, by the service's clock, to the final transcript. */
export class OwnDelays {
  #delays = [];

  /** Add a `transcript` of this page's own speech; others than final ones are ignored. */
  add({ type, final, error, timestamp, stream_started, end }) {
    if (type !== "transcript" || !final || error) return;
    this.#delays.push(Math.max(0, (timestamp - stream_started) / 1000 - end));
    if (this.#delays.length > DELAYS) this.#delays.shift();
  }

  /** In seconds, or null without any. */
  get median() {
    if (this.#delays.length === 0) return null;
    const sorted = [...this.#delays].sort((a, b) => a - b);
    return sorted[Math.floor(sorted.length / 2)];
  }
}
