/** The voice activity of a stream in columns: the mean confidence, and whether any of its samples is speech. */

export class ActivityColumns {
  #confidence = 0;
  #speech = 0;
  #count = 0;

  constructor(samplesPerColumn) {
    this.samplesPerColumn = samplesPerColumn;
  }

  /** Take in the activity of samples; returns the columns that they completed: {confidence: [], speech: []}. */
  add({ confidence, speech }) {
    const columns = { confidence: [], speech: [] };
    for (let n = 0; n < confidence.length; n += 1) {
      this.#confidence += confidence[n];
      this.#speech |= speech[n];
      this.#count += 1;
      if (this.#count === this.samplesPerColumn) {
        columns.confidence.push(this.#confidence / this.#count);
        columns.speech.push(this.#speech);
        this.#confidence = 0;
        this.#speech = 0;
        this.#count = 0;
      }
    }
    return columns;
  }
}

/** Collects columns into segments of speech: [{start, end}] in seconds; the last may still go on. */
export class SpeechSegments {
  #seconds;
  #index = 0;
  #open = null;
  #done = [];

  /** `seconds`: the length of a column. */
  constructor(seconds, limit = 10_000) {
    this.#seconds = seconds;
    this.limit = limit;
  }

  add(speech) {
    for (const is of speech) {
      if (is && this.#open === null) this.#open = this.#index;
      if (!is && this.#open !== null) {
        if (this.#done.length < this.limit) this.#done.push({ start: this.#time(this.#open), end: this.#time(this.#index) });
        this.#open = null;
      }
      this.#index += 1;
    }
  }

  get list() {
    return this.#open === null ? [...this.#done] : [...this.#done, { start: this.#time(this.#open), end: this.#time(this.#index) }];
  }

  #time(index) {
    return Math.round(index * this.#seconds * 1_000) / 1_000;
  }
}
