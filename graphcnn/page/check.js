// The self-check: does this browser compute what the reference did when the page was made?
// @ts-check
import { floatsOf } from "./decode.js";

/** @typedef {import("./page.d.ts").Engine} Engine */

/** The largest difference that is rounding; above it the page stops. */
export const TOLERANCE = 1e-4;

/** The numbers between -1 and 1 that a page is checked with. @param {number} count */
export function patternImage(count) {
  return Float32Array.from({ length: count }, (_, i) => ((i * 7919) % 1000) / 500 - 1);
}

/** The largest difference from the numbers of the reference, as a share of the largest number of
 * its layer where that is above 1, and in which layer it is.
 * @param {Engine} engine @returns {{ worst: number, layer: string, good: boolean }} */
export function selfCheck(engine) {
  const { about } = engine;
  const count = about.input.shape.reduce((a, b) => a * b, 1);
  let [worst, layer] = [0, about.scores];
  /** @param {string} name @param {Float32Array} found @param {string} text */
  const compare = (name, found, text) => {
    const expected = floatsOf(text);
    const largest = expected.reduce((most, x) => Math.max(most, Math.abs(x)), 1);
    expected.forEach((x, i) => {
      const apart = Math.abs(found[Math.floor((i * found.length) / expected.length)] - x) / largest;
      if (!(apart <= worst)) [worst, layer] = [Number.isNaN(apart) ? Infinity : apart, name];
    });
  };
  for (const golden of about.golden) {
    const image = golden.image ? floatsOf(golden.image) : patternImage(count);
    const maps = engine.run(image);
    for (const [name, text] of Object.entries(golden.outputs)) compare(name, maps[name], text);
    if (golden.gradient) {
      const seed = new Float32Array(maps[about.scores].length).fill(1);
      compare("image", engine.gradient(image, { [about.scores]: seed }).image, golden.gradient);
    }
  }
  return { worst, layer, good: worst <= TOLERANCE };
}
