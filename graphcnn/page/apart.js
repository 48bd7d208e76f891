// Numbers of operators that read in another way than through a window: transposed convolution,
// enlarging, normalisation by an image's own mean and variance, means over axes.
// @ts-check
import { patchOf } from "./patch.js";
import { indexOf, sizesOf, unitAt } from "./places.js";

/** @typedef {import("./page.d.ts").Layer} Layer */
/** @typedef {import("./page.d.ts").Maps} Maps */
/** @typedef {import("./page.d.ts").Settings} Settings */
/** @typedef {import("./page.d.ts").Unit} Unit */
/** @typedef {import("./cell.js").Parts} Parts */
/** @typedef {Pick<Parts, "how"|"sum"> & Partial<Parts>} Found */
/** (x - mean) / root · gamma + beta, with root = √(variance + epsilon) of `count` numbers.
 * @typedef {{ mean: number, root: number, gamma: number, beta: number, count: number }} Norm */

/** @param {Layer} layer @param {Layer} source @param {Maps} maps
 * @param {(key: string) => Float32Array} weights @param {Unit} unit @returns {Found} */
export function apart(layer, source, maps, weights, unit) {
  const settings = /** @type {Settings} */ (layer.settings);
  if (settings.stride) return transposedUnit(layer, source, maps, weights, unit);
  if (settings.scale) return enlargedUnit(source, maps, unit, settings);
  if (settings.gamma) return normalisedUnit(layer, source, maps, weights, unit);
  return averagedUnit(layer, source, maps, unit);
}

/** y = b + Σ x[o, i, j] · w[o, c, u, v] over all i · stride + u · dilation - pad = row, and so for
 * columns: a transposed convolution. Taps between that no kernel row meets have weight 0.
 * @param {Layer} layer @param {Layer} source @param {Maps} maps
 * @param {(key: string) => Float32Array} weights @param {Unit} unit @returns {Found} */
function transposedUnit(layer, source, maps, weights, unit) {
  const { kernel, stride, pads, dilation, groups } = /** @type {Required<Settings>} */ (
    layer.settings
  );
  const [channels, ...area] = sizesOf(source);
  const [each, made] = [channels / groups, layer.shape[0] / groups];
  const first = Math.floor(unit.channel / made) * each;
  /** For each of a row of places the row of the kernel that it meets, or -1. */
  const [rows, columns] = [unit.y, unit.x].map((place, axis) => {
    const met = Array.from({ length: area[axis] }, (_, at) => {
      const row = (place + pads[axis] - at * stride[axis]) / dilation[axis];
      return Number.isInteger(row) && row >= 0 && row < kernel[axis] ? row : -1;
    });
    const from = met.findIndex((row) => row >= 0);
    const to = met.length - [...met].reverse().findIndex((row) => row >= 0);
    return from < 0 ? { from: 0, met: [] } : { from, met: met.slice(from, to) };
  });
  /** @type {[number, number, number]} */
  const size = [each, rows.met.length, columns.met.length];
  const patch = patchOf(source, maps[source.name], size, first, [rows.from, columns.from], [1, 1]);
  const all = weights(layer.weight ?? "");
  const own = Float64Array.from(patch.x, (_, tap) => {
    const u = rows.met[Math.floor(tap / size[2]) % size[1]];
    const v = columns.met[tap % size[2]];
    const channel = (first + Math.floor(tap / (size[1] * size[2]))) * made + (unit.channel % made);
    return u < 0 || v < 0 ? 0 : all[(channel * kernel[0] + u) * kernel[1] + v];
  });
  return summed(patch, own, layer.bias ? weights(layer.bias)[unit.channel] : 0);
}

/** @param {import("./patch.js").Patch} patch @param {Float64Array} weights @param {number} bias
 * @returns {Found} */
function summed(patch, weights, bias) {
  const products = weights.map((weight, tap) => weight * patch.x[tap]);
  const sum = products.reduce((a, b) => a + b, 0) + bias;
  return { how: "sum", patch, weights, products, bias, sum };
}

/** The nearest pixel, or the mix of the two nearest of each axis by their distance: place j lies at
 * (j + 1/2) / scale - 1/2, cut to the image; with corners at j · (size - 1) / (all - 1).
 * @param {Layer} source @param {Maps} maps @param {Unit} unit @param {Settings} settings
 * @returns {Found} */
