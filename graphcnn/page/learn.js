// Watch it learn: a small network learns X from O in the page, by a compiled training step.
// @ts-check

import { largest, paintImage, paintSigned } from "./colours.js";
import { make, sharpContext, slider, translate } from "./dom.js";
import { uniformNumbers } from "./fit.js";
import { percent, probabilities } from "./scores.js";
import { loadTrainer } from "./trainer.js";

/** @typedef {import("./page.d.ts").App} App */
/** @typedef {import("./page.d.ts").Trainer} Trainer */

/** Pictures that the network never learns from: these show what it knows. */
const HELD_OUT = 64;
const SHOWN = 16;

/**
 * An O (0) or an X (1) somewhere in a picture of side × side pixels, 0..1, turned, large or small,
 * with noise.
 * @param {() => number} random
 * @param {number} kind
 * @param {number} side
 */
export function drawnMark(random, kind, side) {
  const between = (/** @type {number} */ a, /** @type {number} */ b) => a + (b - a) * random();
  const radius = between(0.2, 0.36) * side;
  const [cy, cx] = [between(radius + 1, side - radius - 1), between(radius + 1, side - radius - 1)];
  const turn = kind === 1 ? Math.PI / 4 + between(-0.3, 0.3) : between(0, 1);
  const [squeeze, thickness] = [between(0.8, 1), between(0.6, 1)];
  return Float32Array.from({ length: side * side }, (_, i) => {
    const [dy, dx] = [Math.floor(i / side) + 0.5 - cy, ((i % side) + 0.5 - cx) / squeeze];
    const u = dx * Math.cos(turn) + dy * Math.sin(turn);
    const v = dy * Math.cos(turn) - dx * Math.sin(turn);
    const stroke = (/** @type {number} */ across, /** @type {number} */ along) =>
      Math.hypot(across, Math.max(Math.abs(along) - radius, 0));
    const far =
      kind === 1 ? Math.min(stroke(u, v), stroke(v, u)) : Math.abs(Math.hypot(dx, dy) - radius);
    const ink = Math.min(Math.max(thickness + 0.5 - far, 0), 1);
    return Math.min(Math.max(ink + between(-0.15, 0.15), 0), 1);
  });
}

/** Pictures one after the other and their kinds, which alternate. */
/** @param {() => number} random @param {number} count @param {number} side */
function drawnMarks(random, count, side) {
  const images = new Float32Array(count * side * side);
  const targets = Int32Array.from({ length: count }, (_, i) => i % 2);
  targets.forEach((kind, i) => images.set(drawnMark(random, kind, side), i * side * side));
  return { images, targets };
}

/**
 * A run of training: the same seed gives the same losses.
 * @param {Trainer} trainer
 * @param {number} seed
 */
export function createCourse(trainer, seed) {
  const { input, batch } = trainer.learning;
  const side = input[1];
  const random = uniformNumbers(seed);
  const held = drawnMarks(uniformNumbers(seed ^ 0x5eed), HELD_OUT, side);
  trainer.reset();
  /** @type {number[]} */
  const losses = [];
  return {
    losses,
    held,
    step() {
      const { images, targets } = drawnMarks(random, batch, side);
      losses.push(trainer.step(images, targets));
    },
    /** Probability of the right class for each picture that is held out. */
    exam() {
      const size = side * side;
      return Array.from(held.targets, (target, i) => {
        const maps = trainer.run(held.images.subarray(i * size, (i + 1) * size));
        return probabilities(maps.scores)[target];
      });
    },
  };
}

/**
 * Places 0 to length - 1, or as many of them, evenly apart and with the last, as `most` points show.
 * @param {number} length @param {number} most
 */
export function thinned(length, most) {
  const count = Math.min(length, most);
  return Array.from({ length: count }, (_, i) => Math.ceil(((i + 1) * length) / count) - 1);
}

/**
 * The pane; its network is unpacked when it is opened for the first time.
 * @param {HTMLElement} element
 * @param {App} app
 */
export function mountLearn(element, app) {
  const { about, store } = app;
  const learning = about.learning;
  if (!learning) return;
  element.append(make("p", { class: "muted", say: "learnWaits" }));
  let asked = false;
  store.on(["pane"], async ({ pane }) => {
    if (pane !== "learn" || asked) return;
    asked = true;
    const trainer = await loadTrainer(learning);
    element.replaceChildren();
    mountTrainer(element, app, trainer);
  });
}

