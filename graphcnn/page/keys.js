// Keys as deepvis has them: they move the unit and the layer; a sheet of them, and a search of layers.
// @ts-check

import { make, translate } from "./dom.js";
import { sizesOf } from "./places.js";
import { togglePin } from "./units.js";

/** @typedef {import("./page.d.ts").App} App */
/** @typedef {import("./page.d.ts").Layer} Layer */
/** @typedef {import("./page.d.ts").State} State */
/** @typedef {import("./page.d.ts").Unit} Unit */

/** The sheet: keys, and the words that say what they do. @type {[string, string][]} */
const SHEET = [
  ["← → ↑ ↓", "keyArrows"],
  ["⇧ ← →", "keyShift"],
  ["[ ]", "keyLayers"],
  ["⏎ p", "keyPin"],
  ["f", "keyFreeze"],
  ["b", "keyRule"],
  ["g", "keyGamma"],
  ["o", "keyOverlay"],
  ["x", "keySwitch"],
  ["/", "keyFind"],
  ["?", "keySheet"],
  ["Esc", "keyEscape"],
];
const GAMMAS = [1, 0.6, 0.35];
const OVERLAYS = /** @type {const} */ (["none", "occlusion", "cam", "gradient"]);
/** @type {{ [key: string]: [number, number] }} */
const ARROWS = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };

/**
 * The unit that an arrow leads to: the next cell of the map, or with `far` (or in a vector) the next
 * channel; the first press chooses the middle of the layer.
 * @param {Layer} layer
 * @param {Unit | null} unit
 * @param {[number, number]} step rows, columns
 * @param {boolean} far
 * @returns {Unit}
 */
export function moved(layer, unit, [rows, columns], far) {
  const [channels, height, width] = sizesOf(layer);
  const clip = (/** @type {number} */ v, /** @type {number} */ n) =>
    Math.min(Math.max(v, 0), n - 1);
  if (!unit || unit.layer !== layer.name) {
    const channel = clip(unit?.channel ?? 0, channels);
    return { layer: layer.name, channel, y: height >> 1, x: width >> 1 };
  }
  if (far || height * width === 1) {
    return { ...unit, channel: (unit.channel + rows + columns + channels) % channels };
  }
  return { ...unit, y: clip(unit.y + rows, height), x: clip(unit.x + columns, width) };
}

/**
 * The layers that a search finds, and the channel after a colon: "conv2:7".
 * @param {Layer[]} layers
 * @param {string} text
 */
export function found(layers, text) {
  const [, name, channel] = /** @type {RegExpMatchArray} */ (
    text.trim().match(/^(.*?)(?::(\d+))?$/)
  );
  const fits = layers.filter((layer) => layer.name.toLowerCase().includes(name.toLowerCase()));
  return { fits, channel: channel === undefined ? null : Number(channel) };
}

