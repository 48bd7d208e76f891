// What the page knows and who wants to be told of it: one store, told once a frame at most.
// @ts-check

/** @typedef {import("./page.d.ts").State} State */
/** @typedef {import("./page.d.ts").Store} Store */

/** Rounds of a frame: what listeners set is told in the same frame, and no circle runs for ever. */
const ROUNDS = 8;

/**
 * A store of the state. `set` merges and asks for a frame; in it every listener whose keys have
 * changed is called once, and again where a listener sets something that it listens to.
 * @param {State} initial
 * @param {(told: () => void) => void} frame calls back before the next painting
 * @returns {Store}
 */
export function createStore(initial, frame = (told) => void requestAnimationFrame(told)) {
  let state = initial;
  let asked = false;
  let greeting = false;
  /** @type {Set<string>} */
  let changed = new Set();
  /** @type {Set<{ keys: string[], listener: (state: State) => void, old?: boolean }>} */
  const listeners = new Set();

  function tell() {
    for (let round = 0; (changed.size > 0 || greeting) && round < ROUNDS; round++) {
      const now = changed;
      changed = new Set();
      for (const entry of [...listeners]) {
        const greeted = greeting && !entry.old;
        entry.old = true;
        if (greeted || entry.keys.some((key) => now.has(key))) entry.listener(state);
      }
      greeting = false;
    }
    asked = false; // only here: what is set meanwhile needs no frame of its own
    if (changed.size > 0) ask();
  }

  function ask() {
    if (asked) return;
    asked = true;
    frame(tell);
  }

  return {
    get: () => state,
    now: tell,
    set(patch) {
      for (const [key, value] of Object.entries(patch)) {
        if (!Object.is(value, state[/** @type {keyof State} */ (key)])) changed.add(key);
      }
      state = { ...state, ...patch };
      if (changed.size > 0) ask();
    },
    greet() {
      greeting = true;
      ask();
    },
    on(keys, listener) {
      const entry = { keys, listener };
      listeners.add(entry);
      return () => void listeners.delete(entry);
    },
  };
}
