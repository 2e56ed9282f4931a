/**
 * Keeps the end of a growing list in view until the reader scrolls up, and again once they are back at the end.
 */

import { Scope } from "./scope.js";

/** Within this distance of the end (px) the reader is at the end. */
const NEAR = 56;

export class EndFollower {
  #scope = new Scope();
  #scroll;
  #content;
  #mayFollow;
  #onChange;
  #isFollowing = true;
  #top = 0;
  #height = 0;
  #frame = null;

  /**
   * `content`: what grows in the scrolling element `scroll`, if not itself; `mayFollow()`: whether a reader at the end is followed from
   * there; `onChange()`: the list was scrolled, or its end brought into view.
   */
  constructor({ scroll, content = scroll, mayFollow = () => true, onChange = () => {} }) {
    this.#scroll = scroll;
    this.#content = content;
    this.#mayFollow = mayFollow;
    this.#onChange = onChange;
  }

  start() {
    if (!this.#scope.open()) return;
    this.#scope.listen(this.#scroll, "scroll", () => this.#scrolled(), { passive: true });
    const resize = new ResizeObserver(() => this.follow());
    resize.observe(this.#scroll);
    resize.observe(this.#content);
    this.#scope.defer(() => {
      resize.disconnect();
      cancelAnimationFrame(this.#frame);
      this.#frame = null;
    });
  }

  stop() {
    this.#scope.close();
  }

  get isFollowing() {
    return this.#isFollowing;
  }

  /** The reader looks at something else. */
  letGo() {
    this.#isFollowing = false;
    this.#onChange();
  }

  /** Go to the end, and follow it from there. */
  jump() {
    this.#isFollowing = true;
    this.follow();
  }

  /** Bring the end into view where it is followed: the list has changed. */
  follow() {
    if (this.#isFollowing) {
      this.#scroll.scrollTop = this.#scroll.scrollHeight;
      this.#top = this.#scroll.scrollTop;
      this.#height = this.#scroll.scrollHeight;
    }
    this.#onChange();
  }

  /** The same before the next paint, once for all changes until then. */
  followSoon() {
    this.#frame ??= requestAnimationFrame(() => {
      this.#frame = null;
      this.follow();
    });
  }

  /** Only the reader's scrolling up ends the following; growth below does not. */
  #scrolled() {
    const { scrollHeight, scrollTop, clientHeight } = this.#scroll;
    // Where content above shrank, the browser moved the position, not the reader.
    const isUp = scrollTop < this.#top - 1 && scrollHeight === this.#height;
    if (this.#isFollowing && scrollHeight !== this.#height) this.followSoon();
    this.#top = scrollTop;
    this.#height = scrollHeight;
    const isNear = scrollHeight - scrollTop - clientHeight < NEAR && this.#mayFollow();
    this.#isFollowing = isNear || (this.#isFollowing && !isUp);
    this.#onChange();
  }
}
