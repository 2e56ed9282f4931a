/** A clock that moves only when told, with the timers that hang on it. */
export class FakeClock {
  #now = 0;
  #timers = new Map();
  #next = 1;

  now = () => this.#now;

  timers = {
    setTimeout: (run, delay = 0) => {
      const id = this.#next++;
      this.#timers.set(id, { at: this.#now + delay, run, id });
      return id;
    },
    clearTimeout: (id) => {
      this.#timers.delete(id);
    },
    setInterval: (run, interval) => {
      const id = this.#next++;
      const again = () => {
        this.#timers.set(id, { at: this.#now + interval, run: () => (again(), run()), id });
      };
      again();
      return id;
    },
    clearInterval: (id) => {
      this.#timers.delete(id);
    },
  };

  /** Milliseconds until each timer that is set, soonest first. */
  get pending() {
    return [...this.#timers.values()].map(({ at }) => at - this.#now).sort((a, b) => a - b);
  }

  /** Let time pass, running what falls due in order, and what promises that wakes. */
  async advance(milliseconds) {
    const end = this.#now + milliseconds;
    await settle();
    for (;;) {
      const due = [...this.#timers.values()].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at || a.id - b.id)[0];
      if (!due) break;
      this.#timers.delete(due.id);
      this.#now = due.at;
      due.run();
      await settle();
    }
    this.#now = end;
  }

  /** The machine sleeps: time passes, and only then do timers that fell due run, late. */
  async sleep(milliseconds) {
    this.#now += milliseconds;
    const due = [...this.#timers.values()].filter(({ at }) => at <= this.#now).sort((a, b) => a.at - b.at);
    for (const timer of due) {
      if (!this.#timers.delete(timer.id)) continue;
      timer.run();
      await settle();
    }
  }
}

/** Let every promise that is settled run its continuations. */
export async function settle() {
  for (let turn = 0; turn < 10; turn += 1) await Promise.resolve();
}
