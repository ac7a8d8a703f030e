// The only place that lets time pass. Nobody asks anything again by it: what it waits for is a moment, not an answer.

const LONGEST = 2 ** 31 - 1; // milliseconds: beyond, browsers call at once

/** Call a function at a moment, once; what it returns calls that off. */
export function at(moment, action) {
  const timer = setTimeout(action, Math.min(Math.max(moment - Date.now(), 0), LONGEST));
  return () => clearTimeout(timer);
}
