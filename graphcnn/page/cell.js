// One value of a layer, taken apart: what it reads, by which weights, and how they make the number.
// @ts-check
import { apart } from "./apart.js";
import { patchOf, tapUnit } from "./patch.js";
import { indexOf, isLaidDown, layerNamed, sizesOf, unitAt } from "./places.js";
import { stepsAfter } from "./steps.js";

/** @typedef {import("./page.d.ts").About} About */
/** @typedef {import("./page.d.ts").Layer} Layer */
/** @typedef {import("./page.d.ts").Maps} Maps */
/** @typedef {import("./page.d.ts").Unit} Unit */
/** @typedef {import("./patch.js").Patch} Patch */
/** @typedef {import("./steps.js").Step} Step */

/** @typedef {{ unit: Unit, x: number }} Term */

/** How a value comes about; what does not concern it is left out.
 * @typedef {object} Parts
 * @property {"image"|"sum"|"max"|"average"|"norm"|"softmax"|"join"|"copy"|"unknown"} how
 * @property {Unit} unit
 * @property {Patch} [patch]
 * @property {Float64Array} [weights]   of a sum: one for each tap
 * @property {Float64Array} [products]
 * @property {number} [bias]
 * @property {number} [winner]          of a maximum: its tap
 * @property {number} [count]           of an average: what it divides by
 * @property {Term[]} [terms]           of a join, a copy or a softmax: the values that meet
 * @property {import("./apart.js").Norm} [norm]   of a normalisation: its numbers
 * @property {Float64Array} [powers]    of a softmax: e^(x - largest)
 * @property {number} sum               before the steps
 * @property {Step[]} steps
 * @property {number} value             as the page computes it
 * @property {number} engine            as the network has it
 * @property {number} difference */

/** @type {{ [kind: string]: (a: number, b: number) => number }} */
const JOINS = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  maximum: Math.max,
  minimum: Math.min,
};

/** @param {string} kind */
export function isJoin(kind) {
  return kind in JOINS;
}

/** @param {Layer} layer */
export function isMaximum(layer) {
  return layer.kind === "max_pool2d";
}

/** @param {Layer} layer */
export function isAverage(layer) {
  return layer.kind === "avg_pool2d" || layer.kind === "global_avg_pool2d";
}

/** The parts of one value of a layer.
 * @param {About} about @param {Maps} maps @param {(key: string) => Float32Array} weights
 * @param {Unit} unit @param {{ [layer: string]: Float32Array }} [switches] @returns {Parts} */
export function explainCell(about, maps, weights, unit, switches = {}) {
  const layer = layerNamed(about, unit.layer);
  const engine = maps[layer.name][indexOf(layer, unit)];
  const whole = { unit, steps: [], value: engine, engine, difference: 0, sum: engine };
  if (!layer.from.length) return { ...whole, how: "image" };
  const found = layer.exact ? made(about, layer, maps, weights, unit) : null;
  if (!found) return { ...whole, how: "unknown" };
  const steps = stepsAfter(layer, unit.channel, found.sum, switches, weights);
  const value = steps.length ? steps[steps.length - 1].after : found.sum;
  return { ...whole, ...found, steps, value, difference: Math.abs(value - engine) };
}

/** @param {About} about @param {Layer} layer @param {Maps} maps
 * @param {(key: string) => Float32Array} weights @param {Unit} unit
 * @returns {Pick<Parts, "how"|"sum"> & Partial<Parts> | null} */