function enlargedUnit(source, maps, unit, { scale = [1, 1], mode, corners }) {
  const [, ...area] = sizesOf(source);
  if (mode === "nearest") {
    const [y, x] = [unit.y, unit.x].map((at, axis) => Math.floor(at / scale[axis]));
    const there = { layer: source.name, channel: unit.channel, y, x };
    const value = maps[source.name][indexOf(source, there)];
    return { how: "copy", terms: [{ unit: there, x: value }], sum: value };
  }
  const [rows, columns] = [unit.y, unit.x].map((place, axis) => {
    const size = area[axis];
    const centre = (place + 0.5) / scale[axis] - 0.5;
    const at = corners
      ? (place * (size - 1)) / Math.max(1, size * scale[axis] - 1)
      : Math.min(Math.max(centre, 0), size - 1);
    const from = Math.min(Math.floor(at), size - 1);
    const share = from === size - 1 ? 0 : at - from;
    return { from, shares: share ? [1 - share, share] : [1] };
  });
  /** @type {[number, number, number]} */
  const size = [1, rows.shares.length, columns.shares.length];
  const at = /** @type {[number, number]} */ ([rows.from, columns.from]);
  const patch = patchOf(source, maps[source.name], size, unit.channel, at, [1, 1]);
  const own = Float64Array.from(rows.shares.flatMap((a) => columns.shares.map((b) => a * b)));
  return summed(patch, own, 0);
}

/** (x - mean) / √(variance + epsilon) · gamma + beta, by the mean and the variance of a group of
 * channels, or along axes. @param {Layer} layer @param {Layer} source @param {Maps} maps
 * @param {(key: string) => Float32Array} weights @param {Unit} unit @returns {Found} */
function normalisedUnit(layer, source, maps, weights, unit) {
  const {
    gamma = "",
    beta = "",
    epsilon = 0,
    axes,
    groups = 1,
  } = /** @type {Settings} */ (layer.settings);
  const values = maps[source.name];
  const index = indexOf(layer, unit);
  const sizes = sizesOf(layer);
  /** @type {Float64Array} */
  let numbers;
  let parameter = unit.channel;
  if (axes) {
    numbers = along(values, sizes, axes, [unit.channel, unit.y, unit.x]).numbers;
    const place = [unit.channel, unit.y, unit.x];
    parameter = axes.reduce((at, axis) => at * sizes[axis] + place[axis], 0);
  } else {
    const length = values.length / groups;
    const first = Math.floor(index / length) * length;
    numbers = Float64Array.from(values.subarray(first, first + length));
  }
  const count = numbers.length;
  const mean = numbers.reduce((a, b) => a + b, 0) / count;
  const variance = numbers.reduce((a, b) => a + (b - mean) ** 2, 0) / count;
  const [scale, shift] = [gamma, beta].map((key) => weights(key)[parameter]);
  const norm = { mean, count, root: Math.sqrt(variance + epsilon), gamma: scale, beta: shift };
  const x = values[index];
  const sum = ((x - mean) / norm.root) * norm.gamma + norm.beta;
  return { how: "norm", norm, terms: [{ unit: unitAt(source, index), x }], sum };
}

/** All numbers of a map whose places differ along axes alone. @param {Float32Array} values
 * @param {number[]} sizes @param {number[]} axes @param {number[]} place */
function along(values, sizes, axes, place) {
  const size = sizes.map((length, axis) => (axes.includes(axis) ? length : 1));
  const first = place.map((at, axis) => (axes.includes(axis) ? 0 : at));
  const numbers = new Float64Array(size[0] * size[1] * size[2]);
  for (let i = 0; i < numbers.length; i += 1) {
    const c = first[0] + Math.floor(i / (size[1] * size[2]));
    const y = first[1] + (Math.floor(i / size[2]) % size[1]);
    numbers[i] = values[(c * sizes[1] + y) * sizes[2] + first[2] + (i % size[2])];
  }
  return { numbers, size, first };
}

/** The mean along axes. @param {Layer} layer @param {Layer} source @param {Maps} maps
 * @param {Unit} unit @returns {Found} */
function averagedUnit(layer, source, maps, unit) {
  const { axes = [] } = /** @type {Settings} */ (layer.settings);
  const sizes = sizesOf(source);
  const place = [0, 0, 0]; // the unit's, along the axes that are left
  let rest = indexOf(layer, unit);
  for (const axis of [2, 1, 0].filter((each) => !axes.includes(each))) {
    place[axis] = rest % sizes[axis];
    rest = Math.floor(rest / sizes[axis]);
  }
  const { size, first } = along(maps[source.name], sizes, axes, place);
  const taps = /** @type {[number, number, number]} */ (size);
  const at = /** @type {[number, number]} */ ([first[1], first[2]]);
  const patch = patchOf(source, maps[source.name], taps, first[0], at, [1, 1]);
  const sum = patch.x.reduce((a, b) => a + b, 0) / patch.x.length;
  return { how: "average", patch, count: patch.x.length, sum };
}
