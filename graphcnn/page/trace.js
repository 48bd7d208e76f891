// How a number comes about: what the unit reads, by which weights; the sum beside the engine's.
// @ts-check

import { channelSums, explainCell, largestShares, powersOf } from "./cell.js";
import { isPale, largest, signedColour } from "./colours.js";
import { make, sharpContext, slider } from "./dom.js";
import { tapUnit } from "./patch.js";
import { behind, layerNamed } from "./places.js";
import { mountPins } from "./pins.js";
import { percent } from "./scores.js";
import { paintSeen, short, togglePin, unitButton, unitWords } from "./units.js";

/** @typedef {import("./page.d.ts").App} App */
/** @typedef {import("./page.d.ts").Unit} Unit */
/** @typedef {import("./cell.js").Parts} Parts */
/** @typedef {import("./patch.js").Patch} Patch */

/** Contributions of a sign, classes of a softmax, taps of a side that have room for numbers. */
const MOST = { shares: 4, classes: 10, numbers: 7, side: 32 };
/** @type {{ [kind: string]: string }} */
const SIGNS = { add: "+", sub: "-", mul: "×", maximum: "max", minimum: "min" };

/** Numbers as coloured cells: of a patch the padding is hatched, and a cell leads to what it reads.
 * @param {App} app @param {string} title @param {Patch} patch @param {Float64Array} values
 * @param {number} first the channel of the patch @param {number} [winner] its tap */
function cellTable(app, title, patch, values, first, winner) {
  const [, rows, columns] = patch.size;
  const start = first * rows * columns;
  const most = largest(values);
  const numbers = Math.max(rows, columns) <= MOST.numbers;
  const wide = columns > 5 ? 28 : patch.size[0] === 1 && columns < 5 ? 44 : 31;
  const size = numbers ? wide : Math.max(5, Math.floor(300 / Math.max(rows, columns)));
  const [text, times] = cellTexts(largest(values));
  const body = make("tbody");
  for (let row = 0; row < Math.min(rows, MOST.side); row += 1) {
    const line = make("tr");
    for (let column = 0; column < Math.min(columns, MOST.side); column += 1) {
      const tap = start + row * columns + column;
      const ink = isPale(values[tap], most) ? "#000" : "#fff";
      const cell = make("td", {
        class: `${patch.inside[tap] ? "" : "padding"} ${tap === winner ? "winner" : ""}`,
        style: `background-color:${signedColour(values[tap], most)};color:${ink}`,
        title: short(values[tap]),
      });
      if (numbers) cell.textContent = text(values[tap]);
      if (patch.inside[tap]) cell.dataset.tap = String(tap);
      line.append(cell);
    }
    body.append(line);
  }
  const table = make(
    "table",
    { class: "cells", style: `--cell:${size}px;width:${size * Math.min(columns, MOST.side)}px` },
    make("caption", {}, numbers ? title + times : title),
    body,
  );
  table.addEventListener("click", (event) => {
    const tap = /** @type {HTMLElement} */ (event.target).dataset.tap;
    if (!tap) return;
    const unit = tapUnit(patch, Number(tap));
    app.store.set({ unit, layer: unit.layer });
  });
  return table;
}

/** Numbers up to `most` as short as cells are, and the power of ten that they are divided by.
 * @param {number} most @returns {[(value: number) => string, string]} */
function cellTexts(most) {
  const power = most > 0 ? Math.floor(Math.log10(most)) : 0;
  const apart = power < -1 || power > 2;
  const digits = apart || power < 1 ? 2 : power === 1 ? 1 : 0;
  const text = (/** @type {number} */ value) => {
    const fixed = (apart ? value / 10 ** power : value).toFixed(digits);
    return Number(fixed) === 0 ? "0" : fixed.replace(/^(-?)0\./, "$1.");
  };
  const raised = [...String(power)].map(
    (letter) => "⁰¹²³⁴⁵⁶⁷⁸⁹"["0123456789".indexOf(letter)] ?? "⁻",
  );
  return [text, apart ? ` · 10${raised.join("")}` : ""];
}

