// Where a unit looks: the box of units that it sees on every layer before it, and the box of those
// that see it on every layer after. Boxes are cut at the borders, where only padding is seen.
// @ts-check
import { isAverage, isJoin, isMaximum } from "./cell.js";
import { isLaidDown, layerNamed, sizesOf } from "./places.js";
import { isEffect } from "./steps.js";

/** @typedef {import("./page.d.ts").About} About */
/** @typedef {import("./page.d.ts").Layer} Layer */
/** @typedef {import("./page.d.ts").Unit} Unit */

/** From the first to before the last. @typedef {[number, number]} Range */
/** Channels, rows and columns. @typedef {[Range, Range, Range]} Box */

/** The boxes that a unit sees, its own among them, by name of layer.
 * @param {About} about @param {Unit} unit @returns {Map<string, Box>} */
export function fieldBefore(about, unit) {
  /** @type {Map<string, Box>} */
  const boxes = new Map([[unit.layer, boxOf(unit)]]);
  for (const layer of [...about.layers].reverse()) {
    const box = boxes.get(layer.name);
    if (!box) continue;
    let first = 0; // channel, in a concat
    for (const name of layer.from) {
      const source = layerNamed(about, name);
      widen(boxes, name, seenBy(layer, source, box, first), sizesOf(source));
      first += sizesOf(source)[0];
    }
  }
  // Where an operator is not known the layers between have more than it sees, but not the image.
  const image = boxes.get(about.layers[0].name);
  const { field } = layerNamed(about, unit.layer);
  if (image && field) {
    for (const axis of [0, 1]) {
      const from = field.start[axis] + [unit.y, unit.x][axis] * field.step[axis];
      const [low, high] = image[axis + 1];
      image[axis + 1] = [
        Math.max(low, Math.floor(from)),
        Math.min(high, Math.ceil(from + field.size[axis])),
      ];
    }
  }
  return boxes;
}

/** The boxes of units that see this one, its own among them, by name of layer.
 * @param {About} about @param {Unit} unit @returns {Map<string, Box>} */
export function fieldAfter(about, unit) {
  /** @type {Map<string, Box>} */
  const boxes = new Map([[unit.layer, boxOf(unit)]]);
  for (const layer of about.layers) {
    let first = 0;
    for (const name of layer.from) {
      const box = boxes.get(name);
      const source = layerNamed(about, name);
      if (box) widen(boxes, layer.name, seeing(layer, source, box, first), sizesOf(layer));
      first += sizesOf(source)[0];
    }
  }
  return boxes;
}

/** @param {Unit} unit @returns {Box} */
function boxOf(unit) {
  return [
    [unit.channel, unit.channel + 1],
    [unit.y, unit.y + 1],
    [unit.x, unit.x + 1],
  ];
}

/** Grow a layer's box by another one; what is empty at the borders adds nothing.
 * @param {Map<string, Box>} boxes @param {string} name @param {Box} more @param {number[]} sizes */
function widen(boxes, name, more, sizes) {
  const cut = more.map(([from, to], axis) => [Math.max(from, 0), Math.min(to, sizes[axis])]);
  if (!cut.every(([from, to]) => from < to)) return;
  const old = boxes.get(name) ?? cut;
  const both = cut.map(([from, to], axis) => [
    Math.min(from, old[axis][0]),
    Math.max(to, old[axis][1]),
  ]);
  boxes.set(name, /** @type {Box} */ (both));
}

/** @param {Layer} layer @returns {Box} */
function wholeOf(layer) {
  return /** @type {Box} */ (sizesOf(layer).map((size) => [0, size]));
}

/** Whether every unit reads one unit at its own place. @param {Layer} layer */
function isByPlace(layer) {
  return (
    isEffect(layer.kind) || isJoin(layer.kind) || ["concat", "batch_norm"].includes(layer.kind)
  );
}

/** Whether a unit may read all of a map, along whatever axes. @param {Layer} layer */
function isReduction(layer) {
  return layer.kind === "mean" || layer.kind === "max";
}

/** @param {Layer} layer @param {Layer} source @param {Box} box @param {number} first
 * @returns {Box} */
function seenBy(layer, source, box, first) {
  const all = wholeOf(source);
  if (isLaidDown(layer)) return relaid(layer, source, box);
  const pool = isAverage(layer) || isMaximum(layer);
  const channels =
    pool || layer.kind === "concat" || isByPlace(layer)
      ? channelsBy(box[0], -first, layer)
      : all[0];
  if (layer.window) {
    const groups = layer.window.groups;
    const grouped = pool
      ? channels
      : scaled(box[0], sizesOf(layer)[0] / groups, all[0][1] / groups);
    return [
      grouped,
      tapped(layer.window, 1, box[1], all[1]),
      tapped(layer.window, 2, box[2], all[2]),
    ];
  }
  if (isByPlace(layer)) return spread(channels, box, sizesOf(layer), sizesOf(source));
  if (pool) return [channels, all[1], all[2]];
  return isReduction(layer) ? all : [all[0], ...byFields(layer, source, box, all)];
}

/** @param {Layer} layer @param {Layer} source @param {Box} box @param {number} first
 * @returns {Box} */
