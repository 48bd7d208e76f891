// Takes numbers of a page's maps apart, with the engine of the page: node numbers.mjs CODE PAGE.html.
// Prints for each layer how they come about and the largest difference, and how many fields
// reach out of those of the analysis.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";

const [code, file] = process.argv.slice(2);
const { loadEngine } = await import(`${code}/engine.js`);
const { explainCell } = await import(`${code}/cell.js`);
const { fieldBefore } = await import(`${code}/field.js`);
const { unitAt } = await import(`${code}/places.js`);

const blocks = new Map();
for (const [, id, text] of readFileSync(file, "utf8").matchAll(
  /<script type="[^"]*" id="(\w+)">([^<]*)</g,
)) {
  blocks.set(id, text);
}
const engine = await loadEngine({ getElementById: (id) => ({ textContent: blocks.get(id) }) });
const { about } = engine;
const size = about.input.shape.reduce((a, b) => a * b);
const image = Float32Array.from(
  { length: size },
  (_, at) => Math.sin(at * 0.7) + Math.cos(at * 0.013),
);
const half = (layer) =>
  Float32Array.from({ length: layer.shape[0] }, (_, channel) => (channel % 3 ? 1 : 0.5));
const switches = Object.fromEntries(
  about.layers.slice(1).map((layer) => [layer.name, half(layer)]),
);

/** Whether the page's box on the image reaches out of that of the analysis, which is the same for all
 * channels and takes no notice of borders. */
function strayed(layer, unit) {
  const { size, step, start } = layer.field;
  const box =
    fieldBefore(about, unit).get("image") ??
    assert.fail(`${layer.name} ${JSON.stringify(unit)} sees nothing`);
  return [unit.y, unit.x].some((at, axis) => {
    const first = start[axis] + at * step[axis]; // between pixels, where maps were enlarged
    const from = Math.max(Math.floor(first), 0);
    const to = Math.min(Math.ceil(first + size[axis]), about.input.shape[axis + 1]);
    return box[axis + 1][0] < from || box[axis + 1][1] > to;
  });
}

for (const factors of [{}, switches]) {
  const maps = engine.run(image, factors);
  for (const layer of about.layers) {
    const count = maps[layer.name].length;
    const step = Math.max(1, Math.floor(count / 97));
    const units = Array.from({ length: Math.ceil(count / step) }, (_, at) =>
      unitAt(layer, at * step),
    );
    const found = units.map((unit) => explainCell(about, maps, engine.weights, unit, factors));
    const worst = Math.max(
      ...found.map((parts) => parts.difference / Math.max(1, Math.abs(parts.engine))),
    );
    const stray = units.filter((unit) => layer.field && strayed(layer, unit)).length;
    console.log(JSON.stringify([layer.name, found[0].how, worst, stray]));
  }
}
