/**
 * Whether captions are late. Pure. A sentence that is being transcribed waits as a matter of course, for as long as
 * it was; late is what waits and gets no further.
 */

/** Seconds without progress from which on captions are late; where a back end is away they are so at once. */
const PATIENCE = 10;

export class CaptionDelay {
  /** stream -> {waiting, settled, service, since}: `since` when it last got further. */
  #streams = new Map();

  /** An `audio_status` of a stream has come; `now` in seconds. */
  note(status, now) {
    const { stream_id, waiting_seconds: waiting, settled_seconds: settled = 0, waiting_for: service } = status;
    const known = this.#streams.get(stream_id);
    const isFurther = known === undefined || known.waiting === 0 || waiting < known.waiting || settled > known.settled;
    this.#streams.set(stream_id, { waiting, settled, service, since: isFurther ? now : known.since });
  }

  forget(stream_id) {
    this.#streams.delete(stream_id);
  }

  clear() {
    this.#streams.clear();
  }

  /** What is late at `now`: {seconds, service}, speech of all streams that wait; null where nothing is. */
  at(now) {
    const all = [...this.#streams.values()].filter(({ waiting }) => waiting > 0);
    const late = all.filter(({ service, since }) => service || now - since >= PATIENCE);
    if (late.length === 0) return null;
    return { seconds: late.reduce((sum, { waiting }) => sum + waiting, 0), service: late.find(({ service }) => service)?.service ?? null };
  }
}
