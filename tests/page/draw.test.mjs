// Strokes as they are painted, erased, undone; and what the network sees of them.
import assert from "node:assert/strict";
import { test } from "node:test";
import * as draw from "../../graphcnn/page/draw.js";
import { newPlanes } from "../../graphcnn/page/fit.js";
import { seenOf } from "../../graphcnn/page/input.js";

const ink = { width: 4, erase: false, colour: [1] };

function line(drawing, pen, ...points) {
  const stroke = { kind: "stroke", pen, points: [...points[0], pen.width] };
  draw.perform(drawing, stroke);
  for (const point of points.slice(1)) draw.extendStroke(drawing, stroke, [...point, pen.width]);
}

function picture(drawing, level, photo = false) {
  const { channels, height, width } = drawing.surface,
    planes = newPlanes(channels, height, width);
  planes.data.fill(level);
  draw.perform(drawing, { kind: "picture", planes, photo });
}

test("a line is as thick as the pen, round at its ends, and half at its edge", () => {
  const drawing = draw.createDrawing(1, 20, 40, 0);
  line(drawing, { ...ink, width: 5 }, [10, 10], [30, 10]);
  const column = Array.from({ length: 20 }, (_, y) => drawing.surface.data[40 * y + 20]);
  assert.deepEqual(column.slice(6, 14), [0, 0.5, 1, 1, 1, 1, 0.5, 0]);
  const area = drawing.surface.data.reduce((a, b) => a + b);
  assert.ok(Math.abs(area - (20 * 5 + Math.PI * 2.5 ** 2)) < 3, `${area}`);
});

test("undo and redo go through strokes, pictures and clearing, and end in the same surface", () => {
  const drawing = draw.createDrawing(1, 16, 16, 0),
    seen = [drawing.surface.data.slice()];
  const keep = () => seen.push(drawing.surface.data.slice());
  (line(drawing, ink, [2, 2], [12, 9]), keep());
  (line(drawing, { ...ink, erase: true }, [6, 0], [6, 15]), keep());
  (line(drawing, ink, [14, 1], [14, 6]), keep());
  (picture(drawing, 0.25), keep());
  (line(drawing, ink, [3, 3]), keep());
  (draw.perform(drawing, { kind: "clear" }), keep());
  (line(drawing, ink, [8, 8], [8, 2]), keep());
  for (let i = seen.length - 2; i >= 0; i--) {
    draw.undo(drawing);
    assert.deepEqual(drawing.surface.data, seen[i], `undone to ${i}`);
  }
  draw.undo(drawing); // nothing is left: nothing happens
  for (let i = 1; i < seen.length; i++) {
    draw.redo(drawing);
    assert.deepEqual(drawing.surface.data, seen[i], `redone to ${i}`);
  }
  draw.undo(drawing);
  line(drawing, ink, [1, 1]);
  assert.equal(drawing.undone.length, 0); // another way was taken
});

test("the eraser brings back what was drawn upon", () => {
  const drawing = draw.createDrawing(1, 16, 16, 0);
  picture(drawing, 0.25);
  line(drawing, ink, [8, 8]);
  assert.equal(drawing.surface.data[8 * 16 + 8], 1);
  line(drawing, { ...ink, erase: true, width: 8 }, [8, 8]);
  assert.ok(drawing.surface.data.every((level) => level === 0.25));
});

test("strokes and photographs are fitted, samples are seen as they are", () => {
  const drawing = draw.createDrawing(1, 80, 80, 0),
    how = { centred: true, box: 4 };
  line(drawing, { ...ink, width: 10 }, [60, 20], [60, 40]);
  const box = ({ data }) => data.reduce((found, v, i) => (v > 0 ? [...found, i] : found), []);
  const asDrawn = box(seenOf(drawing, [1, 8, 8], null)),
    fitted = box(seenOf(drawing, [1, 8, 8], how));
  assert.ok(
    asDrawn.every((i) => i % 8 >= 5),
    `${asDrawn}`,
  );
  assert.ok(
    fitted.includes(4 * 8 + 4) && fitted.every((i) => i % 8 >= 3 && i % 8 <= 5),
    `${fitted}`,
  );
  picture(drawing, 0.5);
  assert.ok(seenOf(drawing, [1, 8, 8], how).data.every((level) => level === 0.5));
  picture(drawing, 1, true); // a photographed sheet with a dark stroke
  line(drawing, { ...ink, colour: [0.2], width: 10 }, [20, 60], [20, 70]);
  const sheet = seenOf(drawing, [1, 8, 8], how).data;
  assert.ok(sheet[4 * 8 + 4] > 0.9 && sheet[0] === 0, `${sheet[36]}, ${sheet[0]}`);
});
