// The bot's camera: a canvas that the service's changed rectangles are drawn into.

// Frames a second of the track at most; the page's meeting dislikes cameras with fewer.
const FRAMES = 30;
// Milliseconds after which an unchanged picture is drawn again: a participant who joins needs a frame.
const AGAIN = 500;

export class Picture {
  #canvas;
  #paint;
  #drawn = 0;
  #ImageData;
  #now;

  constructor({ window, width, height }) {
    this.#ImageData = window.ImageData;
    this.#now = () => window.performance.now();
    this.#canvas = window.document.createElement("canvas");
    Object.assign(this.#canvas, { width, height });
    this.#paint = this.#canvas.getContext("2d", { alpha: false });
    this.#paint.fillRect(0, 0, width, height);
    this.source = this.#canvas.captureStream(FRAMES).getVideoTracks()[0];
    window.setInterval(() => this.#again(), AGAIN);
  }

  get size() {
    return { width: this.#canvas.width, height: this.#canvas.height };
  }

  draw({ width, height, patches }) {
    if (this.#canvas.width !== width || this.#canvas.height !== height) Object.assign(this.#canvas, { width, height });
    for (const { x, y, width: w, height: h, pixels } of patches) {
      this.#paint.putImageData(new this.#ImageData(pixels, w, h), x, y);
    }
    this.#drawn = this.#now();
  }

  #again() {
    if (this.#now() - this.#drawn < AGAIN) return;
    this.#paint.drawImage(this.#canvas, 0, 0, 1, 1, 0, 0, 1, 1);
  }
}
