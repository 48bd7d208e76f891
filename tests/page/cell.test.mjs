import assert from "node:assert/strict";
import { test } from "node:test";

import { channelSums, explainCell, largestShares } from "../../graphcnn/page/cell.js";
import { tapUnit } from "../../graphcnn/page/patch.js";
import { behind, layerNamed, unitAt } from "../../graphcnn/page/places.js";
import { stepsAfter } from "../../graphcnn/page/steps.js";
import { about, numbers, run, weights } from "./fake.mjs";

const maps = run(numbers(2 * 9 * 8));
const unit = (layer, channel, y = 0, x = 0) => ({ layer, channel, y, x });
const parts = (...place) => explainCell(about, maps, weights, unit(...place));

test("every value of every layer is what its parts make", () => {
  for (const layer of about.layers)
    for (const index of maps[layer.name].keys()) {
      const found = explainCell(about, maps, weights, unitAt(layer, index));
      assert.ok(
        found.difference < 1e-9,
        `${layer.name} ${index}: ${found.value}, not ${found.engine}`,
      );
      assert.notEqual(found.how, "unknown");
    }
});

test("a convolution shows its patch, where the padding is, and every channel's share", () => {
  const { patch, weights: kernel, products, bias, sum, steps, value } = parts("plain", 2, 0, 7);
  assert.deepEqual(patch.size, [2, 3, 3]);
  assert.deepEqual(patch.at, [-1, 6]);
  assert.deepEqual([...patch.inside.slice(0, 9)], [0, 0, 0, 1, 1, 0, 1, 1, 0]);
  assert.equal(patch.x[9 + 3], maps.image[72 + 6]);
  assert.equal(kernel[0], weights("w1")[2 * 18]);
  assert.equal(products[12], patch.x[12] * kernel[12]);
  assert.equal(bias, weights("b1")[2]);
  const shares = channelSums({ patch, products });
  assert.ok(Math.abs(shares.reduce((a, b) => a + b) + bias - sum) < 1e-12);
  assert.deepEqual(
    steps.map((step) => step.op),
    ["relu"],
  );
  assert.equal(value, Math.max(sum, 0));
});

test("groups, strides and dilation choose what is read", () => {
  const { patch } = parts("dilated", 3, 1, 4);
  assert.equal(patch.first, 2);
  assert.deepEqual(tapUnit(patch, 4), unit("strided", 2, 1, 4));
  assert.deepEqual(tapUnit(parts("strided", 0, 3, 2).patch, 11), unit("plain", 1, 8, 4));
  assert.deepEqual(
    parts("strided", 3, 0, 0).steps.map((step) => step.op),
    ["scale", "scale", "leaky_relu"],
  );
});

test("a maximum has its winner, the first of equals, and never the padding", () => {
  const found = parts("max", 5, 0, 0);
  assert.equal(found.patch.x[found.winner], found.value);
  assert.equal(found.patch.inside[found.winner], 1);
  const equal = { ...maps, beside: new Float64Array(maps.beside.length).fill(-1) };
  assert.equal(explainCell(about, equal, weights, unit("max", 0, 0, 0)).winner, 4);
});

test("an average counts padding where the layer says so, and never what hangs over", () => {
  assert.equal(parts("average", 0, 0, 0).count, 4);
  assert.equal(parts("average", 0, 2, 0).count, 2);
  assert.equal(parts("inner", 0, 0, 0).count, 2);
  assert.equal(parts("inner", 0, 2, 2).count, 1);
  assert.equal(parts("means", 3).count, 6);
});

test("a dense unit's largest contributions lead back to the map", () => {
  const found = parts("scores", 1);
  const { plus, minus, rest } = largestShares(found, 3);
  assert.ok(plus[0].product >= plus[1].product && plus[1].product >= plus[2].product);
  assert.equal(
    plus[0].product,
    found.products.reduce((a, b) => Math.max(a, b)),
  );
  assert.equal(
    minus[0].product,
    found.products.reduce((a, b) => Math.min(a, b)),
  );
  const named = [...plus, ...minus].reduce((sum, share) => sum + share.product, found.bias);
  assert.ok(Math.abs(named + rest - found.sum) < 1e-12);
  assert.deepEqual(behind(about, unit("flat", 2 * 9 + 5)), unit("gated", 2, 1, 2));
});

test("joins, concats and softmax name what meets", () => {
  assert.deepEqual(
    parts("join", 1, 2, 3).terms.map((term) => term.unit.layer),
    ["strided", "dilated"],
  );
  assert.deepEqual(parts("beside", 5, 2, 3).terms[0].unit, unit("join", 1, 2, 3));
  assert.deepEqual(parts("gated", 5, 2, 1).terms[1].unit, unit("means", 5));
  const shares = parts("shares", 2);
  assert.equal(shares.terms.length, 5);
  assert.equal(Math.max(...shares.powers), 1);
});

test("a switched channel says its factor, and an unknown layer only its value", () => {
  const factors = Float32Array.from({ length: 4 }, (_, channel) => (channel === 2 ? 0 : 1));
  const off = explainCell(about, maps, weights, unit("plain", 2, 4, 4), { plain: factors });
  assert.deepEqual([off.steps.at(-1).op, off.value], ["switch", 0]);
  const layers = about.layers.map((layer) => ({ ...layer, exact: layer.name !== "plain" }));
  const unknown = explainCell({ ...about, layers }, maps, weights, unit("plain", 2, 4, 4));
  assert.deepEqual([unknown.how, unknown.difference], ["unknown", 0]);
});

test("scales and shifts are made of the numbers of their operators", () => {
  const step = (by, of, epsilon) => {
    const layer = { ...layerNamed(about, "join"), then: [{ op: "scale", by, of, epsilon }] };
    const [found] = stepsAfter(layer, 1, 3, {}, (key) => ({ all: [5, 8], one: [2] })[key]);
    return [found.after, ...found.numbers];
  };
  assert.deepEqual(step("add", ["all"]), [11, 1, 8]);
  assert.deepEqual(step("sub", ["one"]), [1, 1, -2]);
  assert.deepEqual(step("mul", [-4]), [-12, -4, 0]);
  assert.deepEqual(step("div", ["all"]), [3 / 8, 1 / 8, 0]);
  assert.deepEqual(step("norm", [6, "one", 1, "all"], 1), [6, 2, 0]);
});

test("activations are the functions of their names", () => {
  const value = (op, x, ...numbers) =>
    stepsAfter({ ...layerNamed(about, "join"), then: [{ op, numbers }] }, 0, x, {}, weights)[0]
      .after;
  const right = [
    ["gelu", 1, 0.8413447],
    ["gelu", -0.5, -0.1542688],
    ["silu", 1, 0.7310586],
    ["softplus", -2, 0.126928],
    ["mish", 1, 0.8650984],
    ["hard_swish", 1, 0.6666667],
    ["clip", 9, 6, 0, 6],
    ["elu", -1, -0.6321206, 1],
  ];
  for (const [op, x, wanted, ...numbers] of right)
    assert.ok(Math.abs(value(op, x, ...numbers) - wanted) < 3e-7, op);
});
