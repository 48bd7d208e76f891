// The state in the address after #, so that a copied address shows the same to somebody else.
// @ts-check

import { MOST_PINS } from "./places.js";

/** @typedef {import("./page.d.ts").About} About */
/** @typedef {import("./page.d.ts").App} App */
/** @typedef {import("./page.d.ts").State} State */
/** @typedef {import("./page.d.ts").Unit} Unit */

/** Values of an image that still goes into an address. */
const MOST_VALUES = 4096;
/** The largest factor of a channel: what the page offers is 0 and 1, and maps stay finite. */
const MOST_FACTOR = 100;
/** Parts of the state that the address holds, besides the image. @type {(keyof State)[]} */
const KEYS = [
  "layer",
  "unit",
  "pins",
  "frozen",
  "rule",
  "gamma",
  "switches",
  "overlay",
  "lang",
  "theme",
  "pane",
];
const PLAIN = /** @type {const} */ (["layer", "rule", "overlay", "lang", "theme", "pane"]);

/** Bytes as text for an address; runs of zeros, which drawings have, are a zero and their length. */
/** @param {Uint8Array} bytes */
export function packed(bytes) {
  const out = [];
  for (let i = 0; i < bytes.length; i++) {
    out.push(bytes[i]);
    if (bytes[i] !== 0) continue;
    let run = 1;
    while (run < 255 && bytes[i + run] === 0) run++;
    out.push(run);
    i += run - 1;
  }
  return btoa(String.fromCharCode(...out))
    .replace(/\+/g, "-")
    .replace(/\//g, "_")
    .replace(/=+$/, "");
}

/** What `packed` packed; null where it is not `count` bytes. @param {string} text @param {number} count */
export function unpacked(text, count) {
  let letters;
  try {
    letters = atob(text.replace(/-/g, "+").replace(/_/g, "/"));
  } catch {
    return null; // no base64
  }
  const codes = Array.from(letters, (c) => c.charCodeAt(0));
  const bytes = [];
  for (let i = 0; i < codes.length && bytes.length <= count; i++) {
    if (codes[i] !== 0) bytes.push(codes[i]);
    else for (let run = codes[++i]; run > 0; run--) bytes.push(0);
  }
  return bytes.length === count ? Uint8Array.from(bytes) : null;
}

/** @param {Unit} unit */
const unitText = ({ layer, channel, y, x }) => [escaped(layer), channel, y, x].join(":");

/** A name in which no "~" is, which stands between units. @param {string} name */
const escaped = (name) => name.replace(/[%~]/g, (sign) => (sign === "%" ? "%25" : "%7E"));

/** @param {string} text */
const unescaped = (text) => text.replace(/%25|%7E/g, (code) => (code === "%25" ? "%" : "~"));

/**
 * @param {string} text
 * @param {About} about
 * @returns {Unit | null} null where the network has no such unit
 */
function unitOf(text, about) {
  const parts = text.split(":");
  const [channel, y, x] = parts.splice(-3).map(Number);
  const name = unescaped(parts.join(":"));
  const layer = about.layers.find((one) => one.name === name);
  if (!layer) return null;
  const [channels, height = 1, width = 1] = layer.shape;
  const inside = (/** @type {number} */ v, /** @type {number} */ n) =>
    Number.isInteger(v) && v >= 0 && v < n;
  if (!inside(channel, channels) || !inside(y, height) || !inside(x, width)) return null;
  return { layer: layer.name, channel, y, x };
}

/**
 * A state as text: what differs from `first`, the state that the page opens with.
 * @param {State} state
 * @param {State} first
 */
export function addressOf(state, first) {
  const parts = new URLSearchParams();
  for (const key of PLAIN) if (state[key] !== first[key]) parts.set(key, state[key]);
  if (state.unit) parts.set("unit", unitText(state.unit));
  if (state.pins.length) parts.set("pins", state.pins.map(unitText).join("~"));
  if (state.frozen) parts.set("frozen", "1");
  if (state.gamma !== 1) parts.set("gamma", String(state.gamma));
  const factors = Object.entries(state.switches).flatMap(([layer, all]) =>
    Array.from(all, (factor, channel) => ({ factor, channel }))
      .filter(({ factor }) => factor !== 1)
      .map(({ factor, channel }) => `${escaped(layer)}:${channel}:${factor}`),
  );
  if (factors.length) parts.set("switches", factors.join("~"));
  if (state.levels !== first.levels && state.levels.length <= MOST_VALUES) {
    parts.set("image", packed(Uint8Array.from(state.levels, (level) => Math.round(level * 255))));
  }
  return parts.toString();
}

/**
 * The part of a state that an address holds; what does not belong to this network is left out.
 * @param {string} text
 * @param {About} about
 * @returns {Partial<State>}
 */
export function stateOf(text, about) {
  const parts = new URLSearchParams(text);
  /** @type {any} */
  const state = {};
  const allowed = {
    layer: about.layers.map((layer) => layer.name),
    rule: about.rules,
    overlay: ["none", "occlusion", "cam", "gradient"],
    lang: ["en", "zh"],
    theme: ["auto", "light", "dark"],
    pane: ["graph", "lab", "story", "learn"],
  };
  for (const key of PLAIN) {
    const value = parts.get(key);
    if (value !== null && allowed[key].includes(value)) state[key] = value;
  }
  const units = (/** @type {string} */ key) =>
    (parts.get(key) ?? "").split("~").flatMap((part) => unitOf(part, about) ?? []);
  if (parts.has("unit")) [state.unit = null] = units("unit");
  if (parts.has("pins")) {
    const each = new Map(units("pins").map((unit) => [unitText(unit), unit]));
    state.pins = [...each.values()].slice(-MOST_PINS); // a unit has one pin
  }
  if (parts.has("frozen")) state.frozen = true;
  const gamma = Number(parts.get("gamma"));
  if (gamma > 0 && gamma <= 1) state.gamma = gamma;
  for (const part of parts.get("switches")?.split("~") ?? []) {
    const pieces = part.split(":");
    const factor = Number(pieces.pop());
    const unit = unitOf(`${pieces.join(":")}:0:0`, about);
    if (!unit || !(Math.abs(factor) <= MOST_FACTOR)) continue;
    const { shape } = /** @type {About["layers"][0]} */ (
      about.layers.find((l) => l.name === unit.layer)
    );
    state.switches ??= {};
    state.switches[unit.layer] ??= new Float32Array(shape[0]).fill(1);
    state.switches[unit.layer][unit.channel] = factor;
  }
  const count = about.input.shape.reduce((a, b) => a * b, 1);
  const bytes = parts.has("image") ? unpacked(parts.get("image") ?? "", count) : null;
  if (bytes) state.levels = Float32Array.from(bytes, (byte) => byte / 255);
  return state;
}

/**
 * The state that an address stands for: what it does not hold is as in `first`. The picture stays
 * where it is too large for an address.
 * @param {string} text @param {About} about @param {State} first
 * @returns {Partial<State>}
 */
export function wholeStateOf(text, about, first) {
  const rest = Object.fromEntries(KEYS.map((key) => [key, first[key]]));
  if (first.levels.length <= MOST_VALUES) rest.levels = first.levels;
  return { ...rest, ...stateOf(text, about) };
}

/** Milliseconds between two writings of the address: browsers refuse more than 100 in 30 s. */
const WRITING = 350;

/**
 * Takes the state from the address, now and when it is changed by hand, and keeps it there.
 * @param {App} app
 */
export function startAddress(app) {
  const { store, about } = app;
  const first = store.get();
  let own = "";
  function read() {
    const text = location.hash.slice(1);
    if (text === own) return;
    own = text;
    store.set(wholeStateOf(text, about, first));
  }
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let waiting;
  store.on([...KEYS, "levels"], () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => {
      own = addressOf(store.get(), first);
      if (location.hash.slice(1) === own) return;
      try {
        history.replaceState(null, "", `#${own}`);
      } catch {
        // Inside another page that has no address of its own: there is none to keep.
      }
    }, WRITING);
  });
  globalThis.addEventListener("hashchange", read);
  // A link inside the page leads there, and leaves the address to the state.
  document.addEventListener("click", (event) => {
    const link = /** @type {HTMLElement} */ (event.target).closest('a[href^="#"]');
    const to = link && document.getElementById(link.getAttribute("href")?.slice(1) ?? "");
    if (!to) return;
    event.preventDefault();
    to.scrollIntoView({ block: "start" });
    to.focus({ preventScroll: true });
  });
  read();
}
