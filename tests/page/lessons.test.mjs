import assert from "node:assert/strict";
import { test } from "node:test";

import {
  channelsOf,
  convolved,
  KERNELS,
  outputSize,
  sizeFormula,
  weightsOf,
} from "../../graphcnn/page/convolution.js";
import { shortNumber } from "../../graphcnn/page/grid.js";
import { asGrey } from "../../graphcnn/page/lab_images.js";
import { uniformNumbers } from "../../graphcnn/page/fit.js";
import { createCourse, drawnMark, thinned } from "../../graphcnn/page/learn.js";
import { agreement, drawingPixels, matched, votesFor, XO } from "../../graphcnn/page/xo.js";

const PLAIN = {
  kernel: 3,
  stride: 1,
  padding: 0,
  dilation: 1,
  groups: 1,
  channels: 1,
  transposed: false,
};
const numbers = (count) => Float32Array.from({ length: count }, (_, i) => ((i * 7919) % 13) - 6);
const dot = (a, b) => a.reduce((sum, value, i) => sum + value * b[i], 0);

test("sizes are those of the formula", () => {
  assert.equal(outputSize(28, { ...PLAIN, kernel: 5, padding: 2, stride: 2 }), 14);
  assert.equal(outputSize(7, { ...PLAIN, dilation: 3 }), 1);
  assert.equal(outputSize(2, PLAIN), 0);
  assert.equal(outputSize(14, { ...PLAIN, transposed: true, stride: 2, padding: 1 }), 27);
  assert.match(sizeFormula(28, { ...PLAIN, stride: 2 }), /^⌊\(28 .* = 13$/);
});

test("a convolution by hand: one window, its padding, one number at a time", () => {
  const image = numbers(16);
  const weights = numbers(9);
  const setting = { ...PLAIN, padding: 1, stride: 2 };
  const result = convolved(image, [4, 4], weights, 0, setting);
  assert.equal(result.length, 4);
  const corner = [4, 5, 7, 8].map((i, j) => weights[i] * image[[0, 1, 4, 5][j]]);
  assert.equal(
    result[0],
    corner.reduce((a, b) => a + b),
  );
  assert.deepEqual([...convolved(image, [4, 4], weights, 0, setting, 1)], [result[0], 0, 0, 0]);
});

test("the transposed convolution is the adjoint of the plain one, dilated and in groups too", () => {
  for (const [stride, padding, dilation, groups] of [
    [1, 0, 1, 1],
    [2, 1, 1, 2],
    [3, 2, 2, 4],
  ]) {
    const setting = { ...PLAIN, stride, padding, dilation, groups, channels: 4 };
    const each = 4 / groups;
    const weights = numbers(4 * each * 9);
    const back = { ...setting, transposed: true };
    const n = 3;
    const size = outputSize(n, back);
    assert.equal(outputSize(size, setting), n);
    for (let f = 0; f < 4; f++) {
      // <conv(x), y> = <x, conv^T(y)>, a channel alone each.
      channelsOf(f, setting).forEach((channel, j) => {
        const alone = weights.slice((f * each + j) * 9, (f * each + j + 1) * 9);
        const [x, y] = [numbers(size * size), numbers(n * n)];
        const one = { ...setting, channels: 1, groups: 1 };
        const forth = dot(convolved(x, [size, size], alone, 0, one), y);
        const returned = convolved(y, [n, n], alone, 0, { ...one, transposed: true });
        assert.equal(forth, dot(x, returned));
        const all = new Float32Array(4 * size * size);
        all.set(x, channel * size * size);
        assert.equal(dot(convolved(all, [size, size], weights, f, setting), y), forth);
      });
    }
  }
});

test("kernels are weights of one at most, and no filter of a group reads another one", () => {
  for (const name of Object.keys(KERNELS)) {
    const weights = weightsOf(name, { ...PLAIN, channels: 4, groups: 2, kernel: 5 });
    assert.equal(weights.length, 4 * 2 * 25);
    const size = weights.slice(0, 50).reduce((sum, w) => sum + Math.abs(w), 0);
    assert.ok(Math.abs(size - 1) < 1e-5, name);
  }
  assert.deepEqual(channelsOf(3, { ...PLAIN, channels: 4, groups: 2 }), [2, 3]);
});

test("a large image becomes grey and small", () => {
  const { values, size } = asGrey(new Float32Array(3 * 56 * 84).fill(0.5), [3, 56, 84]);
  assert.deepEqual(size, [18, 28]);
  assert.ok(values.every((v) => Math.abs(v - 0.5) < 1e-6));
});

test("the story has the numbers of graphcnn's own figure", () => {
  const expected = {
    X: [0.91, 0.39, 1],
    O: [0.33, 1, 0.48],
    moved: [0.71, 0.5, 0.65],
    bent: [0.84, 0.44, 0.88],
    small: [0.73, 0.44, 0.46],
  };
  for (const [name, [x, o, same]] of Object.entries(expected)) {
    const picture = drawingPixels(XO[name]);
    assert.equal(picture.length, 81, name);
    const found = [...votesFor(picture), agreement(picture)];
    [x, o, same].forEach((value, i) =>
      assert.ok(Math.abs(found[i] - value) < 0.0051, `${name}: ${found}`),
    );
  }
  const falling = matched(drawingPixels(XO.X), drawingPixels("#...#...#"));
  assert.equal(falling[8], 1);
});

test("numbers are short", () => {
  assert.deepEqual([0.333, -0.111, 1, -12.4, 0, -0.001, 2.5].map(shortNumber), [
    ".33",
    "−.11",
    "1",
    "−12",
    "0",
    "0",
    "2.5",
  ]);
});

/** A trainer of a mean of pixels: enough for the course, which brings the pictures. */
function fakeTrainer() {
  const learning = {
    input: [1, 16, 16],
    classes: ["O", "X"],
    batch: 16,
    states: { weight: "", bias: "" },
  };
  let weights = new Float32Array(2);
  const score = (image) => {
    const sum = image.reduce((a, b) => a + b, 0) / image.length;
    return Float32Array.of(0, weights[0] * sum + weights[1]);
  };
  return {
    learning,
    reset: () => (weights = new Float32Array(2)),
    weights: () => weights,
    run: (image) => ({ scores: score(image) }),
    step(images, targets) {
      let loss = 0;
      Array.from(targets).forEach((target, i) => {
        const image = images.subarray(256 * i, 256 * i + 256);
        const p = 1 / (1 + Math.exp(-score(image)[1]));
        loss -= Math.log(target ? p : 1 - p) / 16;
        weights[0] += (target - p) * 0.1;
        weights[1] += (target - p) * 0.01;
      });
      return loss;
    },
  };
}

test("the pictures to learn from are those of the seed: an X or an O, not much alike", () => {
  const [a, b, c] = [1, 1, 2].map((seed) => drawnMark(uniformNumbers(seed), 1, 16));
  assert.deepEqual(a, b);
  assert.notDeepEqual(a, c);
  for (let seed = 0; seed < 50; seed++) {
    for (const kind of [0, 1]) {
      const picture = drawnMark(uniformNumbers(seed), kind, 16);
      assert.equal(picture.length, 256);
      assert.ok(picture.every((v) => v >= 0 && v <= 1));
      const ink = picture.filter((v) => v > 0.5).length;
      assert.ok(ink > 10 && ink < 110, `${ink} pixels of ink`);
    }
  }
});

test("a course is the same for the same seed, from the start again too", () => {
  const losses = [0, 0, 7].map((seed) => {
    const course = createCourse(fakeTrainer(), seed);
    for (let i = 0; i < 20; i++) course.step();
    assert.equal(course.exam().length, 64);
    return course.losses;
  });
  assert.deepEqual(losses[0], losses[1]);
  assert.notDeepEqual(losses[0], losses[2]);
});

test("a long curve is drawn by few points, which reach its end", () => {
  assert.deepEqual(thinned(0, 320), []);
  assert.deepEqual(thinned(4, 320), [0, 1, 2, 3]);
  const places = thinned(1e6, 320);
  assert.deepEqual([places.length, places.at(-1)], [320, 999999]);
});