/** @param {HTMLElement} element @param {App} app */
export function mountTrace(element, app) {
  const { about, engine, say, store } = app;
  let channel = 0;
  let room = 0; // measured when it changes: who asks while painting has all laid out anew
  /** The unit that was shown last. @type {Unit | null} */
  let told = null;
  const seen = make("canvas", { class: "pixels seen", role: "img" });
  const name = make("strong", { tabindex: -1 });
  const place = make("p", { class: "muted small" });
  const pin = make("button", {
    say: "pin",
    "aria-pressed": "false",
    click: () => {
      const { unit } = store.get();
      if (unit) togglePin(app, unit);
    },
  });
  const head = make("div", { class: "trace-head" }, seen, make("div", {}, name, place), pin);
  const step = slider(say, "traceChannel", { min: 0, max: 0, value: 0 }, (value) => {
    channel = value;
    paint();
  });
  const bars = make("canvas", { class: "bars", "aria-hidden": "true" });
  const stepper = make("div", { class: "stack" }, step.element, bars);
  const tables = make("div", { class: "row tables" });
  const sum = make("dl", { class: "sum" });
  const more = make("div", { class: "stack" });
  const hint = make("p", { class: "muted", say: "traceHint" });
  element.append(hint, head, stepper, tables, sum, more);

  new ResizeObserver(() => void (room = element.clientWidth)).observe(element);
  bars.addEventListener("click", (event) => {
    channel = Math.floor((event.offsetX / bars.clientWidth) * (Number(step.input.max) + 1));
    paint();
  });

  /** @param {string} key @param {string | Node} value @param {string} [kind] */
  const line = (key, value, kind = "") =>
    sum.append(make("dt", {}, key), make("dd", { class: `number ${kind}` }, value));
  /** @param {string} key @param {Unit} unit @param {number} value */
  const lead = (key, unit, value) =>
    sum.append(
      make("dt", {}, key, unitButton(app, unit)),
      make("dd", { class: "number" }, short(value)),
    );

  /** @param {Parts} parts */
  function paintSum(parts) {
    const { how, bias, steps, value, engine: wanted, difference } = parts;
    if (how === "sum") {
      line(`Σ ${say("traceRead")} × ${say("traceWeight")}`, short(parts.sum - (bias ?? 0)));
      line(`+ ${say("traceBias")}`, short(bias ?? 0));
    }
    if (how === "average" && parts.count) {
      line(`Σ / ${parts.count}`, `${short(parts.sum * parts.count)} / ${parts.count}`);
    }
    if (how === "max" && parts.patch && parts.winner !== undefined) {
      lead(`${say("traceWinner")}: `, tapUnit(parts.patch, parts.winner), parts.sum);
    }
    if (how === "norm" && parts.norm) {
      const { mean, root, gamma, beta, count } = parts.norm;
      const { unit, x } = /** @type {import("./cell.js").Term[]} */ (parts.terms)[0];
      lead("x: ", unit, x);
      line(say("traceMean", { count }), short(mean));
      line("σ = √(E(x - μ)² + ε)", short(root));
      line("(x - μ) / σ", short((x - mean) / root));
      line(`× ${short(gamma)} + ${short(beta)}`, short(parts.sum));
    }
    if (how === "join" || how === "copy") {
      const sign = SIGNS[layerNamed(about, parts.unit.layer).kind] ?? "";
      parts.terms?.forEach(({ unit, x }, at) => lead(at ? `${sign} ` : "", unit, x));
    }
    if (how === "image") {
      const { levels } = store.get();
      const [, height, width] = about.input.shape;
      const { channel: plane, y, x } = parts.unit;
      const level = levels[(plane * height + y) * width + x] * 255;
      line(say("traceLevel"), short(level));
      const all = about.input.normalisation;
      const of = (/** @type {number[]} */ numbers) =>
        short(numbers[Math.min(plane, numbers.length - 1)]);
      if (all)
        line(
          say("traceNormal"),
          `(${short(level * all.scale)} - ${of(all.mean)}) / ${of(all.std)}`,
        );
    } else if (how === "unknown") {
      const { kind, why } = layerNamed(about, parts.unit.layer);
      line(say(`why${why?.word ?? "Operator"}`, { op: why?.op ?? kind }), "");
    } else if (steps.length && how !== "copy" && how !== "max" && how !== "norm")
      line("= z", short(parts.sum));
    for (const { op, numbers, after } of steps) {
      const [a, b] = numbers.map(short);
      line(
        op === "scale" ? `× ${a} + ${b}` : op === "switch" ? `× ${a} (${say("traceSwitch")})` : op,
        short(after),
      );
    }
    line(say("traceValue"), short(value), "value");
    if (how === "unknown" || how === "image") return;
    const fits = difference <= 1e-4 * Math.max(1, Math.abs(wanted));
    line(
      say("traceEngine"),
      `${wanted.toPrecision(7)} · Δ ${difference.toExponential(0)} ${fits ? "✓" : "✗"}`,
      fits ? "good" : "bad",
    );
  }

  /** The largest contributions with where they come from. @param {Parts} parts */
  function paintShares(parts) {
    const { plus, minus, rest } = largestShares(parts, MOST.shares);
    const most = Math.max(...[...plus, ...minus].map((share) => Math.abs(share.product)), 1e-30);
    if (!plus.length && !minus.length) return;
    const list = make("ol", { class: "shares" });
    for (const share of [...plus, ...minus]) {
      const bar = make("span", {
        class: `part ${share.product < 0 ? "minus" : "plus"}`,
        style: `--part:${Math.abs(share.product) / most}`,
      });
      const from = behind(about, share.unit);
      const through = from === share.unit ? "" : ` (${share.unit.layer} ${share.unit.channel})`;
      list.append(
        make(
          "li",
          {},
          unitButton(app, from, unitWords(app, from) + through),
          bar,
          make(
            "span",
            { class: "number" },
            `${short(share.x)} × ${short(share.weight)} = ${short(share.product)}`,
          ),
        ),
      );
    }
    more.append(make("h3", {}, say("traceShares")), list);
    const others = (parts.products?.length ?? 0) - plus.length - minus.length;
    if (others)
      more.append(
        make("p", { class: "muted small" }, say("traceRest", { count: others, sum: short(rest) })),
      );
  }

  /** e^s of every class, their sum, and the shares.
   * @param {ArrayLike<number>} scores @param {number} own @param {string[]} labels */
  function paintPowers(scores, own, labels) {
    const powers = powersOf(scores);
    const total = powers.reduce((a, b) => a + b, 0);
    const order = Array.from(powers.keys()).sort((a, b) => powers[b] - powers[a]);
    const shown = order.slice(0, MOST.classes);
    if (!shown.includes(own)) shown.push(own);
    const most = scores[order[0]];
    const table = make(
      "table",
      { class: "powers number" },
      make("caption", {}, `softmax: e^(s - ${short(most)}) / ${short(total)}`),
    );
    table.append(
      make(
        "tr",
        {},
        ...["", "s", "e^(s - max)", "p"].map((text) => make("th", { scope: "col" }, text)),
      ),
    );
    for (const at of shown) {
      const cells = [short(scores[at]), short(powers[at]), percent(powers[at] / total)];
      table.append(
        make(
          "tr",
          { class: at === own ? "own" : "" },
          make("th", { scope: "row" }, labels[at] ?? String(at)),
          ...cells.map((text) => make("td", {}, text)),
        ),
      );
    }
    more.append(table);
  }

  /** A bar for the sum of products of each channel; the one that is shown has another ground.
   * @param {Parts} parts @param {number} room */
  function paintBars(parts, room) {
    const sums = channelSums(parts);
    const most = largest(sums);
    const [width, height] = [room, 44];
    const context = sharpContext(bars, width, height);
    const each = width / sums.length;
    sums.forEach((value, at) => {
      const high = most > 0 ? (Math.abs(value) / most) * (height / 2 - 1) : 0;
      context.fillStyle =
        at === channel
          ? getComputedStyle(element).getPropertyValue("--accent-soft")
          : "transparent";
      context.fillRect(at * each, 0, each, height);
      context.fillStyle = signedColour(Math.sign(value) * 0.7, 1);
      context.fillRect(
        at * each + each * 0.1,
        value > 0 ? height / 2 - high : height / 2,
        Math.max(1, each * 0.8),
        high,
      );
    });
  }

  function paint() {
    const { unit, maps, levels, pins, switches } = store.get();
    const inside =
      element.contains(document.activeElement) &&
      !stepper.contains(document.activeElement) &&
      document.activeElement !== pin;
    for (const part of [head, stepper, tables, sum, more]) part.hidden = !unit || !maps;
    hint.hidden = Boolean(unit && maps);
    for (const part of [tables, sum, more]) part.replaceChildren();
    if (!unit || !maps) return;
    const parts = explainCell(about, maps, engine.weights, unit, switches);
    const { patch, weights, products, how } = parts;
    const layer = layerNamed(about, unit.layer);
    name.textContent = unitWords(app, unit);
    const box = paintSeen(seen, app, unit, levels);
    seen.hidden = !box;
    if (box) {
      const [, rows, columns] = box.map(([from, to]) => `${from}–${to - 1}`);
      place.textContent =
        say("traceSees", { rows, columns }) + (layer.origin ? ` · ${layer.origin}` : "");
      seen.setAttribute("aria-label", place.textContent);
    }
    pin.setAttribute(
      "aria-pressed",
      String(pins.some((each) => JSON.stringify(each) === JSON.stringify(unit))),
    );
    const spatial = patch && patch.size[1] * patch.size[2] > 1;
    stepper.hidden = !spatial || !patch || patch.size[0] === 1;
    bars.hidden = !products;
    if (patch && spatial) {
      channel = Math.min(channel, patch.size[0] - 1);
      step.input.max = String(patch.size[0] - 1);
      step.set(channel);
      const from = say("traceFrom", { layer: patch.from, channel: patch.first + channel });
      if (!stepper.hidden && products) paintBars(parts, (room ||= element.clientWidth || 300));
      tables.append(cellTable(app, from, patch, patch.x, channel, parts.winner));
      if (weights && products) {
        tables.append(
          "×",
          cellTable(app, say("traceWeight"), patch, weights, channel),
          "=",
          cellTable(app, say("traceProduct"), patch, products, channel),
        );
      }
    }
    paintSum(parts);
    if (how === "sum") paintShares(parts);
    if (how === "softmax")
      paintPowers(
        (parts.terms ?? []).map((term) => term.x),
        unit.channel,
        about.classes,
      );
    else if (layer.name === about.scores && about.readable === "softmax")
      paintPowers(maps[layer.name], unit.channel, about.classes);
    if (inside) name.focus({ preventScroll: told === unit });
    told = unit;
  }
  store.on(["unit", "maps", "pins", "lang", "theme"], paint);
  paint();
  mountPins(element, app);
}
