// The convolution lab: a window slides over an image, step by step, with the numbers and the sizes.
// @ts-check

import { largest } from "./colours.js";
import {
  channelsOf,
  convolved,
  KERNELS,
  outputSize,
  sizeFormula,
  weightsOf,
} from "./convolution.js";
import { make, sharpContext, slider, translate } from "./dom.js";
import { drawGrid, frameCells, shortNumber } from "./grid.js";
import { asChannels, asGrey } from "./lab_images.js";
import { drawingPixels, XO } from "./xo.js";

/** @typedef {import("./page.d.ts").App} App */

/** Width and height of the two large grids, in pixels. */
const SIDE = 304;

/** @param {HTMLElement} element @param {App} app */
export function mountLab(element, app) {
  const { store, about, say } = app;
  /** @type {import("./convolution.js").Setting} */
  const setting = {
    kernel: 3,
    stride: 1,
    padding: 0,
    dilation: 1,
    groups: 1,
    channels: 1,
    transposed: false,
  };
  let kernelName = "kernelFalling";
  let filter = 0;
  let step = 8; // where a falling stroke lies upon the X
  let speed = 8;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let playing;

  const option = (/** @type {string} */ key) => make("option", { value: key, say: key });
  const sources = make(
    "select",
    { change: () => change(() => {}) },
    option("sourceX"),
    option("sourceO"),
    option("sourceInput"),
  );
  const kernels = make(
    "select",
    { change: () => change(() => (kernelName = kernels.value)) },
    ...Object.keys(KERNELS).map(option),
  );
  kernels.value = kernelName;
  const range = (
    /** @type {"kernel" | "stride" | "padding" | "dilation"} */ key,
    /** @type {number} */ min,
    /** @type {number} */ max,
  ) =>
    slider(say, key, { min, max, value: setting[key] }, (v) => change(() => (setting[key] = v)))
      .element;
  const powers = (/** @type {"channels" | "groups"} */ key) =>
    slider(say, key, { min: 0, max: 2, value: 0, show: (v) => String(2 ** v) }, (v) => {
      change(() => {
        setting[key] = 2 ** v;
        if (key === "channels") setting.groups = Math.min(setting.groups, setting.channels);
        else setting.channels = Math.max(setting.groups, setting.channels);
        for (const [name, one] of /** @type {const} */ ([
          ["channels", channels],
          ["groups", groups],
        ])) {
          one.set(Math.log2(setting[name]));
        }
        filter = Math.min(filter, setting.channels - 1);
      });
    });
  const [channels, groups] = [powers("channels"), powers("groups")];
  const transposed = make("input", {
    type: "checkbox",
    change: () => change(() => (setting.transposed = transposed.checked)),
  });
  const field = (/** @type {string} */ key, /** @type {HTMLElement} */ control) =>
    make("label", { class: "field" }, make("span", { say: key }), control);

  const input = make("canvas", { role: "img" });
  const output = make("canvas", { role: "img" });
  const worked = make("canvas", { role: "img" });
  const filters = make("div", { class: "row", role: "group", sayLabel: "filters" });
  const inputSays = make("p", { class: "muted small number" });
  const outputSays = make("p", { class: "muted small number" });
  const formula = make("p", { class: "number formula" });
  const sum = make("p", { class: "number" });
  const scrub = slider(say, "position", { min: 0, max: 1, value: 0 }, (v) => go(v));
  const pace = slider(
    say,
    "speed",
    { min: 1, max: 60, value: speed, show: (v) => `${v}/s` },
    (v) => (speed = v),
  );
  const play = make("button", { click: () => (playing ? pause() : resume()) });
  element.append(
    make(
      "div",
      { class: "lab" },
      make(
        "div",
        { class: "stack controls" },
        field("source", sources),
        field("kernelName", kernels),
        range("kernel", 1, 7),
        range("stride", 1, 4),
        range("padding", 0, 4),
        range("dilation", 1, 3),
        channels.element,
        groups.element,
        make("label", { class: "row" }, transposed, make("span", { say: "transposed" })),
      ),
      make("figure", {}, make("h3", { say: "labInput" }), inputSays, input),
      make(
        "div",
        { class: "stack" },
        make("h3", { say: "labStep" }),
        worked,
        sum,
        make(
          "div",
          { class: "row" },
          make("button", { sayLabel: "back", sayTitle: "back", click: () => go(step - 1) }, "‹"),
          play,
          make("button", { sayLabel: "forth", sayTitle: "forth", click: () => go(step + 1) }, "›"),
        ),
        scrub.element,
        pace.element,
        make("h3", { say: "labSize" }),
        formula,
      ),
      make("figure", {}, make("h3", { say: "labOutput" }), outputSays, output, filters),
    ),
  );
  translate(element, say);

  /** Another setting begins anew, at the end, where all is seen. @param {() => void} set */
  function change(set) {
    set();
    pause();
    paint(true);
  }

  function image() {
    const mark = { sourceX: XO.X, sourceO: XO.O }[sources.value];
    const { values, size } = mark
      ? { values: drawingPixels(mark), size: [9, 9] }
      : asGrey(store.get().levels, about.input.shape);
    return { values: asChannels(values, size, setting.channels), size };
  }

  function pause() {
    clearTimeout(playing);
    playing = undefined;
    play.textContent = say("play");
  }

  function resume() {
    if (step + 1 >= Number(scrub.input.max)) step = -1;
    play.textContent = say("pause");
    const next = () => {
      playing = setTimeout(next, 1000 / speed);
      if (step + 1 > Number(scrub.input.max)) pause();
      else go(step + 1, true);
    };
    next();
  }

  /** @param {number} to */
  function go(to, still = false) {
    if (!still) pause();
    step = Math.min(Math.max(to, 0), Number(scrub.input.max));
    paint(false);
  }

  function paint(anew = true) {
    if (store.get().pane !== "lab") return;
    const {
      values,
      size: [height, width],
    } = image();
    const { kernel: k, stride: s, padding: p, dilation: d } = setting;
    const [rows, columns] = [outputSize(height, setting), outputSize(width, setting)];
    const lines = height === width ? [height] : [height, width];
    formula.replaceChildren(...lines.map((n) => make("span", {}, sizeFormula(n, setting))));
    const possible = rows > 0 && columns > 0;
    formula.classList.toggle("wrong", !possible);
    const walked = setting.transposed ? [height, width] : [rows, columns];
    const last = possible ? walked[0] * walked[1] - 1 : 0;
    scrub.input.max = String(last);
    step = anew ? Math.min(step, last) : step;
    scrub.set(step);
    const weights = weightsOf(kernelName, setting);
    const full = convolved(values, [height, width], weights, filter, setting);
    const done = setting.transposed
      ? convolved(values, [height, width], weights, filter, setting, step + 1)
      : full;
    const [y, x] = [Math.floor(step / walked[1]), step % walked[1]];
    const seen = channelsOf(filter, setting);
    const shown = seen[0];
    const own = values.subarray(shown * height * width, (shown + 1) * height * width);
    const most = 1.6 * largest(values); // pale enough for numbers and frames
    const kernel = weights.subarray(
      filter * seen.length * k * k,
      (filter * seen.length + 1) * k * k,
    );

    // The padding is of the image, or of the transposed convolution what is cut off the output.
    const border = setting.transposed ? 0 : p;
    const cell = Math.floor(SIDE / Math.max(height + 2 * border, width + 2 * border));
    const left = sharpContext(input, SIDE, SIDE);
    const around = (height + 2 * border) * (width + 2 * border);
    drawGrid(left, {
      values: [],
      known: 0,
      height: around / (width + 2 * border),
      width: width + 2 * border,
      left: 0,
      top: 0,
      cell,
      most: 1,
    });
    const grid = {
      values: own,
      height,
      width,
      left: border * cell,
      top: border * cell,
      cell,
      most,
    };
    drawGrid(left, grid);
    const outputCell = Math.max(2, Math.floor(SIDE / Math.max(rows, columns, 1)));
    const right = sharpContext(output, SIDE, SIDE);
    if (possible) {
      const result = {
        values: done,
        height: rows,
        width: columns,
        left: 0,
        top: 0,
        cell: outputCell,
        most: 1.6 * largest(full),
        known: setting.transposed ? undefined : step + 1,
      };
      drawGrid(right, result);
      /** @param {CanvasRenderingContext2D} context @param {typeof grid} on */
      const frameWindow = (context, on) => {
        for (let i = 0; d > 1 && i < k * k; i++) {
          const [ky, kx] = [Math.floor(i / k) * d, (i % k) * d];
          frameCells(context, on, [y * s - p + ky, x * s - p + kx, 1, 1]);
        }
        const span = d * (k - 1) + 1;
        frameCells(context, on, [y * s - p, x * s - p, span, span]);
      };
      frameWindow(
        setting.transposed ? right : left,
        setting.transposed ? /** @type {any} */ (result) : grid,
      );
      frameCells(setting.transposed ? left : right, setting.transposed ? grid : result, [
        y,
        x,
        1,
        1,
      ]);
    }
    inputSays.textContent = say("labChannels", {
      size: `${height}×${width}`,
      count: setting.channels,
      seen: seen.map((c) => c + 1).join(", "),
    });
    outputSays.textContent = possible
      ? say("labFilters", {
          size: `${rows}×${columns}`,
          count: setting.channels,
          filter: filter + 1,
        })
      : say("labImpossible");
    paintStep(own, height, width, kernel, y, x, most, possible);
    const total = setting.transposed ? values[shown * height * width + step] : full[step];
    sum.textContent = !possible
      ? ""
      : setting.transposed
        ? say("labStamp", { value: shortNumber(total) })
        : say(seen.length > 1 ? "labSums" : "labSum", {
            value: shortNumber(total),
            count: seen.length,
          });
    scrub.input.setAttribute(
      "aria-valuetext",
      say("labPlace", { y, x, value: shortNumber(total ?? 0) }),
    );
    input.setAttribute("aria-label", `${say("labInput")}: ${inputSays.textContent}`);
    output.setAttribute("aria-label", `${say("labOutput")}: ${outputSays.textContent}`);
    if (filters.childElementCount !== (setting.channels > 1 ? setting.channels : 0) || anew) {
      filters.replaceChildren(
        ...(setting.channels > 1
          ? Array.from({ length: setting.channels }, (_, f) =>
              make(
                "button",
                { "aria-pressed": String(f === filter), click: () => change(() => (filter = f)) },
                `${say("filter")} ${f + 1}`,
              ),
            )
          : []),
      );
    }
  }

  /** The patch times the kernel, product by product; or the pixel times the kernel. */
  /** @param {Float32Array} own @param {number} height @param {number} width @param {Float32Array} kernel @param {number} y @param {number} x @param {number} most @param {boolean} possible */
  function paintStep(own, height, width, kernel, y, x, most, possible) {
    const { kernel: k, stride: s, padding: p, dilation: d, transposed: stamps } = setting;
    const patch = Float32Array.from({ length: k * k }, (_, i) => {
      if (stamps) return own[step];
      const [iy, ix] = [y * s - p + Math.floor(i / k) * d, x * s - p + (i % k) * d];
      return iy < 0 || ix < 0 || iy >= height || ix >= width ? 0 : own[iy * width + ix];
    });
    const products = patch.map((value, i) => value * kernel[i]);
    const cell = Math.min(26, Math.floor(84 / k));
    const context = sharpContext(worked, SIDE, 88);
    if (!possible) return;
    const text = getComputedStyle(worked).color;
    [patch, kernel, products].forEach((values, i) => {
      const at = i * 108;
      drawGrid(context, {
        values,
        height: k,
        width: k,
        left: at,
        top: 2,
        cell,
        most: i === 0 ? most : i === 1 ? 1.6 * largest(kernel) : largest(kernel) * most,
      });
      context.fillStyle = text;
      context.font = "14px system-ui, sans-serif";
      if (i < 2)
        context.fillText(i ? "=" : "×", at + k * cell + (108 - k * cell) / 2, 2 + (k * cell) / 2);
    });
    worked.setAttribute(
      "aria-label",
      products.length > 25
        ? ""
        : Array.from(products, (_, i) => `${shortNumber(patch[i])}×${shortNumber(kernel[i])}`).join(
            " + ",
          ),
    );
  }

  /** A click on the result goes there. @param {HTMLCanvasElement} canvas @param {boolean} ofResult */
  function pick(canvas, ofResult) {
    canvas.addEventListener("pointerdown", (event) => {
      if (ofResult === setting.transposed) return;
      const {
        size: [height, width],
      } = image();
      const [rows, columns] = ofResult
        ? [outputSize(height, setting), outputSize(width, setting)]
        : [height, width];
      const cell = Math.floor(SIDE / Math.max(rows, columns));
      const [y, x] = [event.offsetY, event.offsetX].map((v) => Math.floor(v / cell));
      if (y < rows && x < columns) go(y * columns + x);
    });
  }
  pick(output, true);
  pick(input, false);
  pause();
  store.on(["pane", "lang", "theme"], () => paint(true));
  store.on(["levels"], () => sources.value === "sourceInput" && paint(true));
  store.on(["lang"], () => (play.textContent = say(playing ? "pause" : "play")));
}
