// Pinned units side by side: what each gives for the input now and for inputs that were kept.
// @ts-check

import { isPale, largest, paintImage, signedColour } from "./colours.js";
import { make } from "./dom.js";
import { paintSeen, short, togglePin, unitButton, unitWords, valueOf } from "./units.js";

/** @typedef {import("./page.d.ts").App} App */
/** @typedef {import("./page.d.ts").Unit} Unit */
/** An input that was kept, with the values of units that were asked for.
 * @typedef {{ levels: Float32Array, image: Float32Array, values: Map<string, number> }} Kept */

const MOST_KEPT = 6;

/** @param {HTMLElement} element @param {App} app */
export function mountPins(element, app) {
  const { about, engine, say, store } = app;
  /** @type {Kept[]} */
  let kept = [];
  const table = make("table", { class: "pins" });
  const keep = make("button", {
    say: "pinsKeep",
    click: () => {
      const { levels, image } = store.get();
      kept = [...kept, { levels, image, values: new Map() }].slice(-MOST_KEPT);
      paint();
    },
  });
  const clear = make("button", {
    say: "pinsClear",
    click: () => {
      kept = [];
      store.set({ pins: [] });
      paint();
    },
  });
  const panel = make(
    "div",
    { class: "stack pins-panel" },
    make("h3", { say: "pinsTitle" }),
    make("div", { class: "row" }, keep, clear),
    make("div", { class: "scroll" }, table),
  );
  element.append(panel);

  /** The value of a unit for an input that was kept; runs the network where it is not known yet.
   * @param {Kept} input @param {Unit[]} pins */
  function fill(input, pins) {
    const missing = pins.filter((pin) => !input.values.has(JSON.stringify(pin)));
    if (!missing.length) return;
    const maps = engine.run(input.image, store.get().switches);
    for (const pin of missing) {
      input.values.set(JSON.stringify(pin), valueOf(app, maps, pin));
    }
  }

  /** @param {Float32Array} levels @param {Unit} [unit] its part of the image */
  function thumb(levels, unit) {
    const canvas = make("canvas", { class: "pixels thumb", "aria-hidden": "true" });
    if (unit) paintSeen(canvas, app, unit, levels);
    else paintImage(canvas, levels, about.input.shape);
    return canvas;
  }

  function paint() {
    const { pins, maps, levels } = store.get();
    const inside = table.contains(document.activeElement);
    panel.hidden = !pins.length || !maps;
    table.replaceChildren();
    if (!maps || !pins.length) return;
    for (const input of kept) fill(input, pins);
    keep.disabled = kept.length >= MOST_KEPT;
    const columns = [
      { levels, name: say("pinsNow") },
      ...kept.map((input, at) => ({ levels: input.levels, name: String(at + 1) })),
    ];
    table.append(
      make(
        "tr",
        {},
        make("td"),
        ...columns.map((column) => make("th", { scope: "col" }, thumb(column.levels), column.name)),
      ),
    );
    pins.forEach((pin, at) => {
      const values = [
        valueOf(app, maps, pin),
        ...kept.map((input) => input.values.get(JSON.stringify(pin)) ?? NaN),
      ];
      const most = largest(values);
      const cells = values.map((value, column) =>
        make(
          "td",
          {},
          thumb(columns[column].levels, pin),
          make(
            "span",
            {
              class: "number",
              style: `background:${signedColour(value, most)};color:${isPale(value, most) ? "#000" : "#fff"}`,
            },
            short(value),
          ),
        ),
      );
      const off = make(
        "button",
        {
          class: "link",
          title: say("unpin"),
          "aria-label": `${say("unpin")}: ${unitWords(app, pin)}`,
          click: () => togglePin(app, pin),
        },
        "×",
      );
      table.append(
        make(
          "tr",
          {},
          make("th", { scope: "row" }, make("span", {}, `${at + 1}`, off, unitButton(app, pin))),
          ...cells,
        ),
      );
    });
    if (inside) keep.focus({ preventScroll: true });
  }
  store.on(["switches"], () => kept.forEach((input) => input.values.clear()));
  store.on(["pins", "maps", "lang"], paint);
  paint();
}
