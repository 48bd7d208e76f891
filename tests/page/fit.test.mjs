// Fitting what is drawn to what the network sees.
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { gunzipSync } from "node:zlib";
import * as fit from "../../graphcnn/page/fit.js";

const MNIST = new URL("../../../shared/data/mnist/t10k-images-idx3-ubyte.gz", import.meta.url);
const AS_MNIST = { centred: true, box: 20 };

/** A picture from rows of digits 0 to 9. */
function picture(...rows) {
  const planes = fit.newPlanes(1, rows.length, rows[0].length);
  rows
    .join("")
    .split("")
    .forEach((digit, i) => (planes.data[i] = Number(digit) / 9));
  return planes;
}

function near(found, expected, tolerance = 1e-6) {
  assert.equal(found.length, expected.length);
  for (let i = 0; i < found.length; i++) {
    assert.ok(
      Math.abs(found[i] - expected[i]) <= tolerance,
      `${i}: ${found[i]}, not ${expected[i]}`,
    );
  }
}

test("pictures of MNIST come out as they go in, alone or enlarged", (t) => {
  if (!existsSync(MNIST)) return t.skip("no MNIST here");
  const bytes = gunzipSync(readFileSync(MNIST)).subarray(16);
  let moved = 0;
  for (let n = 0; n < 1000; n++) {
    const digit = fit.newPlanes(1, 28, 28);
    for (let i = 0; i < 784; i++) digit.data[i] = bytes[784 * n + i] / 255;
    const again = fit.fitDigit(digit, 28, 28, AS_MNIST).data;
    moved += Number(again.some((v, i) => v !== digit.data[i]));
    if (n < 20) near(fit.fitDigit(fit.enlargedBlocks(digit, 10), 28, 28, AS_MNIST).data, again);
  }
  assert.equal(moved, 0);
});

test("a digit of any size and place fills the box, its centre of mass in the middle", () => {
  const drawn = fit.newPlanes(1, 280, 280); // an L, far to the right and below
  for (let y = 130; y < 270; y++) for (let x = 200; x < 216; x++) drawn.data[280 * y + x] = 1;
  for (let y = 254; y < 270; y++) for (let x = 200; x < 270; x++) drawn.data[280 * y + x] = 1;
  const { area, x, y } = fit.massOf(fit.fitDigit(drawn, 28, 28, AS_MNIST));
  assert.equal(area.bottom - area.top, 20);
  assert.equal(area.right - area.left, 10); // the aspect is kept
  assert.ok(Math.abs(x - 14) <= 0.5 && Math.abs(y - 14) <= 0.5, `${x}, ${y}`);
  const inTheMiddle = fit.massOf(fit.fitDigit(drawn, 28, 28, { centred: false, box: 20 }));
  assert.deepEqual(inTheMiddle.area, { left: 9, top: 4, right: 19, bottom: 24 });
  assert.equal(fit.massOf(fit.fitDigit(fit.newPlanes(1, 280, 280), 28, 28, AS_MNIST)), null);
});

test("area averages, with fractions of pixels", () => {
  near(fit.areaAverage(picture("0963", "3600"), 1, 2).data, [0.5, 0.25]);
  const sums = [4.5, 13.5, 13.5, 10.5]; // of 1.5 × 1.5 pixels, in ninths
  near(
    fit.areaAverage(picture("036", "369", "690"), 2, 2).data,
    sums.map((v) => v / 2.25 / 9),
  );
});

test("ink is what there is less of, dark on light paper or light on dark", () => {
  const dark = picture("8888", "8118", "8888"),
    light = picture("1111", "1881", "1111");
  near(fit.inkOf(dark).data, [0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0], 0.01);
  near(fit.inkOf(light).data, fit.inkOf(dark).data);
  near(fit.inkOf(picture("44", "44")).data, [0, 0, 0, 0]);
});

test("photographs: the middle, in colour or grey, what is transparent on white", () => {
  const red = [255, 0, 0, 255],
    clear = [0, 0, 0, 0],
    blue = [0, 0, 255, 255];
  const wide = {
    width: 4,
    height: 2,
    data: [blue, red, clear, blue, blue, red, clear, blue].flat(),
  };
  near(fit.fitPhoto(wide, 3, 1, 1).data, [1, 0.5, 0.5]);
  near(fit.fitPhoto(wide, 1, 1, 2).data, [(0.114 + 0.299) / 2, 1.114 / 2]);
  const grey = fit.fitPhoto(wide, 1, 2, 1).data; // two channels that are no colours are both grey
  near(fit.fitPhoto(wide, 2, 2, 1).data, [...grey, ...grey]);
});

test("shifts by whole pixels and quarter turns are exact; noise depends on its seed alone", () => {
  const still = { noise: 0, seed: 0, x: 0, y: 0, turn: 0 };
  const some = picture("1230", "4560", "7890", "0000");
  near(
    fit.disturbed(some, { ...still, x: 1, y: 1 }).data,
    picture("1123", "1123", "4456", "7789").data,
  );
  near(
    fit.disturbed(some, { ...still, turn: 90 }).data,
    picture("0741", "0852", "0963", "0000").data,
  );
  const noisy = fit.disturbed(some, { ...still, noise: 0.2, seed: 3 }).data;
  assert.deepEqual(noisy, fit.disturbed(some, { ...still, noise: 0.2, seed: 3 }).data);
  assert.notDeepEqual(noisy, fit.disturbed(some, { ...still, noise: 0.2, seed: 4 }).data);
  const many = fit.normalNumbers(1, 100001),
    mean = many.reduce((a, b) => a + b) / many.length;
  const spread = Math.sqrt(many.reduce((a, b) => a + (b - mean) ** 2, 0) / many.length);
  assert.ok(Math.abs(mean) < 0.01 && Math.abs(spread - 1) < 0.01, `${mean}, ${spread}`);
});

test("maps are enlarged bilinearly between the middles of their cells", () => {
  near(fit.enlargedSmoothly(picture("09"), 1, 4).data, [0, 0.25, 0.75, 1]);
  near(fit.enlargedSmoothly(picture("9"), 2, 2).data, [1, 1, 1, 1]);
});
