// What is said of a unit, the part of the image that it sees, and how it is pinned.
// @ts-check

import { paintImage } from "./colours.js";
import { make } from "./dom.js";
import { fieldBefore } from "./field.js";
import { MOST_PINS, indexOf, isVector, layerNamed, sameUnit } from "./places.js";

/** @typedef {import("./page.d.ts").App} App */
/** @typedef {import("./page.d.ts").Unit} Unit */

/** A number as people read it, with three digits. @param {number} value */
export function short(value) {
  const size = Math.abs(value);
  if (size === 0) return "0";
  return size >= 1000 || size < 0.001
    ? value.toExponential(2)
    : String(Number(value.toPrecision(3)));
}

/** @param {App} app @param {import("./page.d.ts").Maps} maps @param {Unit} unit */
export function valueOf(app, maps, unit) {
  return maps[unit.layer][indexOf(layerNamed(app.about, unit.layer), unit)];
}

/** Where a unit is, in words. @param {App} app @param {Unit} unit */
export function unitWords(app, { layer: name, channel, y, x }) {
  const layer = layerNamed(app.about, name);
  const label = name === app.about.scores ? app.about.classes[channel] : undefined;
  if (!isVector(layer)) return app.say("unitPlace", { layer: name, channel, y, x });
  return app.say(label ? "unitClass" : "unitOne", { layer: name, channel, class: label ?? "" });
}

/** Paints the part of an image that a unit sees, as it looks, on a canvas.
 * @param {HTMLCanvasElement} canvas @param {App} app @param {Unit} unit
 * @param {Float32Array} levels
 * @returns {import("./field.js").Box | null} where it is */
export function paintSeen(canvas, app, unit, levels) {
  const box = fieldBefore(app.about, unit).get("image");
  if (!box) return null;
  const [channels, height, width] = app.about.input.shape;
  const [top, left] = [box[1][0], box[2][0]];
  const [tall, wide] = [box[1][1] - top, box[2][1] - left];
  const part = Float32Array.from({ length: channels * tall * wide }, (_, at) => {
    const row = top + (Math.floor(at / wide) % tall);
    return levels[(Math.floor(at / (tall * wide)) * height + row) * width + left + (at % wide)];
  });
  paintImage(canvas, part, [channels, tall, wide]);
  return box;
}

/** Pins a unit, or takes the pin off. @param {App} app @param {Unit} unit */
export function togglePin(app, unit) {
  const { pins } = app.store.get();
  const others = pins.filter((pin) => !sameUnit(pin, unit));
  const on = others.length === pins.length;
  app.store.set({ pins: on ? [...pins, unit].slice(-MOST_PINS) : others });
  app.announce(app.say(on ? "pinned" : "unpinned", { unit: unitWords(app, unit) }));
}

/** A button that leads to a unit. @param {App} app @param {Unit} unit @param {string} [text] */
export function unitButton(app, unit, text = unitWords(app, unit)) {
  const go = () => app.store.set({ unit, layer: unit.layer });
  return make("button", { class: "link", click: go }, text);
}
