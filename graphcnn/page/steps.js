// What follows a sum inside one map: scale and shift of a normalisation, then an activation.
// @ts-check

/** @typedef {import("./page.d.ts").Layer} Layer */
/** @typedef {{ op: string, before: number, after: number, numbers: number[] }} Step */

/** @type {{ [op: string]: (x: number, numbers: number[]) => number }} */
const EFFECTS = {
  relu: (x) => Math.max(x, 0),
  leaky_relu: (x, [alpha]) => (x > 0 ? x : alpha * x),
  elu: (x, [alpha]) => (x > 0 ? x : alpha * Math.expm1(x)),
  sigmoid,
  tanh: Math.tanh,
  softplus: (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x))),
  silu: (x) => x * sigmoid(x),
  mish: (x) => x * Math.tanh(Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)))),
  gelu: (x) => (x * (1 + errorFunction(x / Math.SQRT2))) / 2,
  hard_sigmoid: (x, [alpha, beta]) => Math.min(Math.max(alpha * x + beta, 0), 1),
  hard_swish: (x) => x * Math.min(Math.max(x / 6 + 0.5, 0), 1),
  clip: (x, [low, high]) => Math.min(Math.max(x, low), high),
  neg: (x) => -x,
  abs: Math.abs,
  exp: Math.exp,
  log: Math.log,
  sqrt: Math.sqrt,
};

/** Scale and shift by the numbers of a channel.
 * @type {{ [by: string]: (of: number[], epsilon: number) => [number, number] }} */
const SCALINGS = {
  add: ([b]) => [1, b],
  sub: ([b]) => [1, -b],
  mul: ([b]) => [b, 0],
  div: ([b]) => [1 / b, 0],
  norm([gamma, beta, mean, variance], epsilon) {
    const scale = gamma / Math.sqrt(variance + epsilon);
    return [scale, beta - mean * scale];
  },
};

/** @param {number} x */
function sigmoid(x) {
  return 1 / (1 + Math.exp(-x));
}

/** Within 1.5e-7. M. Abramowitz, I. Stegun, Handbook of Mathematical Functions, 7.1.26.
 * @param {number} x */
function errorFunction(x) {
  const t = 1 / (1 + 0.3275911 * Math.abs(x));
  const powers = [1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592];
  return Math.sign(x) * (1 - powers.reduce((sum, a) => (sum + a) * t, 0) * Math.exp(-x * x));
}

/** Whether the page knows this operator on single numbers. @param {string} op */
export function isEffect(op) {
  return op in EFFECTS;
}

/** The steps from a sum to the value of its map, in order.
 * @param {Layer} layer @param {number} channel @param {number} sum
 * @param {{ [layer: string]: Float32Array }} switches
 * @param {(key: string) => ArrayLike<number>} weights @returns {Step[]} */
export function stepsAfter(layer, channel, sum, switches, weights) {
  /** @type {Step[]} */
  const steps = [];
  let value = sum;
  /** @param {string} op @param {number} after @param {number[]} numbers */
  function add(op, after, numbers) {
    steps.push({ op, before: value, after, numbers });
    value = after;
  }
  /** @type {Layer["then"]} */
  const own = isEffect(layer.kind) && layer.then[0]?.op !== layer.kind ? [{ op: layer.kind }] : [];
  for (const step of [...own, ...layer.then]) {
    if ("by" in step) {
      const own = step.of.map((numbers) => {
        const all = typeof numbers === "number" ? [numbers] : weights(numbers);
        return all[all.length > 1 ? channel : 0];
      });
      const pair = SCALINGS[step.by](own, step.epsilon ?? 0);
      add("scale", value * pair[0] + pair[1], pair);
      continue;
    }
    const numbers = ("numbers" in step && step.numbers) || [];
    add(step.op, isEffect(step.op) ? EFFECTS[step.op](value, numbers) : NaN, numbers);
  }
  const factor = switches[layer.name]?.[channel] ?? 1;
  if (factor !== 1) add("switch", value * factor, [factor]);
  return steps;
}
