// A small network that is trained in the page: its training step is a function of a module as well.
// @ts-check
import { floatsOf, inflated } from "./decode.js";
import { createMachine } from "./engine.js";

/** @typedef {import("./page.d.ts").Learning} Learning */
/** @typedef {import("./page.d.ts").Maps} Maps */
/** @typedef {import("./page.d.ts").Trainer} Trainer */

/** @param {WebAssembly.Module} module @param {Learning} learning @param {Uint8Array} constants
 * @returns {Trainer} */
export function createTrainer(module, learning, constants) {
  const { programs, states, batch } = learning;
  const machine = createMachine(module, programs, constants);
  const maps = Object.keys(programs.ports).filter((port) => port.startsWith("map "));
  /** @type {Trainer} */
  const trainer = {
    learning,
    weights: (key) => machine.port(key),
    reset() {
      for (const [key, text] of Object.entries(states)) machine.port(key).set(floatsOf(text));
    },
    step(images, targets) {
      if (targets.length !== batch)
        throw new Error(`expected ${batch} targets, found ${targets.length}`);
      machine.port("step image").set(images);
      const words = machine.words("step target"); // integers of 64 bits, the low word first
      words.fill(0);
      for (let i = 0; i < batch; i++) words[2 * i] = targets[i];
      machine.call("step");
      return machine.port("loss")[0];
    },
    run(image) {
      machine.port("run image").set(image);
      machine.call("run");
      return Object.fromEntries(maps.map((port) => [port.slice(4), machine.port(port)]));
    },
  };
  trainer.reset();
  return trainer;
}

/** @param {Learning} learning @returns {Promise<Trainer>} */
export async function loadTrainer(learning) {
  const [code, constants] = await Promise.all([learning.code, learning.constants].map(inflated));
  return createTrainer(await WebAssembly.compile(code), learning, constants);
}
