// What lies over the maps of a layer: their numbers, the frames of the fields, and the pins.
// @ts-check

import { sharpContext } from "./dom.js";
import { boxOnSheet, boxesOnSheet } from "./sheet.js";

/** @typedef {import("./page.d.ts").Unit} Unit */
/** @typedef {import("./field.js").Box} Box */
/** @typedef {import("./sheet.js").Sheet} Sheet */

/** The canvas reaches so far over the maps on every side, for frames at their edges. */
const MARGIN = 3;

/** @typedef {object} Marks
 * @property {(channel: number) => string} label  of a map, "" for none
 * @property {Box | undefined} before    what the unit sees here
 * @property {Box | undefined} after     what sees it
 * @property {boolean} own               the unit itself is here
 * @property {(Unit | null)[]} pins      null of those elsewhere */

/** @param {HTMLCanvasElement} canvas @param {Sheet} sheet @param {Marks} marks */
export function paintMarks(canvas, sheet, { label, before, after, own, pins }) {
  const [high, wide] = sheet.pixels.map((length, axis) => length * sheet.scale[axis]);
  const context = sharpContext(canvas, wide + 2 * MARGIN, high + 2 * MARGIN);
  context.translate(MARGIN, MARGIN);
  const style = getComputedStyle(canvas);
  const ink = (/** @type {string} */ name) => style.getPropertyValue(name);
  context.font = `11px ${style.fontFamily}`;
  context.textAlign = "left";
  context.textBaseline = "bottom";
  context.fillStyle = ink("--muted");
  context.strokeStyle = ink("--line");
  for (let channel = sheet.channels[0]; channel < sheet.channels[1]; channel += 1) {
    const box = boxOnSheet(sheet, channel, [0, sheet.map[0]], [0, sheet.map[1]]);
    context.strokeRect(box[0] - 0.5, box[1] - 0.5, box[2] + 1, box[3] + 1);
    context.fillText(label(channel), box[0] + 1, box[1] - 1, Math.max(box[2] - 2, 22));
  }

  /** @param {number[]} box @param {string} colour @param {number} line */
  function frame([left, top, width, height], colour, line) {
    const more = Math.max(0, (5 - Math.min(width, height)) / 2); // so that one sees small cells
    const place = /** @type {const} */ ([
      left - more,
      top - more,
      width + 2 * more,
      height + 2 * more,
    ]);
    for (const [thick, paint] of /** @type {const} */ ([
      [line + 2, "#fff"],
      [line, colour],
    ])) {
      context.lineWidth = thick;
      context.strokeStyle = paint;
      context.strokeRect(...place);
    }
  }
  if (after && !own) {
    context.setLineDash([4, 3]);
    for (const box of boxesOnSheet(sheet, after)) frame(box, ink("--after"), 1.5);
    context.setLineDash([]);
  }
  if (before) for (const box of boxesOnSheet(sheet, before)) frame(box, ink("--before"), 2);
  context.textAlign = "center";
  context.textBaseline = "middle";
  pins.forEach((pin, index) => {
    if (!pin || pin.channel < sheet.channels[0] || pin.channel >= sheet.channels[1]) return;
    const [left, top, width] = boxOnSheet(
      sheet,
      pin.channel,
      [pin.y, pin.y + 1],
      [pin.x, pin.x + 1],
    );
    context.fillStyle = ink("--accent");
    context.beginPath();
    context.arc(left + width / 2, top, 7, 0, 2 * Math.PI);
    context.fill();
    context.fillStyle = ink("--on-accent");
    context.fillText(String(index + 1), left + width / 2, top);
  });
}
