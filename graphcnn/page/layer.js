// One layer on the page: its head, its maps, and a grid that mouse, touch and keys choose units in.
// @ts-check

import { make, put, write } from "./dom.js";
import { paintMarks } from "./marks.js";
import { isVector, sameUnit, sizesOf } from "./places.js";
import { paintSheet, sheetOf, underPoint } from "./sheet.js";
import { short, togglePin, unitWords, valueOf } from "./units.js";

/** @typedef {import("./page.d.ts").App} App */
/** @typedef {import("./page.d.ts").Layer} Layer */
/** @typedef {import("./page.d.ts").Unit} Unit */
/** @typedef {import("./field.js").Box} Box */

/** What all layers have in common: a scale for each map, the width of maps, of all, the fields.
 * @typedef {{ each: boolean, tile: number, room: number, before: Map<string, Box>,
 *   after: Map<string, Box> }} Shared */

/** @param {Layer} layer @param {App} app @param {Shared} shared */
export function layerView(layer, app, shared) {
  const { about, say, store } = app;
  const { name } = layer;
  const [channels, height, width] = sizesOf(layer);
  const named = name === about.scores && about.classes.length === channels;
  const dense = isVector(layer) && !named && channels > 32;
  // A canvas that is not painted yet takes no room: by itself it would be 300 pixels wide.
  const empty = { width: 0, height: 0, "aria-hidden": "true" };
  const pixels = make("canvas", { class: "pixels", ...empty });
  const marks = make("canvas", { class: "marks", ...empty });
  // The grid has thousands of cells; a screen reader is told of the one that is chosen.
  const cell = make("span", { role: "gridcell", id: `cell-${about.layers.indexOf(layer)}` });
  const row = make("span", { role: "row", class: "hidden-visually" }, cell);
  const size = { "aria-rowcount": height, "aria-colcount": width };
  const grid = make(
    "div",
    { role: "grid", class: "sheet", tabindex: 0, "aria-activedescendant": cell.id, ...size },
    pixels,
    marks,
    row,
  );
  const range = make("span", { class: "muted number" });
  const pages = make("span", { class: "number" });
  const back = make("button", { sayLabel: "pageBack", click: () => turn(-1) }, "‹");
  const on = make("button", { sayLabel: "pageOn", click: () => turn(1) }, "›");
  const pager = make("span", { class: "pager" }, back, pages, on);
  const chosen = make(
    "button",
    { class: "layer-name", title: name, click: () => store.set({ layer: name }) },
    make("span", {}, name),
  );
  const kind = [layer.kind, layer.window?.kernel.join("×"), ...layer.then.map((step) => step.op)];
  const facts = `${kind.filter(Boolean).join(" ")} · ${layer.shape.join("×")}`;
  const head = make(
    "h3",
    { class: "row" },
    chosen,
    make("span", { class: "muted number" }, facts),
    range,
    pager,
  );
  const element = make("section", { class: "layer", "data-layer": name }, head, grid);

  let sheet = sheetOf(layer, shared.room, shared.tile, 0, named);
  let shown = false;
  let spoilt = true;

  /** @param {number} [channel] that is on the page then */
  function layOut(channel = sheet.channels[0]) {
    sheet = sheetOf(layer, shared.room, shared.tile, channel, named);
    const [high, wide] = sheet.pixels.map((length, axis) => `${length * sheet.scale[axis]}px`);
    [pixels.style.height, pixels.style.width] = [high, wide];
    pixels.classList.toggle("smooth", sheet.scale[0] < 1);
    pager.hidden = sheet.perPage >= channels;
    [back.disabled, on.disabled] = [sheet.channels[0] === 0, sheet.channels[1] === channels];
    spoil();
    mark();
  }

  /** @param {number} by pages */
  function turn(by) {
    layOut(Math.min(Math.max(sheet.channels[0] + by * sheet.perPage, 0), channels - 1));
  }

  function spoil() {
    spoilt = true;
    paint();
  }

  function paint() {
    const { maps, gamma } = store.get();
    const values = maps?.[name];
    if (!shown || !spoilt || !values) return;
    spoilt = false;
    write(range, `±${short(paintSheet(pixels, sheet, values, shared.each, gamma))}`);
    describe();
  }

  function describe() {
    const { unit, maps } = store.get();
    put(grid, "aria-label", say("gridLabel", { layer: name, count: channels, height, width }));
    const [first, last] = [sheet.channels[0], sheet.channels[1] - 1];
    write(pages, say("pageOf", { first, last, count: channels }));
    const here = unit?.layer === name ? unit : null;
    write(cell, here && maps ? `${unitWords(app, here)}: ${short(valueOf(app, maps, here))}` : "");
    put(row, "aria-rowindex", String((here?.y ?? 0) + 1));
    put(cell, "aria-colindex", String((here?.x ?? 0) + 1));
  }

  function mark() {
    const { unit, pins } = store.get();
    const own = unit?.layer === name;
    if (own && (unit.channel < sheet.channels[0] || unit.channel >= sheet.channels[1]))
      return layOut(unit.channel);
    if (!shown) return;
    describe();
    paintMarks(marks, sheet, {
      label: (channel) =>
        named ? about.classes[channel] : dense && channel % 10 ? "" : String(channel),
      before: shared.before.get(name),
      after: shared.after.get(name),
      own,
      pins: pins.map((pin) => (pin.layer === name ? pin : null)),
    });
  }

  /** @param {MouseEvent} event @returns {Unit | null} */
  function under(event) {
    const box = pixels.getBoundingClientRect();
    const found = underPoint(sheet, event.clientY - box.top, event.clientX - box.left);
    return found && { layer: name, ...found };
  }
  const isNow = (/** @type {Unit} */ found) => {
    const { unit } = store.get();
    return unit !== null && sameUnit(unit, found);
  };
  grid.addEventListener("pointermove", (event) => {
    if (store.get().frozen || event.pointerType === "touch") return;
    const found = under(event);
    if (found && !isNow(found)) store.set({ unit: found, layer: name });
  });
  // The first click or tap chooses where the mouse has not, the second one pins.
  grid.addEventListener("click", (event) => {
    const found = under(event);
    if (found && isNow(found)) togglePin(app, found);
    else if (found) store.set({ unit: found, layer: name });
  });
  grid.addEventListener(
    "focus",
    () => grid.matches(":focus-visible") && store.set({ layer: name }),
  );

  return {
    element,
    layer,
    layOut,
    spoil,
    mark,
    /** @param {boolean} visible */
    show(visible) {
      if (visible === shown) return;
      shown = visible;
      paint();
      mark();
    },
    /** @param {boolean} current @param {boolean} follow */
    choose(current, follow) {
      element.classList.toggle("current", current);
      chosen.setAttribute("aria-current", String(current));
      if (current && follow && !element.matches(":hover"))
        element.scrollIntoView({ block: "nearest" });
    },
  };
}
