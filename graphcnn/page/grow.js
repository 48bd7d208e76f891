// The image that a unit answers most grows while one looks at the unit: activation maximisation.
// @ts-check

import { largest, paintImage } from "./colours.js";
import { make } from "./dom.js";
import { unitSeed } from "./engine.js";
import { imageOf, levelsOf, nameOf, strongest } from "./evidence.js";
import { clipped, normalNumbers, uniformNumbers } from "./fit.js";
import { isVector, layerNamed } from "./places.js";
import { sampleOf } from "./sources.js";
import { isOff } from "./switching.js";

/** @typedef {import("./page.d.ts").App} App */
/** @typedef {import("./page.d.ts").Engine} Engine */
/** @typedef {import("./page.d.ts").Maps} Maps */
/** @typedef {import("./page.d.ts").Unit} Unit */
/**
 * An image that grows, as the network takes it. `reach`: a gradient reaches it; `sampled`: it began
 * from a sample.
 * @typedef {{ unit: Unit, whole: boolean, switches: Maps, image: Float32Array, steps: number,
 *   scores: number[], reach: boolean, sampled: boolean }} Growth
 */

/** Ascent steps of a frame, its milliseconds at most, and the steps of an image. */
const FRAME = 30,
  BUDGET = 12,
  ENOUGH = 600;
/** Milliseconds that unit and picture have stood still before an image grows: until then the frames
 * are of whoever draws or points. */
const PAUSE = 120;
/** Starts from noise that are tried for a unit without a gradient. */
const STARTS = 4;
/** How far a step goes at first, and at last. */
const RATE = [0.03, 0.008];

/** A channel, or one place of it. @param {Unit} unit @param {boolean} whole */
function asked({ channel, y, x }, whole) {
  return whole ? { channel } : { channel, y, x };
}

/**
 * Noise around grey, from which the image of a unit grows. Where nothing reaches the image other
 * seeds are tried, then the samples; `reach` is false where nothing helps. Channels that are off
 * are off while it grows.
 * @param {Engine} engine @param {Unit} unit @param {boolean} whole the mean of the channel's map
 * @param {number} seed @param {Maps} [switches]
 * @returns {Growth}
 */
export function beginGrowth(engine, unit, whole, seed, switches = {}) {
  const { about } = engine,
    count = about.input.shape.reduce((a, b) => a * b, 1);
  const seeds = { [unit.layer]: unitSeed(about, unit.layer, asked(unit, whole)) };
  const growth = {
    unit,
    whole,
    switches,
    image: new Float32Array(count),
    steps: 0,
    reach: false,
    sampled: false,
    scores: /** @type {number[]} */ ([]),
  };
  const reached = () => largest(engine.gradient(growth.image, seeds, "plain", switches).image) > 0;
  for (let start = 0; start < STARTS && !growth.reach; start++) {
    const noise = normalNumbers(1000 * seed + start, count),
      size = 0.05 * (1 + start);
    growth.image = imageOf(
      noise.map((v) => clipped(0.5 + size * v)),
      about.input,
    );
    growth.reach = reached();
  }
  for (let i = 0; i < about.samples.length && !growth.reach; i++) {
    growth.image = imageOf(sampleOf(about, i).data, about.input);
    growth.reach = growth.sampled = reached();
  }
  growth.scores.push(growthScore(engine, growth));
  return growth;
}

/** @param {Engine} engine @param {Growth} growth */
export function growthScore(engine, { unit, whole, image, switches }) {
  const seed = unitSeed(engine.about, unit.layer, asked(unit, whole));
  const map = engine.run(image, switches)[unit.layer];
  return map.reduce((sum, value, i) => sum + seed[i] * value, 0);
}

/**
 * A step of ascent from the image moved at random by a pixel, so that the steps do not write their
 * own grid into it. The n-th step of a seed is the same in every run.
 * @param {Engine} engine @param {Growth} growth @param {number} seed
 */
export function growthStep(engine, growth, seed) {
  const { unit, whole, steps, switches } = growth,
    { about } = engine,
    { shape } = about.input;
  const next = uniformNumbers(7919 * seed + steps);
  const free = whole || isVector(layerNamed(about, unit.layer));
  const [dy, dx] = [next(), next()].map((v) => (free ? Math.floor(3 * v) - 1 : 0));
  const rate = RATE[0] + Math.min(1, steps / ENOUGH) * (RATE[1] - RATE[0]);
  const moved = rolled(growth.image, shape, dy, dx);
  const how = { rate, decay: 0.002, blur: 0.06, switches };
  const made = engine.maximiseStep(moved, unit.layer, asked(unit, whole), how);
  growth.image = rolled(made, shape, -dy, -dx);
  growth.steps++;
}

/** @param {Float32Array} image @param {number[]} shape @param {number} dy @param {number} dx */
function rolled(image, [channels, height, width], dy, dx) {
  const result = new Float32Array(image.length);
  for (let c = 0, i = 0; c < channels; c++) {
    for (let y = 0; y < height; y++) {
      const row = (c * height + ((y + dy + height) % height)) * width;
      for (let x = 0; x < width; x++, i++) result[i] = image[row + ((x + dx + width) % width)];
    }
  }
  return result;
}

