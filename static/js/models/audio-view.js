/** Which part of the sound the plots show: they follow its end, or stand still while they are frozen. Pure. */

/** Seconds that are stored, and so the longest span. */
export const STORED_SECONDS = 30;
/** Seconds that the plots can show. */
export const SPANS = [0.5, 1, 2, 5, 10, 30];

export class AudioView {
  #span = SPANS.indexOf(10);
  /** The end of what is shown while it is frozen; null: it follows. */
  #end = null;
  /** The end of the sound when it was frozen. */
  #limit = 0;

  get span() {
    return SPANS[this.#span];
  }

  get isFrozen() {
    return this.#end !== null;
  }

  get canZoomIn() {
    return this.#span > 0;
  }

  get canZoomOut() {
    return this.#span < SPANS.length - 1;
  }

  /** Stand still at `now` seconds. */
  freeze(now) {
    this.#end = now;
    this.#limit = now;
  }

  follow() {
    this.#end = null;
  }

  /** Show less (`steps` < 0) or more; a frozen view stays around `centre` seconds. */
  zoom(steps, centre = null) {
    const before = this.span;
    this.#span = Math.max(0, Math.min(SPANS.length - 1, this.#span + steps));
    if (this.#end === null) return;
    const middle = centre ?? this.#end - before / 2;
    const share = (this.#end - middle) / before;
    this.#moveTo(middle + share * this.span);
  }

  /** Move a frozen view by a share of what it shows. */
  pan(share) {
    if (this.#end !== null) this.#moveTo(this.#end + share * this.span);
  }

  /** {begin, end} in seconds, at `now` seconds of sound. */
  window(now) {
    const end = this.#end ?? now;
    return { begin: end - this.span, end };
  }

  #moveTo(end) {
    const earliest = Math.max(0, this.#limit - STORED_SECONDS) + this.span;
    this.#end = Math.min(this.#limit, Math.max(earliest, end));
    if (earliest > this.#limit) this.#end = this.#limit;
  }
}
