// Occlusion, Grad-CAM, growth and switching, of a network that is worked out by hand.
import assert from "node:assert/strict";
import { test } from "node:test";
import * as evidence from "../../graphcnn/page/evidence.js";
import { beginGrowth, growthScore, growthStep } from "../../graphcnn/page/grow.js";
import { switchable, switched, switchedOff } from "../../graphcnn/page/switching.js";

const LEFT_TOP = [1, 0, 0, 0];
const LAYERS = [
  ["image", "image", [1, 4, 4]],
  ["early", "conv2d", [1, 4, 4]],
  ["maps", "conv2d", [2, 2, 2]],
  ["pooled", "max_pool2d", [2, 1, 2]],
  ["scores", "dense", [2]],
].map(([name, kind, shape]) => ({ name, kind, shape }));

/** maps: means of 2 × 2 pixels, and what is below 0 of them; scores: the corner, and all below 0. */
function engine(softmax = false) {
  const about = {
    layers: LAYERS,
    scores: "scores",
    readable: softmax ? "softmax" : null,
    samples: [{ label: "", levels: btoa("\xff".repeat(16)) }],
    classes: ["corner", "below"],
    input: { shape: [1, 4, 4], normalisation: { mean: [0.5], std: [0.5], scale: 1 / 255 } },
  };
  const block = (i) => 2 * Math.floor(i / 8) + Math.floor((i % 4) / 2);
  return {
    about,
    run(image, switches = {}) {
      const maps = new Float32Array(8);
      image.forEach((v, i) => (maps[block(i)] += v / 4));
      for (let i = 0; i < 4; i++) maps[4 + i] = Math.max(0, -maps[i]);
      for (let i = 0; i < 8; i++) maps[i] *= switches.maps?.[i >> 2] ?? 1;
      return {
        image,
        maps,
        scores: Float32Array.of(maps[0], maps[4] + maps[5] + maps[6] + maps[7]),
      };
    },
    gradient(image, seeds, rule, switches = {}) {
      const { maps } = this.run(image),
        down = new Float32Array(8),
        seed = seeds.scores ?? [0, 0];
      for (let i = 0; i < 4; i++) {
        down[i] = seed[0] * LEFT_TOP[i] + (seeds.maps?.[i] ?? 0);
        down[4 + i] = seed[1] + (seeds.maps?.[4 + i] ?? 0);
      }
      const [first, second] = switches.maps ?? [1, 1];
      const back = image.map(
        (_, i) =>
          (first * down[block(i)] - (maps[block(i)] < 0 ? second * down[4 + block(i)] : 0)) / 4,
      );
      return { image: back, maps: down };
    },
    maximiseStep(image, layer, { channel, y, x }, { rate, switches }) {
      const seed = new Float32Array(layer === "scores" ? 2 : 8);
      if (layer === "scores") seed[channel] = 1;
      else if (y === undefined) seed.fill(0.25, 4 * channel, 4 * channel + 4);
      else seed[4 * channel + 2 * y + x] = 1;
      const slope = this.gradient(image, { [layer]: seed }, "plain", switches).image;
      return image.map((v, i) => Math.min(1, Math.max(-1, v + rate * slope[i])));
    },
  };
}

function near(found, expected) {
  assert.equal(found.length, expected.length);
  found.forEach((v, i) =>
    assert.ok(Math.abs(v - expected[i]) < 1e-6, `${i}: ${v}, not ${expected[i]}`),
  );
}

const bright = new Float32Array(16).fill(1);

test("levels and images are each other's inverse", () => {
  const { input } = engine().about;
  near(evidence.imageOf(Float32Array.of(0, 0.5, 1), input), [-1, 0, 1]);
  near(evidence.levelsOf(Float32Array.of(-1, 0, 1), input), [0, 0.5, 1]);
});

test("a patch covers its square alone, cut off at the border", () => {
  const rows = [...evidence.covered(bright, [1, 4, 4], [9], -1, 2, 3)];
  near(rows, [1, 1, 9, 9, 1, 1, 9, 9, 1, 1, 1, 1, 1, 1, 1, 1]);
});

test("occlusion is the mean fall over the patches that cover a pixel", () => {
  const runs = evidence.occlusion(engine(), bright, 0, 2, [0], {});
  let step,
    shares = [];
  while (!(step = runs.next()).done) shares.push(step.value);
  assert.equal(shares.length, 9);
  assert.equal(shares[8], 1);
  // Patches at (0, 0), (0, 1), (1, 0), (1, 1) cover 4, 2, 2, 1 of the corner's pixels.
  near(
    step.value,
    [1, 0.75, 0.25, 0, 0.75, 0.5625, 0.1875, 0, 0.25, 0.1875, 0.0625, 0, 0, 0, 0, 0],
  );
});

