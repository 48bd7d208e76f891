// The drawing surface: strokes as they are kept, undone and painted, and the hand that makes them.
// @ts-check

import { newPlanes } from "./fit.js";

/** @typedef {import("./fit.js").Planes} Planes */
/** @typedef {{ width: number, erase: boolean, colour: number[] }} Pen a level for each channel */
/** @typedef {{ kind: "stroke", pen: Pen, points: number[] }} Stroke points: x, y, width, … */
/** @typedef {{ kind: "picture", planes: Planes, photo: boolean }} Placed */
/** @typedef {Stroke | Placed | { kind: "clear" }} Act */
/**
 * What has been drawn. `base` is the picture that is drawn upon; null is paper.
 * @typedef {{ surface: Planes, paper: number, base: Placed | null, acts: Act[], undone: Act[] }}
 *   Drawing
 */

/** Acts that can be undone. */
const MOST_ACTS = 500;

/**
 * @param {number} channels @param {number} height @param {number} width
 * @param {number} paper its level
 * @returns {Drawing}
 */
export function createDrawing(channels, height, width, paper) {
  const surface = newPlanes(channels, height, width);
  surface.data.fill(paper);
  return { surface, paper, base: null, acts: [], undone: [] };
}

/** @param {Drawing} drawing @param {Act} act */
export function perform(drawing, act) {
  drawing.acts.push(act);
  drawing.undone = [];
  if (drawing.acts.length > MOST_ACTS) drawing.acts.shift();
  paintAct(drawing, act);
}

/**
 * A camera's next picture takes the place of its last one.
 * @param {Drawing} drawing @param {Placed} act
 */
export function performInstead(drawing, act) {
  drawing.acts[drawing.acts.length - 1] = act;
  paintAct(drawing, act);
}

/** The stroke goes on. @param {Drawing} drawing @param {Stroke} stroke @param {number[]} point */
export function extendStroke(drawing, stroke, point) {
  stroke.points.push(...point);
  paintSegment(drawing, stroke, stroke.points.length - 3);
}

/** @param {Drawing} drawing */
export function undo(drawing) {
  const act = drawing.acts.pop();
  if (!act) return;
  drawing.undone.push(act);
  let first = drawing.acts.length;
  while (first > 0 && drawing.acts[first - 1].kind === "stroke") first--;
  paintAct(drawing, first > 0 ? drawing.acts[first - 1] : { kind: "clear" });
  for (const stroke of drawing.acts.slice(first)) paintAct(drawing, stroke);
}

/** @param {Drawing} drawing */
export function redo(drawing) {
  const act = drawing.undone.pop();
  if (!act) return;
  drawing.acts.push(act);
  paintAct(drawing, act);
}

/** @param {Drawing} drawing @param {Act} act */
function paintAct(drawing, act) {
  if (act.kind === "stroke") {
    for (let i = 0; i < act.points.length; i += 3) paintSegment(drawing, act, i);
    return;
  }
  drawing.base = act.kind === "picture" ? act : null;
  if (drawing.base) drawing.surface.data.set(drawing.base.planes.data);
  else drawing.surface.data.fill(drawing.paper);
}

/**
 * To a point of a stroke from the one before, round at both ends and antialiased.
 * @param {Drawing} drawing @param {Stroke} stroke
 * @param {number} i where the point is in `points`
 */
function paintSegment({ surface, base, paper }, { pen, points }, i) {
  const { width, height, channels, data } = surface,
    size = width * height;
  const [x1, y1, thick] = points.slice(i, i + 3),
    [x0, y0] = points.slice(Math.max(0, i - 3), i || 2);
  const dx = x1 - x0,
    dy = y1 - y0,
    long = dx * dx + dy * dy,
    radius = thick / 2;
  const first = (/** @type {number} */ v) => Math.max(0, Math.floor(v - radius - 1));
  const last = (/** @type {number} */ v, /** @type {number} */ n) =>
    Math.min(n - 1, Math.ceil(v + radius + 1));
  const right = last(Math.max(x0, x1), width),
    below = last(Math.max(y0, y1), height);
  for (let y = first(Math.min(y0, y1)); y <= below; y++) {
    for (let x = first(Math.min(x0, x1)); x <= right; x++) {
      const px = x + 0.5 - x0,
        py = y + 0.5 - y0;
      const along = long > 0 ? Math.max(0, Math.min(1, (px * dx + py * dy) / long)) : 0;
      const away = radius + 0.5 - Math.hypot(px - along * dx, py - along * dy);
      if (away <= 0) continue;
      const share = Math.min(1, away);
      for (let c = 0, at = y * width + x; c < channels; c++, at += size) {
        const under = base ? base.planes.data[at] : paper;
        data[at] += share * ((pen.erase ? under : pen.colour[c]) - data[at]);
      }
    }
  }
}

