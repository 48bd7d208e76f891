// Every feature map of every layer, and on them the field of the unit under the mouse: what it sees
// before it and what sees it after.
// @ts-check

import { make, slider } from "./dom.js";
import { fieldAfter, fieldBefore } from "./field.js";
import { layerView } from "./layer.js";
import { short, unitWords, valueOf } from "./units.js";

/** @typedef {import("./page.d.ts").App} App */

/** A sheet of paper is about so wide, in CSS pixels, without its margins. */
const PAPER = 660;

/** @param {HTMLElement} element @param {App} app */
export function mountMaps(element, app) {
  const { about, say, store } = app;
  /** @type {import("./layer.js").Shared} */
  const shared = { each: false, tile: 64, room: 300, before: new Map(), after: new Map() };
  const scale = make("button", {
    say: "mapsEach",
    sayTitle: "mapsEachTitle",
    "aria-pressed": "false",
  });
  scale.addEventListener("click", () => {
    shared.each = !shared.each;
    scale.setAttribute("aria-pressed", String(shared.each));
    for (const view of views) view.spoil();
  });
  const range = { min: 32, max: 160, step: 16, value: shared.tile };
  const size = slider(say, "mapsSize", range, (value) => {
    shared.tile = value;
    for (const view of views) view.layOut();
  });
  const legend = ["ramp", "before", "after"].flatMap((part) => [
    make("span", { class: `key-${part}` }),
    make("span", { say: `maps-${part}` }),
  ]);
  // Where the parts of a number stand below, what is chosen is told here, and leads there.
  const jump = make("button", { class: "jump", hidden: true });
  jump.addEventListener("click", () => {
    const trace = document.getElementById("trace");
    trace?.scrollIntoView({ block: "start" });
    /** @type {HTMLElement | null} */ (trace?.querySelector("[tabindex]"))?.focus({
      preventScroll: true,
    });
  });
  const views = about.layers.map((layer) => layerView(layer, app, shared));
  element.append(
    make("div", { class: "row map-tools" }, scale, size.element),
    make("p", { class: "legend" }, ...legend),
    ...views.map((view) => view.element),
    jump,
  );

  // Only what is on the screen is painted.
  const watch = new IntersectionObserver(
    (entries) => {
      for (const { target, isIntersecting } of entries) {
        views.find((view) => view.element === target)?.show(isIntersecting);
      }
    },
    { rootMargin: "100px" },
  );
  for (const view of views) watch.observe(view.element);
  let width = 0;
  /** @param {number} wide of the panel */
  function layOut(wide) {
    shared.room = Math.max(120, wide - 16);
    for (const view of views) view.layOut();
  }
  globalThis.addEventListener("beforeprint", () => {
    layOut(Math.min(width, PAPER));
    for (const view of views) view.show(true);
  });
  globalThis.addEventListener("afterprint", () => layOut(width));
  function fill() {
    if (element.clientWidth === width) return;
    width = element.clientWidth;
    layOut(width);
    // The watch tells a frame later: what is seen at once is in the first one.
    const seen = (/** @type {Element} */ layer) => layer.getBoundingClientRect().top < innerHeight;
    const first = views.filter((view) => seen(view.element)); // all before any of them is changed
    for (const view of first) view.show(true);
  }
  new ResizeObserver(fill).observe(element);

  store.on(["maps", "gamma"], () => views.forEach((view) => view.spoil()));
  store.on(["unit", "pins", "theme", "lang"], ({ unit }) => {
    shared.before = unit ? fieldBefore(about, unit) : new Map();
    shared.after = unit ? fieldAfter(about, unit) : new Map();
    for (const view of views) view.mark();
  });
  store.on(["unit", "maps", "lang"], ({ unit, maps }) => {
    jump.hidden = !unit || !maps;
    if (unit && maps)
      jump.textContent = `${unitWords(app, unit)}: ${short(valueOf(app, maps, unit))} ↓`;
  });
  /** @param {boolean} follow whether the page scrolls to the layer */
  const choose = (follow) => {
    for (const view of views) view.choose(view.layer.name === store.get().layer, follow);
  };
  store.on(["layer"], () => choose(true));
  choose(false);
  fill();
}
