// The bot's camera: a canvas that the service's changed rectangles are drawn into.

// Frames a second of the track at most; the page's meeting dislikes cameras with fewer.
const FRAMES = 30;
// Milliseconds after which an unchanged picture is drawn again: a participant who joins needs a frame.
const AGAIN = 500;
// Milliseconds after a change at which the picture is drawn again as well. Neither the track, which takes no
// two frames within 33 ms, nor an encoder that is short of bandwidth makes up for a frame that it has dropped.
const REPEATS = [40, 100, 200];

export class Picture {
  #canvas;
  #paint;
  #ImageData;
  #setTimeout;
  #last = 0;
  #now;

  constructor({ window, width, height }) {
    this.#ImageData = window.ImageData;
    this.#setTimeout = window.setTimeout;
    this.#now = () => window.performance.now();
    this.#canvas = window.document.createElement("canvas");
    Object.assign(this.#canvas, { width, height });
    this.#paint = this.#canvas.getContext("2d", { alpha: false });
    this.#paint.fillRect(0, 0, width, height);
    this.source = this.#canvas.captureStream(FRAMES).getVideoTracks()[0];
    window.setInterval(() => {
      if (this.#now() - this.#last >= AGAIN / 2) this.#touch();
    }, AGAIN);
  }

  get size() {
    return { width: this.#canvas.width, height: this.#canvas.height };
  }

  draw({ width, height, patches }) {
    if (this.#canvas.width !== width || this.#canvas.height !== height) Object.assign(this.#canvas, { width, height });
    for (const { x, y, width: w, height: h, pixels } of patches) {
      this.#paint.putImageData(new this.#ImageData(pixels, w, h), x, y);
    }
    for (const wait of REPEATS) this.#setTimeout(() => this.#touch(), wait);
  }

  /** Draws a pixel as it is, which is a frame for the track. */
  #touch() {
    this.#last = this.#now();
    this.#paint.drawImage(this.#canvas, 0, 0, 1, 1, 0, 0, 1, 1);
  }
}