/**
 * Lets mouse, finger, pen and keys draw. Arrows move the pen by `step` (with shift by four of them),
 * space puts it down and lifts it, Escape lifts it, Delete clears, z undoes, y redoes, e erases.
 * @param {HTMLElement} element that shows the surface, and has the focus for keys
 * @param {Drawing} drawing
 * @param {{ step: number, pen: () => Pen, changed: () => void, command: (name: string) => void,
 *   begins: () => void, moved: (x: number, y: number, down: boolean) => void }} hand pen: what to draw
 *   with; begins: a stroke will; command: "clear", "undo", "redo" or "erase"; moved: the pen is here
 * @returns {() => void} lifts the pen, whoever holds it: for what else changes the drawing
 */
export function attachHand(element, drawing, hand) {
  const { width, height } = drawing.surface;
  /** @type {Stroke | null} */
  let stroke = null;
  let pointer = -1,
    x = width / 2,
    y = height / 2;

  /** @param {PointerEvent} event */
  function point(event) {
    const box = element.getBoundingClientRect();
    x = ((event.clientX - box.left) * width) / box.width;
    y = ((event.clientY - box.top) * height) / box.height;
    const pressed = event.pointerType === "pen" && event.pressure > 0 ? 0.5 + event.pressure : 1;
    return [x, y, (stroke ? stroke.pen.width : hand.pen().width) * pressed];
  }

  /** @param {number[]} at @param {boolean} erase */
  function begin(at, erase) {
    hand.begins();
    const pen = hand.pen();
    stroke = { kind: "stroke", pen: { ...pen, erase: pen.erase || erase }, points: at };
    perform(drawing, stroke);
    tell();
  }

  /** @param {boolean} [drawn] */
  function tell(drawn = true) {
    hand.moved(x, y, stroke !== null);
    if (drawn) hand.changed();
  }

  function lift() {
    if (!stroke) return;
    stroke = null;
    pointer = -1;
    tell(false);
  }

  element.addEventListener("pointerdown", (event) => {
    if (pointer >= 0 || (event.button !== 0 && event.button !== 5)) return;
    pointer = event.pointerId;
    element.setPointerCapture(pointer);
    element.focus({ preventScroll: true });
    event.preventDefault();
    begin(point(event), event.button === 5); // the eraser of a pen
  });
  element.addEventListener("pointermove", (event) => {
    if (event.pointerId !== pointer || !stroke) {
      if (pointer >= 0 || stroke) return; // another finger, or keys are drawing
      point(event);
      return tell(false);
    }
    const all = event.getCoalescedEvents?.() ?? [];
    for (const each of all.length ? all : [event]) extendStroke(drawing, stroke, point(each));
    tell();
  });
  for (const name of ["pointerup", "pointercancel", "lostpointercapture"]) {
    element.addEventListener(name, (event) => {
      if (/** @type {PointerEvent} */ (event).pointerId === pointer) lift();
    });
  }
  addEventListener("resize", lift); // the surface moves from under the pen: no line is meant
  element.addEventListener("blur", () => stroke && pointer < 0 && lift());

  /** @type {{ [key: string]: [number, number] }} */
  const ways = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  /** @type {{ [key: string]: string }} */
  const commands = {
    Delete: "clear",
    Backspace: "clear",
    z: "undo",
    Z: "redo",
    y: "redo",
    e: "erase",
  };
  element.addEventListener("keydown", (event) => {
    const way = ways[event.key],
      command = commands[event.key];
    if (event.altKey || (pointer >= 0 && stroke)) return;
    if ((event.ctrlKey || event.metaKey) && command !== "undo" && command !== "redo") return;
    if (way) {
      const step = hand.step * (event.shiftKey ? 4 : 1);
      x = Math.max(0, Math.min(width, x + step * way[0]));
      y = Math.max(0, Math.min(height, y + step * way[1]));
      if (stroke) extendStroke(drawing, stroke, [x, y, stroke.pen.width]);
      tell(stroke !== null);
    } else if (event.key === " ") {
      if (stroke) lift();
      else begin([x, y, hand.pen().width], false);
    } else if (event.key === "Escape" && stroke) lift();
    else if (command) {
      if (stroke) lift();
      hand.command(command);
    } else return;
    event.preventDefault();
    event.stopPropagation();
  });
  return lift;
}
