// What a unit reads of a layer through a window: numbers at taps.
// @ts-check
import { sizesOf } from "./places.js";

/** @typedef {import("./page.d.ts").Layer} Layer */
/** @typedef {import("./page.d.ts").Unit} Unit */

/** What a unit sees of one layer through its window.
 * @typedef {object} Patch
 * @property {string} from     the layer
 * @property {number} first    its first channel there
 * @property {[number, number, number]} size   channels, rows, columns of taps
 * @property {[number, number]} at             row and column of the first tap, < 0 in the padding
 * @property {[number, number]} dilation
 * @property {Float64Array} x                  what the taps read, 0 in the padding
 * @property {Uint8Array} inside               1 where a tap is inside the layer */

/** What a window reads at one place. @param {Layer} source @param {Float32Array} values
 * @param {[number, number, number]} size @param {number} first @param {[number, number]} at
 * @param {[number, number]} dilation @returns {Patch} */
export function patchOf(source, values, size, first, at, dilation) {
  const [, rows, columns] = sizesOf(source);
  const taps = size[0] * size[1] * size[2];
  const x = new Float64Array(taps);
  const inside = new Uint8Array(taps);
  for (let tap = 0; tap < taps; tap += 1) {
    const row = at[0] + (Math.floor(tap / size[2]) % size[1]) * dilation[0];
    const column = at[1] + (tap % size[2]) * dilation[1];
    if (row < 0 || row >= rows || column < 0 || column >= columns) continue;
    inside[tap] = 1;
    x[tap] =
      values[((first + Math.floor(tap / (size[1] * size[2]))) * rows + row) * columns + column];
  }
  return { from: source.name, first, size, at, dilation, x, inside };
}

/** The unit that a tap of a patch reads.
 * @param {Patch} patch @param {number} tap @returns {Unit} */
export function tapUnit(patch, tap) {
  const [, rows, columns] = patch.size;
  return {
    layer: patch.from,
    channel: patch.first + Math.floor(tap / (rows * columns)),
    y: patch.at[0] + (Math.floor(tap / columns) % rows) * patch.dilation[0],
    x: patch.at[1] + (tap % columns) * patch.dilation[1],
  };
}
