// The only place that lets time pass (but for boot.js, which comes before all modules): moments that nobody tells of, and
// pauses before another try of what was refused.

const LONGEST = 2 ** 31 - 1; // milliseconds: beyond, browsers call at once

/** Call a function at a moment, once; what it returns calls that off. */
export function at(moment, action) {
  const timer = setTimeout(action, Math.min(Math.max(moment - Date.now(), 0), LONGEST));
  return () => clearTimeout(timer);
}

/** Pauses between tries of the same thing: each is twice as long as the one before, up to half a minute. */
export class Pause {
  #next = 1000; // milliseconds
  #callOff = () => {};

  /** Call a function after the next pause, instead of what was to be called after the last one. */
  then(action) {
    this.#callOff();
    this.#callOff = at(Date.now() + this.#next, action);
    this.#next = Math.min(this.#next * 2, 30_000);
  }

  /** Begin again with the shortest one: it has gone well. */
  reset() {
    this.#callOff();
    this.#next = 1000;
  }
}