function made(about, layer, maps, weights, unit) {
  const source = layerNamed(about, layer.from[0]);
  if (layer.settings) return apart(layer, source, maps, weights, unit);
  if (layer.weight) return weighted(layer, source, maps, weights, unit);
  if (isMaximum(layer) || isAverage(layer)) return pooled(layer, source, maps, unit);
  if (layer.kind === "softmax" || layer.kind === "log_softmax")
    return softmaxed(layer, source, maps, unit);
  if (layer.kind === "concat") {
    const term = termOf(about, maps, partOf(about, layer, unit));
    return { how: "copy", terms: [term], sum: term.x };
  }
  const terms = layer.from.map((name) => {
    const other = layerNamed(about, name);
    const laid = isLaidDown(layer)
      ? unitAt(other, indexOf(layer, unit))
      : nearest(layer, other, unit);
    return termOf(about, maps, laid);
  });
  if (terms.length === 1) return { how: "copy", terms, sum: terms[0].x };
  const join = JOINS[layer.kind];
  return join
    ? { how: "join", terms, sum: terms.map((term) => term.x).reduce((a, b) => join(a, b)) }
    : null;
}

/** @param {About} about @param {Maps} maps @param {Unit} unit @returns {Term} */
function termOf(about, maps, unit) {
  return { unit, x: maps[unit.layer][indexOf(layerNamed(about, unit.layer), unit)] };
}

/** The unit that lies there: sizes of 1 are read everywhere, smaller maps are repeated.
 * @param {Layer} layer @param {Layer} other @param {Unit} unit @returns {Unit} */
function nearest(layer, other, unit) {
  const sizes = sizesOf(layer);
  const [channel, y, x] = [unit.channel, unit.y, unit.x].map((at, axis) =>
    Math.floor((at * sizesOf(other)[axis]) / sizes[axis]),
  );
  return { layer: other.name, channel, y, x };
}

/** The unit of the layers which a concat puts one after the other that this one is.
 * @param {About} about @param {Layer} layer @param {Unit} unit @returns {Unit} */
function partOf(about, layer, unit) {
  let { channel } = unit;
  for (const name of layer.from) {
    const { shape } = layerNamed(about, name);
    if (channel < shape[0]) return { ...unit, layer: name, channel };
    channel -= shape[0];
  }
  throw new Error(`${layer.name} has no channel ${unit.channel}`);
}

/** Σ w·x + b of a convolution or a dense layer, which reads everything at once.
 * @param {Layer} layer @param {Layer} source @param {Maps} maps
 * @param {(key: string) => Float32Array} weights @param {Unit} unit
 * @returns {Pick<Parts, "how"|"sum"> & Partial<Parts>} */
function weighted(layer, source, maps, weights, unit) {
  const [channels, ...area] = sizesOf(source);
  const { window } = layer;
  const groups = window?.groups ?? 1;
  /** @type {[number, number, number]} */
  const size = window ? [channels / groups, ...window.kernel] : [channels, area[0], area[1]];
  const group = Math.floor(unit.channel / (layer.shape[0] / groups));
  /** @type {[number, number]} */
  const at = window ? windowAt(window, unit) : [0, 0];
  const patch = patchOf(
    source,
    maps[source.name],
    size,
    group * size[0],
    at,
    window?.dilation ?? [1, 1],
  );
  const taps = patch.x.length;
  const own = Float64Array.from(
    weights(layer.weight ?? "").subarray(unit.channel * taps, (unit.channel + 1) * taps),
  );
  const products = own.map((weight, tap) => weight * patch.x[tap]);
  const bias = layer.bias ? weights(layer.bias)[unit.channel] : 0;
  const sum = products.reduce((a, b) => a + b, 0) + bias;
  return { how: "sum", patch, weights: own, products, bias, sum };
}

/** Row and column of a window's first tap. @param {NonNullable<Layer["window"]>} window
 * @param {Unit} unit @returns {[number, number]} */
function windowAt(window, unit) {
  return [unit.y * window.stride[0] - window.pads[0], unit.x * window.stride[1] - window.pads[1]];
}

/** The largest number of a window, the first among equals, or its average; without a window, of the
 * whole map. @param {Layer} layer @param {Layer} source @param {Maps} maps @param {Unit} unit
 * @returns {Pick<Parts, "how"|"sum"> & Partial<Parts>} */
