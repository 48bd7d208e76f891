// Grids of numbers as coloured squares with the numbers in them, on a canvas.
// @ts-check

import { isPale, signedColour } from "./colours.js";

/** A number in few characters: .33, −.11, 1, 12. @param {number} value */
export function shortNumber(value) {
  const rounded = Math.abs(value) >= 10 ? value.toFixed(0) : value.toFixed(2).replace(/\.?0+$/, "");
  return rounded
    .replace(/^(-?)0\./, "$1.")
    .replace("-", "−")
    .replace(/^−0?$/, "0");
}

/**
 * @typedef {Object} Grid
 * @property {ArrayLike<number>} values
 * @property {number} height
 * @property {number} width
 * @property {number} left
 * @property {number} top
 * @property {number} cell pixels of a square
 * @property {number} most the number that is red
 * @property {(value: number) => string} [write] what stands in a square that is large enough
 * @property {number} [known] values from here on come later: they are faint
 */

/**
 * Draws a grid, values row by row.
 * @param {CanvasRenderingContext2D} context
 * @param {Grid} grid
 */
export function drawGrid(context, grid) {
  const { values, height, width, left, top, cell, most, write = shortNumber } = grid;
  const known = grid.known ?? values.length;
  const gap = cell >= 8 ? 1 : 0;
  context.textAlign = "center";
  context.textBaseline = "middle";
  context.font = `${Math.min(12, cell * 0.42)}px system-ui, sans-serif`;
  for (let i = 0; i < height * width; i++) {
    const [x, y] = [left + (i % width) * cell, top + Math.floor(i / width) * cell];
    context.globalAlpha = i < known ? 1 : 0.3;
    context.fillStyle =
      i < values.length ? signedColour(values[i], most) : "rgb(128 128 128 / 0.5)";
    context.fillRect(x, y, cell - gap, cell - gap);
    context.globalAlpha = 1;
    if (cell < 19 || i >= known) continue;
    context.fillStyle = isPale(values[i], most) ? "#000000" : "#ffffff";
    context.fillText(write(values[i]), x + cell / 2, y + cell / 2);
  }
}

/**
 * A frame around cells of a grid, dark with a light edge: it is seen on every colour.
 * @param {CanvasRenderingContext2D} context
 * @param {{ left: number, top: number, cell: number }} grid
 * @param {number[]} box y, x, height, width in cells
 */
export function frameCells(context, { left, top, cell }, [y, x, height, width]) {
  for (const [thickness, colour] of /** @type {const} */ ([
    [4, "#ffffff"],
    [2, "#15191e"],
  ])) {
    context.lineWidth = thickness;
    context.strokeStyle = colour;
    context.strokeRect(left + x * cell, top + y * cell, width * cell - 1, height * cell - 1);
  }
}
