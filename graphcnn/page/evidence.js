// Where in the image the evidence for a score is: occlusion, Grad-CAM, gradients; pure functions.
// @ts-check

import { enlargedSmoothly, newPlanes } from "./fit.js";
import { isVector, layerNamed, unitAt } from "./places.js";
import { read } from "./scores.js";

/** @typedef {import("./page.d.ts").About} About */
/** @typedef {import("./page.d.ts").Engine} Engine */
/** @typedef {import("./page.d.ts").Maps} Maps */
/** @typedef {import("./page.d.ts").Unit} Unit */

/** Along each side so many places of the patch, at most. */
const MOST_PLACES = 24;

/**
 * Levels 0..1 as the network takes them, and back.
 * @param {Float32Array} levels @param {About["input"]} input
 */
export function imageOf(levels, input) {
  const { scale, shift, size } = levelScale(input);
  return levels.map((v, i) => v * scale[Math.floor(i / size)] + shift[Math.floor(i / size)]);
}

/** @param {Float32Array} image @param {About["input"]} input */
export function levelsOf(image, input) {
  const { scale, shift, size } = levelScale(input);
  return image.map((v, i) => (v - shift[Math.floor(i / size)]) / scale[Math.floor(i / size)]);
}

/**
 * By channel, what becomes of a level 0..1: `level * scale + shift`.
 * @param {About["input"]} input
 */
export function levelScale({ shape, normalisation }) {
  const { mean, std, scale } = normalisation ?? { mean: [0], std: [1], scale: 1 / 255 };
  const of = (/** @type {number[]} */ all, /** @type {number} */ c) =>
    all[Math.min(c, all.length - 1)];
  const channels = [...Array(shape[0]).keys()];
  return {
    size: shape[1] * shape[2],
    scale: channels.map((c) => (255 * scale) / of(std, c)),
    shift: channels.map((c) => -of(mean, c) / of(std, c)),
  };
}

/**
 * The image with a square of one colour on it.
 * @param {Float32Array} image @param {number[]} shape C, H, W @param {number[]} cover by channel
 * @param {number} top @param {number} left @param {number} size
 */
export function covered(image, [channels, height, width], cover, top, left, size) {
  const result = image.slice();
  for (let c = 0; c < channels; c++) {
    for (let y = Math.max(0, top); y < Math.min(height, top + size); y++) {
      const row = (c * height + y) * width;
      result.fill(
        cover[c],
        row + Math.max(0, left),
        row + Math.max(0, Math.min(width, left + size)),
      );
    }
  }
  return result;
}

/** The probability of a class, or its score where the network has none. */
/** @param {Maps} maps @param {About} about @param {number} channel */
export function chanceOf(maps, about, channel) {
  return read(maps[about.scores], about)[channel];
}

/**
 * Occlusion (M. D. Zeiler, R. Fergus, 2013): for each pixel the mean fall of the chance over the
 * patches that cover it. Yields after every run of the network; returns the map at the end.
 * @param {Engine} engine @param {Float32Array} image @param {number} channel @param {number} size
 * @param {number[]} cover @param {{ [layer: string]: Float32Array }} switches
 * @returns {Generator<number, Float32Array>} yields the share that is done
 */
export function* occlusion(engine, image, channel, size, cover, switches) {
  const { about } = engine,
    shape = about.input.shape,
    [, height, width] = shape;
  const [rows, columns] = [height, width].map((length) => {
    const step = Math.max(1, Math.ceil((length - size) / (MOST_PLACES - 1))),
      places = [];
    for (let at = 0; at < length - size + step; at += step) places.push(at);
    return places;
  });
  const whole = chanceOf(engine.run(image, switches), about, channel);
  const sums = new Float64Array(height * width),
    counts = new Float64Array(height * width);
  for (const [i, top] of rows.entries()) {
    for (const [j, left] of columns.entries()) {
      const maps = engine.run(covered(image, shape, cover, top, left, size), switches);
      const fall = whole - chanceOf(maps, about, channel);
      for (let y = top; y < Math.min(height, top + size); y++) {
        for (let x = left; x < Math.min(width, left + size); x++) {
          sums[y * width + x] += fall;
          counts[y * width + x]++;
        }
      }
      yield (i * columns.length + j + 1) / (rows.length * columns.length);
    }
  }
  return Float32Array.from(sums, (sum, i) => sum / Math.max(1, counts[i]));
}