/** @param {HTMLElement} element @param {App} app */
export function mountGrow(element, app) {
  const { about, engine, store, say } = app;
  const still = matchMedia("(prefers-reduced-motion: reduce)");
  let on = about.live && !still.matches,
    whole = false,
    seed = 1,
    running = false;
  let quiet = 0; // from then on
  /** @type {Growth | null} */
  let growth = null;

  const canvas = make("canvas", { class: "pixels", role: "img", sayLabel: "growTitle" });
  const curve = make("canvas", { class: "curve", width: 240, height: 48, "aria-hidden": "true" });
  const text = make("p", { class: "number" }),
    note = make("p", { class: "muted small" });
  const go = make("button", {
    click: () => {
      on = !on;
      if (on && growth && growth.steps >= ENOUGH) growth = null;
      follow();
    },
  });
  const channel = make("button", {
    say: "growChannel",
    "aria-pressed": "false",
    click: () => {
      whole = !whole;
      channel.setAttribute("aria-pressed", String(whole));
      growth = null;
      follow();
    },
  });
  const other = make("button", {
    say: "growAgain",
    click: () => {
      seed++;
      growth = null;
      follow();
    },
  });
  const use = make("button", {
    say: "growUse",
    click: () => growth && store.set({ levels: levelsOf(growth.image, about.input) }),
  });
  const stage = make("div", { class: "stage" }, canvas);
  const body = make(
    "div",
    { class: "looking grown" },
    stage,
    make("div", { class: "stack" }, text, curve, note),
  );
  element.classList.add("stack");
  element.append(body, make("div", { class: "row tight" }, go, channel, other, use));

  /** The unit that is looked at; before there is one the class that is predicted. @returns {Unit} */
  function looked() {
    const { unit, maps } = store.get();
    if (unit && unit.layer !== about.layers[0].name) return unit;
    return strongest(maps, about);
  }

  /** @param {Unit} unit */
  function isGrown(unit) {
    if (!growth || growth.switches !== store.get().switches) return false;
    const { layer, channel } = growth.unit;
    if (layer !== unit.layer || channel !== unit.channel) return false;
    return whole || (growth.unit.y === unit.y && growth.unit.x === unit.x);
  }

  /** What is looked at, or how, is another: the image grows or begins. */
  function follow() {
    paint();
    if (on) next(quiet - performance.now());
  }

  /** @param {number} wait milliseconds */
  function next(wait) {
    if (running) return;
    running = true;
    if (wait > 0) setTimeout(() => requestAnimationFrame(frame), wait);
    else requestAnimationFrame(frame);
  }

  function frame() {
    running = false;
    if (!on) return paint();
    const began = performance.now();
    if (quiet > began) return next(quiet - began);
    if (element.offsetParent === null) return;
    const unit = looked();
    if (!growth || !isGrown(unit))
      growth = beginGrowth(engine, unit, whole, seed, store.get().switches);
    if (!growth.reach || growth.steps >= ENOUGH) return paint();
    let spent = 0;
    for (let i = 0; i < FRAME && growth.steps < ENOUGH; i++) {
      growthStep(engine, growth, seed);
      spent = performance.now() - began;
      if (spent + spent / (i + 1) > BUDGET) break; // another step would be too much
    }
    growth.scores.push(growthScore(engine, growth));
    paint();
    next(spent > BUDGET ? 2 * spent : 0); // large networks leave the page time
  }

  function paint() {
    go.textContent = say(on ? "growStop" : "growStart");
    body.hidden = !growth;
    use.disabled = stage.hidden = curve.hidden = !growth?.reach; // what did not grow is not shown
    if (!growth) return;
    const { unit, scores, steps, reach, sampled, switches } = growth;
    const of = nameOf(about, unit, whole);
    paintImage(canvas, levelsOf(growth.image, about.input), about.input.shape);
    const [first, last] = [scores[0], scores[scores.length - 1]].map((v) => v.toPrecision(3));
    if (reach) text.textContent = say("growScore", { of, first, last, steps });
    else if (isOff(switches, unit)) text.textContent = say("unitOff", { of });
    else text.textContent = say("growDead", { of, starts: STARTS });
    const notes = [];
    if (sampled) notes.push("growSampled");
    else if (reach && unit.layer !== about.scores) notes.push(whole ? "growWhole" : "growOne");
    if (Object.keys(switches).length) notes.push("growWithout");
    note.textContent = notes.map((key) => say(key)).join(" ");
    paintCurve(scores);
  }

  /** @param {number[]} scores */
  function paintCurve(scores) {
    const context = /** @type {CanvasRenderingContext2D} */ (curve.getContext("2d"));
    const low = Math.min(...scores),
      high = Math.max(...scores);
    context.clearRect(0, 0, 240, 48);
    context.strokeStyle = getComputedStyle(curve).color;
    context.lineWidth = 2;
    context.beginPath();
    scores.forEach((score, i) =>
      context.lineTo(
        2 + (236 * i) / Math.max(1, scores.length - 1),
        45 - (42 * (score - low)) / (high - low || 1),
      ),
    );
    context.stroke();
  }

  store.on(["unit", "maps", "switches"], () => {
    quiet = performance.now() + PAUSE;
    if (on) next(PAUSE);
  });
  store.on(["lang", "theme"], paint);
  still.addEventListener("change", () => {
    on = on && !still.matches;
    paint();
  });
  paint();
}
