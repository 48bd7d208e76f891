import assert from "node:assert/strict";
import { test } from "node:test";

import { fieldAfter, fieldBefore } from "../../graphcnn/page/field.js";
import { indexOf, layerNamed, unitAt } from "../../graphcnn/page/places.js";
import { about, numbers, rerun, run } from "./fake.mjs";

/** The smallest box of units of one layer. */
function hull(units) {
  if (!units.length) return undefined;
  return ["channel", "y", "x"].map((axis) => {
    const places = units.map((unit) => unit[axis]);
    return [Math.min(...places), Math.max(...places) + 1];
  });
}

const image = numbers(2 * 9 * 8);
const before = run(image, true);
const units = about.layers.flatMap((layer) =>
  [...before[layer.name].keys()].map((index) => unitAt(layer, index)),
);

/** The maps where one value is another one. */
function changed(unit) {
  const first = about.layers.findIndex((layer) => layer.name === unit.layer);
  const values = Float64Array.from(before[unit.layer]);
  values[indexOf(about.layers[first], unit)] += 1;
  return rerun({ ...before, [unit.layer]: values }, first + 1, true);
}

const effects = new Map(units.map((unit) => [unit, changed(unit)]));
const shows = (unit, layer, index) =>
  Math.abs(effects.get(unit)[layer][index] - before[layer][index]) > 1e-12;

test("a unit's field on every layer before it is what a change there shows in it", () => {
  for (const unit of units.filter((_, index) => index % 7 === 0)) {
    const own = indexOf(layerNamed(about, unit.layer), unit);
    const boxes = fieldBefore(about, unit);
    for (const source of about.layers) {
      const seen = units.filter(
        (each) => each.layer === source.name && shows(each, unit.layer, own),
      );
      assert.deepEqual(
        boxes.get(source.name),
        hull(seen),
        `${JSON.stringify(unit)} on ${source.name}`,
      );
    }
  }
});

test("what sees a unit after it is what changes with it", () => {
  for (const unit of units.filter((_, index) => index % 7 === 3)) {
    const boxes = fieldAfter(about, unit);
    for (const after of about.layers) {
      const seeing = units.filter(
        (each) => each.layer === after.name && shows(unit, after.name, indexOf(after, each)),
      );
      assert.deepEqual(
        boxes.get(after.name),
        hull(seeing),
        `${JSON.stringify(unit)} on ${after.name}`,
      );
    }
  }
});

test("what an operator sees that the page does not know follows from fields on the image", () => {
  const field = (size, step, start) => ({
    size: [size, size],
    step: [step, step],
    start: [start, start],
  });
  const odd = {
    ...about,
    layers: [
      { ...layerNamed(about, "image"), field: field(1, 1, 0) },
      {
        ...layerNamed(about, "plain"),
        kind: "odd",
        exact: false,
        window: null,
        shape: [4, 5, 4],
        field: field(3, 2, -1),
      },
    ],
  };
  const box = fieldBefore(odd, { layer: "plain", channel: 2, y: 0, x: 2 }).get("image");
  assert.deepEqual(box, [
    [0, 2],
    [0, 2],
    [3, 6],
  ]);
  const vectors = [1, 2].map((at) => ({
    ...odd.layers[1],
    name: `vector${at}`,
    shape: [6],
    field: field(9, 0, 0),
    from: [["plain", "vector1"][at - 1]],
  }));
  const after = fieldBefore(
    { ...odd, layers: [...odd.layers, ...vectors] },
    { layer: "vector2", channel: 1, y: 0, x: 0 },
  );
  assert.deepEqual(
    [after.get("vector1"), after.get("image")],
    [
      [
        [0, 6],
        [0, 1],
        [0, 1],
      ],
      [
        [0, 2],
        [0, 9],
        [0, 8],
      ],
    ],
  );
  // One that makes a map larger: between two units of its source it may see both of them.
  const plain = { ...odd.layers[1], shape: [4, 2, 2], field: field(4, 4, 0) };
  const larger = {
    ...plain,
    name: "larger",
    shape: [4, 4, 4],
    field: field(4, 2, 0),
    from: ["plain"],
  };
  const boxes = fieldBefore(
    { ...odd, layers: [odd.layers[0], plain, larger] },
    { layer: "larger", channel: 0, y: 1, x: 2 },
  );
  assert.deepEqual(
    [boxes.get("plain"), boxes.get("image")],
    [
      [
        [0, 4],
        [0, 2],
        [1, 2],
      ],
      [
        [0, 2],
        [2, 6],
        [4, 8],
      ],
    ],
  );
});