/**
 * The layers with maps, and the last of them ahead of pooling and the head, where Grad-CAM looks.
 * @param {About} about
 */
export function layersWithMaps(about) {
  const all = about.layers.filter(
    ({ kind, shape }) => kind !== "image" && shape.length === 3 && shape[1] * shape[2] > 1,
  );
  const last = [...all].reverse().find(({ kind }) => !/pool|dropout|flatten/.test(kind));
  return { all, last: last ?? all[all.length - 1] ?? null };
}

/**
 * Grad-CAM (R. Selvaraju et al., 2016): ReLU of the sum of a layer's maps, each by the mean of its
 * gradient, in the size of the image. `best` is the largest number before the rectifier.
 * @param {ArrayLike<number>} maps @param {ArrayLike<number>} slopes @param {number[]} shape of the layer
 * @param {number} height @param {number} width of the image
 */
export function gradCam(maps, slopes, [channels, rows, columns], height, width) {
  const size = rows * columns,
    raw = newPlanes(1, rows, columns);
  for (let c = 0; c < channels; c++) {
    let weight = 0;
    for (let i = 0; i < size; i++) weight += slopes[c * size + i] / size;
    for (let i = 0; i < size; i++) raw.data[i] += weight * maps[c * size + i];
  }
  const best = raw.data.reduce((a, b) => Math.max(a, b), -Infinity);
  const map = enlargedSmoothly(
    { ...raw, data: raw.data.map((v) => Math.max(v, 0)) },
    height,
    width,
  );
  return { map: map.data, best };
}

/**
 * A map with one number for each pixel: the sum over its channels.
 * @param {ArrayLike<number>} map @param {number} size
 */
export function overChannels(map, size) {
  const result = new Float32Array(size);
  for (let i = 0; i < map.length; i++) result[i % size] += map[i];
  return result;
}

/**
 * Why a map shows nothing, as a key of words.js; null where it does.
 * @param {ArrayLike<number>} map
 */
export function silence(map) {
  let low = Infinity,
    high = -Infinity;
  for (let i = 0; i < map.length; i++) {
    if (!Number.isFinite(map[i])) return "mapNotFinite";
    low = Math.min(low, map[i]);
    high = Math.max(high, map[i]);
  }
  if (low < high) return null;
  return low === 0 ? "mapZero" : "mapConstant";
}

/** The unit of the output with the largest number. @param {Maps | null} maps @param {About} about */
export function strongest(maps, about) {
  const scores = maps?.[about.scores] ?? new Float32Array(1);
  const index = scores.reduce((best, score, i) => (score > scores[best] ? i : best), 0);
  return unitAt(layerNamed(about, about.scores), index);
}

/** The class with the largest score. @param {Maps | null} maps @param {About} about */
export function predicted(maps, about) {
  return strongest(maps, about).channel;
}

/** Whether the network ends in one number for each class or target, and not in maps.
 * @param {About} about */
export function answersInNumbers(about) {
  return isVector(layerNamed(about, about.scores));
}

/** What a unit is called, and with `whole` its channel. */
/** @param {About} about @param {Unit} unit @param {boolean} [whole] */
export function nameOf(about, { layer, channel, y, x }, whole = false) {
  const named = layer === about.scores ? about.classes[channel] : undefined;
  const place = isVector(layerNamed(about, layer)) || whole ? "" : ` (${y}, ${x})`;
  return `${named ?? `${layer}:${channel}`}${place}`;
}
