// Convolutions by their definition, plain and transposed, for the lab: sizes, windows, sums.
// @ts-check

/**
 * @typedef {Object} Setting
 * @property {number} kernel
 * @property {number} stride
 * @property {number} padding
 * @property {number} dilation
 * @property {number} groups
 * @property {number} channels of the input, and filters
 * @property {boolean} transposed
 */

/**
 * Pixels of the output along one axis: floor((n + 2p - d(k - 1) - 1) / s) + 1, or of the transposed
 * convolution (n - 1)s - 2p + d(k - 1) + 1.
 * @param {number} n
 * @param {Setting} setting
 */
export function outputSize(n, { kernel, stride, padding, dilation, transposed }) {
  const span = dilation * (kernel - 1) + 1;
  if (transposed) return (n - 1) * stride - 2 * padding + span;
  return Math.floor((n + 2 * padding - span) / stride) + 1;
}

/** The formula of `outputSize` with its numbers. @param {number} n @param {Setting} setting */
export function sizeFormula(n, setting) {
  const { kernel: k, stride: s, padding: p, dilation: d, transposed } = setting;
  const result = outputSize(n, setting);
  return transposed
    ? `(${n} − 1)·${s} − 2·${p} + ${d}·(${k} − 1) + 1 = ${result}`
    : `⌊(${n} + 2·${p} − ${d}·(${k} − 1) − 1) / ${s}⌋ + 1 = ${result}`;
}

/** Channels that filter `f` reads. @param {number} f @param {Setting} setting */
export function channelsOf(f, { channels, groups }) {
  const each = channels / groups;
  const first = Math.floor(f / each) * each;
  return Array.from({ length: each }, (_, i) => first + i);
}

/**
 * Kernels to choose from: weights over the window, -1..1 on both axes from its middle.
 * @type {{ [name: string]: (y: number, x: number) => number }}
 */
export const KERNELS = {
  kernelVertical: (_, x) => Math.sign(x),
  kernelHorizontal: (y) => Math.sign(y),
  kernelFalling: (y, x) => (Math.abs(y - x) < 0.01 ? 1 : -1),
  kernelBlur: () => 1,
  kernelSpot: (y, x) => (y === 0 && x === 0 ? 2 : 0) - 0.5 * Math.exp(-(y * y + x * x)),
  kernelOne: (y, x) => Number(Math.abs(y) < 0.01 && Math.abs(x) < 0.01),
};

/**
 * The weights (filters, channels / groups, k, k): the kernel chosen in the first filter, those that
 * follow it in the list in the next ones; each sums sizes to 1 at most.
 * @param {string} name
 * @param {Setting} setting
 */
export function weightsOf(name, { kernel: k, channels, groups }) {
  const names = Object.keys(KERNELS);
  const each = channels / groups;
  const weights = new Float32Array(channels * each * k * k);
  const place = (/** @type {number} */ i) => (k === 1 ? 0 : (2 * i) / (k - 1) - 1);
  for (let f = 0; f < channels; f++) {
    const form = KERNELS[names[(names.indexOf(name) + f) % names.length]];
    const window = Array.from({ length: k * k }, (_, i) =>
      form(place(Math.floor(i / k)), place(i % k)),
    );
    if (k === 1) window[0] = 1;
    const sum = window.reduce((a, v) => a + Math.abs(v), 0) * each || 1;
    for (let i = 0; i < each * k * k; i++)
      weights[f * each * k * k + i] = window[i % (k * k)] / sum;
  }
  return weights;
}

/**
 * One filter over an image (C, H, W). `steps` windows are done (of a plain convolution, each gives
 * one number; of a transposed one each is a pixel of the image that stamps the kernel).
 * @param {Float32Array} image
 * @param {number[]} size height, width
 * @param {Float32Array} weights
 * @param {number} f
 * @param {Setting} setting
 * @param {number} steps
 */
export function convolved(image, [height, width], weights, f, setting, steps = Infinity) {
  const { kernel: k, stride: s, padding: p, dilation: d, transposed } = setting;
  const [rows, columns] = [outputSize(height, setting), outputSize(width, setting)];
  const output = new Float32Array(Math.max(rows, 0) * Math.max(columns, 0));
  const seen = channelsOf(f, setting);
  // The side that is walked pixel by pixel, and the other one, which a window of it touches.
  const [walkedWidth, touched] = transposed ? [width, [rows, columns]] : [columns, [height, width]];
  const count = Math.min(transposed ? height * width : output.length, steps);
  for (let at = 0; at < count; at++) {
    const [y, x] = [Math.floor(at / walkedWidth), at % walkedWidth];
    for (let i = 0; i < k * k; i++) {
      const ty = y * s - p + Math.floor(i / k) * d;
      const tx = x * s - p + (i % k) * d;
      if (ty < 0 || tx < 0 || ty >= touched[0] || tx >= touched[1]) continue;
      const other = ty * touched[1] + tx;
      const [from, to] = transposed ? [at, other] : [other, at];
      seen.forEach((channel, j) => {
        const weight = weights[(f * seen.length + j) * k * k + i];
        output[to] += weight * image[channel * height * width + from];
      });
    }
  }
  return output;
}
