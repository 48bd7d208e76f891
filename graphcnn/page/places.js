// Where a value lies: units of layers as indices and back, through what only lies down differently.
// @ts-check

/** @typedef {import("./page.d.ts").About} About */
/** @typedef {import("./page.d.ts").Layer} Layer */
/** @typedef {import("./page.d.ts").Unit} Unit */

/** Layers that hand values on as they are, in the same order in memory. */
const LAID_DOWN = new Set(["flatten", "reshape", "dropout", "identity", "stop_gradient"]);

/** Units that are pinned at once: one more takes the place of the oldest. More are no comparison,
 * and an address may say thousands. */
export const MOST_PINS = 24;

/** @param {Unit} a @param {Unit} b */
export function sameUnit(a, b) {
  return a.layer === b.layer && a.channel === b.channel && a.y === b.y && a.x === b.x;
}

/** @param {About} about @param {string} name @returns {Layer} */
export function layerNamed(about, name) {
  const layer = about.layers.find((each) => each.name === name);
  if (!layer) throw new Error(`no layer ${name}`);
  return layer;
}

/** Channels, rows and columns of a layer; a vector has one row and column for each index.
 * @param {Layer} layer @returns {[number, number, number]} */
export function sizesOf(layer) {
  const [channels, rows, columns] = layer.shape;
  return [channels ?? 1, rows ?? 1, columns ?? 1];
}

/** @param {Layer} layer */
export function isVector(layer) {
  const [, rows, columns] = sizesOf(layer);
  return rows * columns === 1;
}

/** Whether the layer hands on its source's values one by one. @param {Layer} layer */
export function isLaidDown(layer) {
  return LAID_DOWN.has(layer.kind);
}

/** @param {Layer} layer @param {Unit} unit */
export function indexOf(layer, unit) {
  const [, rows, columns] = sizesOf(layer);
  return (unit.channel * rows + unit.y) * columns + unit.x;
}

/** @param {Layer} layer @param {number} index @returns {Unit} */
export function unitAt(layer, index) {
  const [, rows, columns] = sizesOf(layer);
  const channel = Math.floor(index / (rows * columns));
  const y = Math.floor(index / columns) % rows;
  return { layer: layer.name, channel, y, x: index % columns };
}

/** The unit whose value this one hands on: through flatten and its like to the map before.
 * @param {About} about @param {Unit} unit @returns {Unit} */
export function behind(about, unit) {
  const layer = layerNamed(about, unit.layer);
  if (!isLaidDown(layer) || layer.then.length) return unit;
  return behind(about, unitAt(layerNamed(about, layer.from[0]), indexOf(layer, unit)));
}