function seeing(layer, source, box, first) {
  const all = wholeOf(layer);
  if (isLaidDown(layer)) return relaid(source, layer, box);
  const pool = isAverage(layer) || isMaximum(layer);
  const channels = pool || isByPlace(layer) ? channelsBy(box[0], first, layer) : all[0];
  if (layer.window) {
    const { window } = layer;
    const grouped = pool
      ? channels
      : scaled(box[0], sizesOf(source)[0] / window.groups, all[0][1] / window.groups);
    const sides = [1, 2].map((axis) => {
      const places = Array.from({ length: all[axis][1] }, (_, at) => at);
      const seen = places.filter((at) => tapped(window, axis, [at, at + 1], box[axis])[1]);
      return [seen[0], seen[seen.length - 1] + 1];
    });
    return /** @type {Box} */ ([grouped, ...sides]);
  }
  return isByPlace(layer)
    ? spread(channels, box, sizesOf(source), sizesOf(layer))
    : [channels, all[1], all[2]];
}

/** The hull of those taps of windows at `places` along an axis that are within bounds; [0, 0] without.
 * @param {NonNullable<Layer["window"]>} window @param {number} axis 1 of rows, 2 of columns
 * @param {Range} places @param {Range} bounds @returns {Range} */
function tapped(window, axis, places, bounds) {
  const of = (/** @type {number[]} */ pair) => pair[axis - 1];
  let [from, to] = [Infinity, 0];
  for (let place = places[0]; place < places[1]; place += 1)
    for (let tap = 0; tap < of(window.kernel); tap += 1) {
      const at = place * of(window.stride) - of(window.pads) + tap * of(window.dilation);
      if (at < bounds[0] || at >= bounds[1]) continue;
      [from, to] = [Math.min(from, at), Math.max(to, at + 1)];
    }
  return to ? [from, to] : [0, 0];
}

/** Channels of a concat lie behind those of its layers before. @param {Range} channels
 * @param {number} by @param {Layer} layer @returns {Range} */
function channelsBy(channels, by, layer) {
  const step = layer.kind === "concat" ? by : 0;
  return [channels[0] + step, channels[1] + step];
}

/** Channels in steps of `from` as the groups of `to` that belong to them. @param {Range} channels
 * @param {number} from @param {number} to @returns {Range} */
function scaled(channels, from, to) {
  return [Math.floor(channels[0] / from) * to, Math.ceil(channels[1] / from) * to];
}

/** The same places of a layer of other sizes, where 1 stands for everywhere.
 * @param {Range} channels @param {Box} box @param {number[]} sizes @param {number[]} others
 * @returns {Box} */
function spread(channels, box, sizes, others) {
  const at = [channels, box[1], box[2]].map(([from, to], axis) => {
    if (sizes[axis] === others[axis] || (axis === 0 && sizes[0] !== 1 && others[0] !== 1))
      return [from, to];
    return [
      Math.floor((from * others[axis]) / sizes[axis]),
      Math.ceil((to * others[axis]) / sizes[axis]),
    ];
  });
  return /** @type {Box} */ (at);
}

/** A box of values in another shape of the same memory.
 * @param {Layer} layer @param {Layer} other @param {Box} box @returns {Box} */
function relaid(layer, other, box) {
  const [, rows, columns] = sizesOf(layer);
  const first = (box[0][0] * rows + box[1][0]) * columns + box[2][0];
  const last = ((box[0][1] - 1) * rows + box[1][1] - 1) * columns + box[2][1] - 1;
  const [, tall, wide] = sizesOf(other);
  const area = tall * wide;
  const inside = wholeOf(other);
  inside[0] = [Math.floor(first / area), Math.floor(last / area) + 1];
  if (inside[0][1] - inside[0][0] > 1) return inside;
  inside[1] = [Math.floor((first % area) / wide), Math.floor((last % area) / wide) + 1];
  if (inside[1][1] - inside[1][0] > 1) return inside;
  return [inside[0], inside[1], [first % wide, (last % wide) + 1]];
}

/** Rows and columns of the source whose fields on the image lie within those of the box, and one more
 * where they lie between: what an operator sees that the page does not know, or more. Without fields
 * it sees everything.
 * @param {Layer} layer @param {Layer} source @param {Box} box @param {Box} all
 * @returns {[Range, Range]} */
function byFields(layer, source, box, all) {
  const [mine, its] = [layer.field, source.field];
  if (!mine || !its || layer.from.length > 1) return [all[1], all[2]];
  if (![...mine.step, ...its.step].every((step) => step > 0)) return [all[1], all[2]]; // vectors
  const sides = [0, 1].map((axis) => {
    const from = mine.start[axis] + box[axis + 1][0] * mine.step[axis];
    const to = mine.start[axis] + (box[axis + 1][1] - 1) * mine.step[axis] + mine.size[axis];
    const first = Math.floor((from - its.start[axis]) / its.step[axis]);
    return [first, Math.ceil((to - its.size[axis] - its.start[axis]) / its.step[axis]) + 1];
  });
  return /** @type {[Range, Range]} */ (sides);
}