function pooled(layer, source, maps, unit) {
  const [, rows, columns] = sizesOf(source);
  const { window } = layer;
  /** @type {[number, number]} */
  const [tall, wide] = window?.kernel ?? [rows, columns];
  const dilation = window?.dilation ?? [1, 1];
  const at = window ? windowAt(window, unit) : /** @type {[number, number]} */ ([0, 0]);
  const patch = patchOf(source, maps[source.name], [1, tall, wide], unit.channel, at, dilation);
  const taps = [...patch.x.keys()];
  if (isAverage(layer)) {
    // The padding counts only where the layer says so, and what hangs over it never does.
    const [, , bottom, right] = window?.countPad ? window.pads : [0, 0, 0, 0];
    const counts = (/** @type {number} */ tap) => {
      const { y, x } = tapUnit(patch, tap);
      return window?.countPad ? y < rows + bottom && x < columns + right : patch.inside[tap] > 0;
    };
    const count = taps.filter(counts).length;
    return { how: "average", patch, count, sum: patch.x.reduce((a, b) => a + b, 0) / count };
  }
  const inside = taps.filter((tap) => patch.inside[tap]);
  const winner = inside.reduce(
    (best, tap) => (patch.x[tap] > patch.x[best] ? tap : best),
    inside[0],
  );
  return { how: "max", patch, winner, sum: patch.x[winner] };
}

/** e^x over the sum of all e^x along the channels; the largest is taken off: none overflows.
 * @param {Layer} layer @param {Layer} source @param {Maps} maps @param {Unit} unit
 * @returns {Pick<Parts, "how"|"sum"> & Partial<Parts>} */
function softmaxed(layer, source, maps, unit) {
  const terms = Array.from({ length: sizesOf(source)[0] }, (_, channel) => {
    const there = { ...unit, layer: source.name, channel };
    return { unit: there, x: maps[source.name][indexOf(source, there)] };
  });
  const powers = powersOf(terms.map((term) => term.x));
  const share = powers[unit.channel] / powers.reduce((a, b) => a + b, 0);
  return { how: "softmax", terms, powers, sum: layer.kind === "softmax" ? share : Math.log(share) };
}

/** e^(x - largest) of each x. @param {ArrayLike<number>} scores */
export function powersOf(scores) {
  const all = Float64Array.from(scores);
  const most = all.reduce((a, b) => Math.max(a, b), -Infinity);
  return all.map((x) => Math.exp(x - most));
}

/** @typedef {{ tap: number, unit: Unit, x: number, weight: number, product: number }} Share */

/** The largest contributions to a sum of either sign, and what all others add up to.
 * @param {Parts} parts @param {number} most of each sign
 * @returns {{ plus: Share[], minus: Share[], rest: number }} */
export function largestShares(parts, most) {
  const { patch, weights, products } = parts;
  if (!patch || !weights || !products) return { plus: [], minus: [], rest: 0 };
  const order = Array.from(products.keys()).sort((a, b) => products[b] - products[a] || a - b);
  const share = (/** @type {number} */ tap) => ({
    tap,
    unit: tapUnit(patch, tap),
    x: patch.x[tap],
    weight: weights[tap],
    product: products[tap],
  });
  const plus = order
    .slice(0, most)
    .filter((tap) => products[tap] > 0)
    .map(share);
  const minus = order
    .slice(-most)
    .reverse()
    .filter((tap) => products[tap] < 0)
    .map(share);
  const named = [...plus, ...minus].reduce((sum, each) => sum + each.product, 0);
  return { plus, minus, rest: products.reduce((a, b) => a + b, 0) - named };
}

/** The sum of products of each channel of a patch. @param {Parts} parts @returns {Float64Array} */
export function channelSums(parts) {
  const { patch, products } = parts;
  if (!patch || !products) return new Float64Array(0);
  const area = patch.size[1] * patch.size[2];
  return Float64Array.from({ length: patch.size[0] }, (_, channel) =>
    products.subarray(channel * area, (channel + 1) * area).reduce((a, b) => a + b, 0),
  );
}