/** @param {HTMLElement} element @param {App} app @param {Trainer} trainer */
function mountTrainer(element, app, trainer) {
  const { store, say } = app;
  const { input, classes } = trainer.learning;
  const side = input[1];
  const weightKey =
    Object.keys(trainer.learning.states).find((key) => trainer.weights(key).length % 9 === 0) ?? "";
  const filters = trainer.weights(weightKey).length / 9;
  let seed = 0;
  let course = createCourse(trainer, seed);
  let pace = 1;
  let frame = 0;
  /** @type {[number, number][]} a step and the share of right answers after it, at each painting */
  let learned = [];

  const lead = make("p", { class: "lead" });
  const play = make("button", { class: "main", click: () => (frame ? pause() : resume()) });
  const seedField = make("input", {
    type: "number",
    min: 0,
    value: 0,
    sayLabel: "seed",
    change: () => restart(Number(seedField.value)),
  });
  const speed = slider(say, "pace", { min: 1, max: 20, value: pace }, (v) => (pace = v));
  const curve = make("canvas", { role: "img" });
  const numbers = make("p", { class: "number" });
  const squares = Array.from({ length: filters }, () =>
    make("canvas", { class: "pixels filter", role: "img" }),
  );
  const cards = Array.from({ length: SHOWN }, (_, i) => {
    const canvas = make("canvas", { class: "pixels mark" });
    const text = make("span", { class: "number small" });
    return { canvas, text, element: make("li", {}, canvas, text), i };
  });
  element.append(
    lead,
    make(
      "div",
      { class: "learn" },
      make(
        "div",
        { class: "stack" },
        make(
          "div",
          { class: "row" },
          play,
          make("button", {
            say: "oneStep",
            click: () => {
              pause();
              course.step();
              paint();
            },
          }),
          make("button", { say: "restart", click: () => restart(seed) }),
        ),
        speed.element,
        make("label", { class: "field" }, make("span", { say: "seed" }), seedField),
        numbers,
      ),
      make("figure", {}, make("h3", { say: "learnLoss" }), curve),
      make(
        "figure",
        {},
        make("h3", { say: "learnFilters" }),
        make("div", { class: "row filters" }, ...squares),
      ),
      make(
        "figure",
        {},
        make("h3", { say: "learnExam" }),
        make("ul", { class: "row marks" }, ...cards.map((card) => card.element)),
      ),
    ),
  );
  translate(element, say);

  function pause() {
    cancelAnimationFrame(frame);
    frame = 0;
    play.textContent = say("start");
  }

  function resume() {
    play.textContent = say("pause");
    const next = () => {
      if (store.get().pane !== "learn") return pause();
      for (let i = 0; i < pace; i++) course.step();
      paint();
      frame = requestAnimationFrame(next);
    };
    next();
  }

  /** @param {number} to */
  function restart(to) {
    pause();
    seed = to;
    course = createCourse(trainer, seed);
    learned = [];
    paint();
  }

  function paint() {
    if (store.get().pane !== "learn") return;
    const rights = course.exam();
    const share = rights.filter((p) => p > 0.5).length / rights.length;
    const { losses } = course;
    learned.push([losses.length, share]);
    const last = losses.length ? losses[losses.length - 1].toFixed(3) : "–";
    numbers.textContent = say("learnNumbers", {
      steps: losses.length,
      loss: last,
      share: percent(share),
    });
    paintCurve();
    const weights = trainer.weights(weightKey);
    const most = largest(weights);
    squares.forEach((canvas, f) => {
      const own = weights.subarray(9 * f, 9 * f + 9);
      paintSigned(canvas, own, 3, 3, most);
      canvas.setAttribute("aria-label", Array.from(own, (w) => w.toFixed(2)).join(", "));
    });
    for (const { canvas, text, element: card, i } of cards) {
      if (canvas.dataset.seed !== String(seed)) {
        const size = side * side;
        paintImage(
          canvas,
          course.held.images.subarray(i * size, (i + 1) * size).map((v) => 1 - v),
          [1, side, side],
        );
        canvas.dataset.seed = String(seed);
      }
      const right = rights[i] > 0.5;
      const target = course.held.targets[i];
      text.textContent = `${classes[right ? target : 1 - target]} ${percent(Math.max(rights[i], 1 - rights[i]))}`;
      card.classList.toggle("wrong", !right);
    }
  }

  /** Losses, the mean of the last 20 of them, and the share of right answers. */
  function paintCurve() {
    const [width, height] = [320, 168];
    const context = sharpContext(curve, width, height);
    const style = getComputedStyle(document.documentElement);
    const colour = (/** @type {string} */ name) => style.getPropertyValue(name).trim();
    const { losses } = course;
    const count = Math.max(200, losses.length);
    const top = losses.reduce((a, b) => Math.max(a, b), 0.8);
    const [left, bottom] = [30, height - 20];
    const place = (/** @type {number} */ i, /** @type {number} */ part) =>
      /** @type {[number, number]} */ ([
        left + (i / count) * (width - left - 4),
        bottom - part * (bottom - 6),
      ]);
    context.font = "11px system-ui, sans-serif";
    context.textAlign = "right";
    for (const value of [0, 0.25, 0.5, 0.75]) {
      const [x, y] = place(0, value / top);
      context.fillStyle = colour("--muted");
      context.fillText(String(value), x - 6, y + 4);
      context.fillStyle = colour("--line");
      context.fillRect(x, y, width - left, 1);
    }
    context.fillStyle = colour("--muted");
    context.fillText(String(count), width - 4, height - 4);
    context.fillStyle = colour("--good");
    context.fillText("100 %", width - 4, 16);
    /** @param {number} length @param {(i: number) => [number, number]} point a step and its height
     * @param {string} line @param {number} thickness */
    const draw = (length, point, line, thickness) => {
      context.beginPath();
      for (const i of thinned(length, width)) context.lineTo(...place(...point(i)));
      context.strokeStyle = colour(line);
      context.lineWidth = thickness;
      context.stroke();
    };
    draw(losses.length, (i) => [i, losses[i] / top], "--faint", 1);
    draw(
      losses.length,
      (i) => {
        const recent = losses.slice(Math.max(0, i - 19), i + 1);
        return [i, recent.reduce((a, b) => a + b, 0) / recent.length / top];
      },
      "--accent",
      2,
    );
    draw(learned.length, (i) => learned[i], "--good", 1.5);
    curve.setAttribute("aria-label", numbers.textContent ?? "");
  }

  function words() {
    lead.textContent = say("learnLead", { batch: trainer.learning.batch });
    play.textContent = say(frame ? "pause" : "start");
    paint();
  }
  store.on(["pane", "lang", "theme"], words);
  words();
}
