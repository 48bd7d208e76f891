// The maps of one layer on one canvas: where each lies, which unit is under a point, and the paint.
// @ts-check

import { SIGNED, largest } from "./colours.js";
import { isVector, sizesOf } from "./places.js";

/** @typedef {import("./page.d.ts").Layer} Layer */
/** @typedef {import("./field.js").Box} Box */
/** @typedef {import("./field.js").Range} Range */

/** Maps lie in rows, each with its number above. Lengths but `scale` are in pixels of maps.
 * @typedef {object} Sheet
 * @property {Range} channels   those on this page
 * @property {number} perPage
 * @property {number} columns   maps in a row
 * @property {[number, number]} map     height and width of one
 * @property {[number, number]} pitch   from one map to the next, down and across
 * @property {number} head      of the numbers above a map
 * @property {[number, number]} pixels  of the canvas
 * @property {[number, number]} scale   screen pixels of a pixel, down and across */

const ROWS = 3;
const LABEL = 13;
const STEPS = 1024;

/** How a page of a layer is laid out in a width. @param {Layer} layer @param {number} width
 * @param {number} tile about how wide a map is shown @param {number} channel one on the page
 * @param {boolean} named whether it is a vector of named classes @returns {Sheet} */
export function sheetOf(layer, width, tile, channel, named) {
  const [channels, height, wide] = sizesOf(layer);
  const vector = isVector(layer);
  const zoom = tile / Math.max(height, wide);
  const size = zoom > 1 ? Math.round(zoom) : zoom;
  const across = vector ? (named ? 60 : channels > 32 ? 13 : 30) : size;
  /** @type {[number, number]} */
  const scale = [vector ? 16 : size, across];
  const head = Math.ceil(LABEL / scale[0]);
  const pitch = /** @type {[number, number]} */ ([
    height + head + (vector ? 0 : Math.ceil(3 / scale[0])),
    wide + (vector ? 0 : Math.ceil(5 / scale[1])),
  ]);
  const fitting = Math.max(1, Math.floor(width / scale[1] / pitch[1]));
  const tens = vector && !named && fitting > 10 ? fitting - (fitting % 10) : fitting;
  const columns = Math.min(tens, channels);
  const perPage = columns * Math.max(ROWS, Math.ceil(16 / columns));
  const first = Math.floor(channel / perPage) * perPage;
  const last = Math.min(first + perPage, channels);
  const rows = Math.ceil((last - first) / columns);
  const pixels = /** @type {[number, number]} */ ([rows * pitch[0], columns * pitch[1]]);
  return {
    channels: [first, last],
    perPage,
    columns,
    map: [height, wide],
    pitch,
    head,
    pixels,
    scale,
  };
}

/** Top and left of a map. @param {Sheet} sheet @param {number} channel
 * @returns {[number, number]} */
export function cornerOf(sheet, channel) {
  const place = channel - sheet.channels[0];
  return [
    Math.floor(place / sheet.columns) * sheet.pitch[0] + sheet.head,
    (place % sheet.columns) * sheet.pitch[1],
  ];
}

/** Channel, row and column under a point of the screen, or null between the maps.
 * @param {Sheet} sheet @param {number} down @param {number} across */
export function underPoint(sheet, down, across) {
  const [row, column] = [down / sheet.scale[0], across / sheet.scale[1]];
  const [line, place] = [Math.floor(row / sheet.pitch[0]), Math.floor(column / sheet.pitch[1])];
  const channel = sheet.channels[0] + line * sheet.columns + place;
  const y = Math.floor(row - line * sheet.pitch[0] - sheet.head);
  const x = Math.floor(column - place * sheet.pitch[1]);
  const inside = y >= 0 && y < sheet.map[0] && x >= 0 && x < sheet.map[1];
  return inside && place >= 0 && place < sheet.columns && channel < sheet.channels[1]
    ? { channel, y, x }
    : null;
}

/** @type {Map<number, Uint32Array>} */
const bent = new Map();

/** Colours from -1 over 0 to 1, with small numbers stronger where gamma is below 1.
 * @param {number} gamma */
function coloursBy(gamma) {
  const known = bent.get(gamma);
  if (known) return known;
  const colours = new Uint32Array(SIGNED.buffer);
  const made = Uint32Array.from({ length: STEPS + 1 }, (_, step) => {
    const share = (step / STEPS) * 2 - 1;
    return colours[Math.round((Math.sign(share) * Math.abs(share) ** gamma * 0.5 + 0.5) * 255)];
  });
  bent.set(gamma, made);
  return made;
}

/** Paints a page of maps; the canvas has a pixel for each number. @param {HTMLCanvasElement} canvas
 * @param {Sheet} sheet @param {Float32Array} values of the whole layer
 * @param {boolean} each whether every map has its own scale, and not the layer one
 * @param {number} gamma @returns {number} the number that is red where the layer has one scale */
export function paintSheet(canvas, sheet, values, each, gamma) {
  const [height, width] = sheet.pixels;
  if (canvas.height !== height || canvas.width !== width)
    [canvas.height, canvas.width] = [height, width];
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  const image = context.createImageData(width, height);
  const pixels = new Uint32Array(image.data.buffer);
  const colours = coloursBy(gamma);
  const area = sheet.map[0] * sheet.map[1];
  const most = largest(values);
  for (let channel = sheet.channels[0]; channel < sheet.channels[1]; channel += 1) {
    const own = each ? largest(values.subarray(channel * area, (channel + 1) * area)) : most;
    const factor = own > 0 ? STEPS / 2 / own : 0;
    const [top, left] = cornerOf(sheet, channel);
    let at = channel * area;
    for (let y = 0; y < sheet.map[0]; y += 1) {
      let pixel = (top + y) * width + left;
      for (let x = 0; x < sheet.map[1]; x += 1)
        pixels[pixel++] = colours[(values[at++] * factor + STEPS / 2.0 + 0.5) | 0];
    }
  }
  context.putImageData(image, 0, 0);
  return most;
}

/** The box of a map on the screen: left, top, width and height.
 * @param {Sheet} sheet @param {number} channel @param {Range} rows @param {Range} columns
 * @returns {[number, number, number, number]} */
export function boxOnSheet(sheet, channel, rows, columns) {
  const [top, left] = cornerOf(sheet, channel);
  const [down, across] = sheet.scale;
  return [
    (left + columns[0]) * across,
    (top + rows[0]) * down,
    (columns[1] - columns[0]) * across,
    (rows[1] - rows[0]) * down,
  ];
}

/** The boxes of a field on this page; those of a vector are one for each row of cells.
 * @param {Sheet} sheet @param {Box} field */
export function boxesOnSheet(sheet, [channels, rows, columns]) {
  const first = Math.max(channels[0], sheet.channels[0]);
  const last = Math.min(channels[1], sheet.channels[1]);
  const boxes = [];
  for (let channel = first; channel < last; channel += 1) {
    const box = boxOnSheet(sheet, channel, rows, columns);
    const before = boxes[boxes.length - 1];
    const touches =
      before && before[1] === box[1] && Math.abs(before[0] + before[2] - box[0]) < 0.01;
    if (touches) before[2] += box[2];
    else boxes.push(box);
  }
  return boxes;
}