/** @param {Document} document @param {App} app */
export function startKeys(document, app) {
  const { store, about, say } = app;
  const layerOf = (/** @type {string} */ name) =>
    about.layers.find((layer) => layer.name === name) ?? about.layers[0];

  /** @param {Unit} unit */
  function chosen(unit) {
    store.set({ unit, layer: unit.layer });
    const [, height, width] = sizesOf(layerOf(unit.layer));
    const at = (unit.channel * height + unit.y) * width + unit.x;
    const value = store.get().maps?.[unit.layer]?.[at];
    app.announce(
      say("atUnit", { ...unit, value: value === undefined ? "" : value.toPrecision(4) }),
    );
  }

  /** @param {number} step */
  function nextLayer(step) {
    const names = about.layers.map((layer) => layer.name);
    const { layer } = store.get();
    const next = names[Math.min(Math.max(names.indexOf(layer) + step, 0), names.length - 1)];
    const { unit } = store.get();
    store.set({ layer: next });
    if (unit) chosen(moved(layerOf(next), unit, [0, 0], false));
    else app.announce(say("atLayer", { layer: next }));
  }

  /** @param {string} key @returns {boolean} whether the key means something */
  function pressed(key, far = false) {
    const state = store.get();
    const after = (/** @type {readonly any[]} */ all, /** @type {any} */ one) =>
      all[(all.indexOf(one) + 1) % all.length];
    if (key in ARROWS) chosen(moved(layerOf(state.layer), state.unit, ARROWS[key], far));
    else if (key === "[") nextLayer(-1);
    else if (key === "]") nextLayer(1);
    else if (key === "f") {
      store.set({ frozen: !state.frozen });
      app.announce(say(state.frozen ? "frozenOff" : "frozenOn"));
    } else if (key === "b" && about.rules.length) {
      const rule = after(about.rules, state.rule);
      store.set({ rule });
      app.announce(say("ruleIs", { rule }));
    } else if (key === "g") store.set({ gamma: after(GAMMAS, state.gamma) });
    else if (key === "o") store.set({ overlay: after(OVERLAYS, state.overlay) });
    else if (key === "/") search.open();
    else if (key === "?") sheet.showModal();
    else if ((key === "p" || key === "Enter") && state.unit) togglePin(app, state.unit);
    else if (key === "Escape") store.set({ frozen: false, pins: [] });
    else return false;
    return true;
  }

  const sheet = makeSheet();
  const search = makeSearch(about, (layer, channel) => {
    store.set({ layer: layer.name });
    if (channel === null) return;
    const near = moved(layer, null, [0, 0], false);
    chosen({ ...near, channel: Math.min(channel, sizesOf(layer)[0] - 1) });
  });
  document.body.append(sheet, search.dialog);
  translate(sheet, say);
  translate(search.dialog, say);
  document.getElementById("help-key")?.addEventListener("click", () => sheet.showModal());
  document.getElementById("search-key")?.addEventListener("click", () => search.open());
  document.addEventListener("keydown", (event) => {
    const target = /** @type {HTMLElement} */ (event.target);
    const typing = target.closest("input, select, textarea, dialog, [role=tablist]");
    const button = event.key === "Enter" && target.closest("button, a, summary, [role=button]");
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    if (typing || button) return;
    if (pressed(event.key, event.shiftKey)) event.preventDefault();
  });
}

function makeSheet() {
  const rows = SHEET.map(([keys, words]) => [
    make("dt", {}, ...keys.split(" ").map((key) => make("kbd", {}, key))),
    make("dd", { say: words }),
  ]);
  const sheet = make(
    "dialog",
    { id: "key-sheet", "aria-labelledby": "keys-title" },
    make("h2", { id: "keys-title", say: "keysTitle" }),
    make("dl", { class: "keys" }, ...rows.flat()),
    make("button", { say: "close", autofocus: true, click: () => sheet.close() }),
  );
  return sheet;
}

/**
 * A search field over the list of layers; Enter takes the first.
 * @param {{ layers: Layer[] }} about
 * @param {(layer: Layer, channel: number | null) => void} taken
 */
function makeSearch(about, taken) {
  const field = make("input", { type: "search", sayLabel: "searchLabel", autocomplete: "off" });
  const list = make("ul", { class: "found" });
  const none = make("p", { class: "muted", say: "searchNone" });
  const dialog = make(
    "dialog",
    { id: "search", sayLabel: "keySearch" },
    make("label", { class: "stack" }, make("span", { say: "searchLabel" }), field),
    list,
    none,
  );
  /** @param {Layer} layer */
  function take(layer) {
    dialog.close();
    taken(layer, found(about.layers, field.value).channel);
  }
  function show() {
    const { fits } = found(about.layers, field.value);
    none.hidden = fits.length > 0;
    list.replaceChildren(
      ...fits
        .slice(0, 50)
        .map((layer) =>
          make(
            "li",
            {},
            make(
              "button",
              { click: () => take(layer) },
              make("span", {}, layer.name),
              make("span", { class: "muted number" }, `${layer.kind} ${layer.shape.join("×")}`),
            ),
          ),
        ),
    );
  }
  field.addEventListener("input", show);
  field.addEventListener("keydown", (event) => {
    const { fits } = found(about.layers, field.value);
    if (event.key === "Enter" && fits.length) take(fits[0]);
  });
  return {
    dialog,
    open() {
      field.value = "";
      show();
      dialog.showModal();
      field.focus();
    },
  };
}