test("chances are softmax, without overflow", () => {
  const about = engine(true).about;
  near([evidence.chanceOf({ scores: Float32Array.of(1000, 1000) }, about, 1)], [0.5]);
  near([evidence.chanceOf({ scores: Float32Array.of(0, 1000) }, about, 0)], [0]);
  assert.equal(evidence.predicted({ scores: Float32Array.of(-3, -2) }, about), 1);
});

test("Grad-CAM weighs maps by their mean gradient, and looks ahead of pooling", () => {
  const network = engine(),
    { last } = evidence.layersWithMaps(network.about);
  assert.equal(last.name, "maps");
  const image = bright.map((_, i) => (i < 8 ? 1 : -1)),
    { maps } = network.run(image);
  const slopes = network.gradient(image, { scores: Float32Array.of(1, 2) }).maps;
  const { map, best } = evidence.gradCam(maps, slopes, [2, 2, 2], 2, 2);
  near(map, [0.25, 0.25, 1.75, 1.75]); // 0.25 · (1, 1, -1, -1) + 2 · (0, 0, 1, 1)
  assert.equal(best, 1.75);
  assert.ok(
    evidence.gradCam(
      maps,
      slopes.map((v) => -v),
      [2, 2, 2],
      2,
      2,
    ).best < 0,
  );
});

test("a map that shows nothing is told apart", () => {
  assert.equal(evidence.silence([0, 0]), "mapZero");
  assert.equal(evidence.silence([2, 2]), "mapConstant");
  assert.equal(evidence.silence([1, NaN]), "mapNotFinite");
  assert.equal(evidence.silence([1, 2]), null);
  near(evidence.overChannels([1, 2, 10, 20], 2), [11, 22]);
});

test("an image grows towards its unit, the same each time; a dead unit is told", () => {
  const network = engine(),
    unit = { layer: "maps", channel: 1, y: 0, x: 1 };
  const grown = [true, true, false].map((whole) => {
    const growth = beginGrowth(network, unit, whole, 3);
    for (let i = 0; i < 400; i++) growthStep(network, growth, 3);
    return { ...growth, last: growthScore(network, growth) };
  });
  assert.deepEqual(grown[0].image, grown[1].image);
  assert.ok(
    grown[0].last > 0.5 && grown[0].scores[0] < 0.2,
    `${grown[0].scores[0]} ${grown[0].last}`,
  );
  near([grown[2].image[2] < -0.5, grown[2].image[0] > -0.5].map(Number), [1, 1]); // its place alone
  const idle = { ...network, maximiseStep: (image) => image }; // what is moved is moved back
  const unmoved = beginGrowth(idle, unit, true, 3),
    { image } = unmoved;
  for (let i = 0; i < 9; i++) {
    growthStep(idle, unmoved, 3);
    assert.deepEqual(unmoved.image, image);
  }
  // Noise around grey lets nothing through, the white sample does.
  const shut = {
    ...network,
    gradient: (x) => ({ image: x.map(() => Number(x.every((v) => v > 0.9))) }),
  };
  const sampled = beginGrowth(shut, unit, true, 3);
  assert.ok(sampled.reach && sampled.sampled && !grown[0].sampled);
  const dead = { ...network, gradient: (image) => ({ image: image.map(() => 0) }) };
  assert.equal(beginGrowth(dead, unit, true, 3).reach, false);
  assert.equal(evidence.nameOf(network.about, unit), "maps:1 (0, 1)");
  assert.equal(
    evidence.nameOf(network.about, { layer: "scores", channel: 1, y: 0, x: 0 }),
    "below",
  );
});

test("what is switched off is off while an image grows", () => {
  const network = engine(),
    corner = { layer: "scores", channel: 0, y: 0, x: 0 };
  const grown = (switches) => {
    const growth = beginGrowth(network, corner, true, 3, switches);
    for (let i = 0; i < 60; i++) growthStep(network, growth, 3);
    return { ...growth, last: growthScore(network, growth) };
  };
  const whole = grown({}),
    other = grown({ maps: Float32Array.of(1, 0) });
  assert.ok(whole.reach && whole.last > whole.scores[0] + 0.1);
  assert.deepEqual(other.image, whole.image); // nothing of the corner was taken
  const without = grown({ maps: Float32Array.of(0, 1) });
  assert.equal(without.reach, false);
  assert.equal(without.last, 0);
});

test("switches: off, on again, and what is off in the order of the layers", () => {
  const { about } = engine(),
    once = switched({}, "maps", 1, 2);
  assert.deepEqual(once, { maps: Float32Array.of(1, 0) });
  assert.deepEqual(switched(once, "maps", 1, 2), {});
  const both = switched(switched({}, "pooled", 0, 2), "maps", 1, 2);
  assert.deepEqual(switchedOff(both, about), [
    { layer: "maps", channel: 1 },
    { layer: "pooled", channel: 0 },
  ]);
  assert.deepEqual(
    switchable(about).map(({ name }) => name),
    ["early", "maps", "pooled"],
  );
});
