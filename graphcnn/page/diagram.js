// The graph pane: graphcnn's diagram, to be panned and zoomed; a card chooses its layer.
// @ts-check

import { make } from "./dom.js";

/** @typedef {import("./page.d.ts").App} App */

const ZOOM = 1.25;

/** @param {HTMLElement} element @param {App} app */
export function mountDiagram(element, app) {
  const svg = element.querySelector("svg");
  if (!svg) return;
  const { store } = app;
  const now = svg.viewBox.baseVal; // changes with the view
  const size = { x: now.x, y: now.y, width: now.width, height: now.height };
  const view = { x: 0, y: 0, scale: 1 };
  const frame = make("div", {
    class: "diagram",
    tabindex: 0,
    role: "group",
    sayLabel: "graphTitle",
  });
  const button = (
    /** @type {string} */ text,
    /** @type {string} */ key,
    /** @type {() => void} */ click,
  ) => make("button", { sayLabel: key, sayTitle: key, click }, text);
  const tools = make(
    "div",
    { class: "row" },
    button("+", "zoomIn", () => zoom(ZOOM)),
    button("−", "zoomOut", () => zoom(1 / ZOOM)),
    make("button", { say: "zoomFit", click: () => fit(true) }),
    make("span", { class: "muted small", say: "graphHint" }),
  );
  element.append(tools, frame);
  frame.append(svg);
  svg.removeAttribute("width");
  svg.removeAttribute("height");

  function place() {
    const [wide, high] = [frame.clientWidth, frame.clientHeight].map(
      (length) => length / view.scale,
    );
    view.x =
      wide >= size.width
        ? (size.width - wide) / 2
        : Math.min(Math.max(view.x, 0), size.width - wide);
    view.y =
      high >= size.height
        ? (size.height - high) / 2
        : Math.min(Math.max(view.y, 0), size.height - high);
    svg?.setAttribute("viewBox", [size.x + view.x, size.y + view.y, wide, high].join(" "));
  }

  /** Everything, or as wide as the pane. @param {boolean} all */
  function fit(all) {
    const across = frame.clientWidth / size.width;
    view.scale = Math.min(across, all ? frame.clientHeight / size.height : 1);
    [view.x, view.y] = [0, 0];
    place();
  }

  /** @param {number} factor @param {number} [atX] of the frame, from 0 to 1 @param {number} [atY] */
  function zoom(factor, atX = 0.5, atY = 0.5) {
    const scale = Math.min(Math.max(view.scale * factor, 0.05), 4);
    view.x += frame.clientWidth * atX * (1 / view.scale - 1 / scale);
    view.y += frame.clientHeight * atY * (1 / view.scale - 1 / scale);
    view.scale = scale;
    place();
  }

  frame.addEventListener(
    "wheel",
    (event) => {
      if (!event.ctrlKey && !event.metaKey) return;
      event.preventDefault();
      const box = frame.getBoundingClientRect();
      zoom(
        Math.exp(-event.deltaY / 200),
        (event.clientX - box.left) / box.width,
        (event.clientY - box.top) / box.height,
      );
    },
    { passive: false },
  );

  /** @type {Map<number, { x: number, y: number }>} */
  const fingers = new Map();
  let moved = 0;
  const spread = () => {
    const [a, b] = [...fingers.values()];
    return Math.hypot(a.x - b.x, a.y - b.y);
  };
  frame.addEventListener("pointerdown", (event) => {
    if (!fingers.size) moved = 0;
    fingers.set(event.pointerId, { x: event.clientX, y: event.clientY });
  });
  frame.addEventListener("pointermove", (event) => {
    const old = fingers.get(event.pointerId);
    if (!old) return;
    if (!event.buttons) return void fingers.delete(event.pointerId); // it was let go elsewhere
    const apart = fingers.size === 2 ? spread() : 0;
    fingers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    moved += Math.hypot(event.clientX - old.x, event.clientY - old.y);
    if (moved > 6 && !frame.hasPointerCapture(event.pointerId))
      frame.setPointerCapture(event.pointerId);
    view.x -= (event.clientX - old.x) / view.scale / fingers.size;
    view.y -= (event.clientY - old.y) / view.scale / fingers.size;
    if (apart) zoom(spread() / apart);
    else place();
  });
  for (const end of ["pointerup", "pointercancel"]) {
    frame.addEventListener(end, (event) =>
      fingers.delete(/** @type {PointerEvent} */ (event).pointerId),
    );
  }

  const cards = /** @type {SVGElement[]} */ ([...svg.querySelectorAll("[data-layer]")]);
  for (const card of cards) {
    card.setAttribute("tabindex", "0");
    card.setAttribute("role", "button");
    // A button is called what stands on it, so that whoever says the words finds it (WCAG 2.5.3).
    const texts = [...card.querySelectorAll("text")];
    for (const text of texts) text.after(" "); // or the lines would be read as one word
    const written = texts.map((text) => text.textContent?.trim());
    card.setAttribute("aria-description", card.getAttribute("aria-label") ?? "");
    card.setAttribute("aria-label", written.join(" "));
    const choose = () => store.set({ layer: card.dataset.layer, unit: null });
    card.addEventListener("click", () => moved < 6 && choose());
    card.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      choose();
    });
  }
  frame.addEventListener("keydown", (event) => {
    const far = 40 / view.scale;
    const step = {
      ArrowLeft: [-far, 0],
      ArrowRight: [far, 0],
      ArrowUp: [0, -far],
      ArrowDown: [0, far],
    }[event.key];
    if (step) [view.x, view.y] = [view.x + step[0], view.y + step[1]];
    else if (event.key === "+" || event.key === "=") zoom(ZOOM);
    else if (event.key === "-") zoom(1 / ZOOM);
    else if (event.key === "0") fit(true);
    else return;
    event.preventDefault();
    place();
  });

  const mark = () => {
    for (const card of cards) {
      const current = card.dataset.layer === store.get().layer;
      card.classList.toggle("current", current);
      card.setAttribute("aria-pressed", String(current));
    }
  };
  store.on(["layer"], mark);
  let width = 0;
  let printing = false;
  new ResizeObserver(() => {
    if (printing || !frame.clientWidth || frame.clientWidth === width) return;
    width = frame.clientWidth;
    fit(false);
  }).observe(frame);
  // On paper all of it, as large as fits; then what was looked at again.
  frame.style.setProperty("--wide", `${size.width}px`);
  const whole = [size.x, size.y, size.width, size.height].join(" ");
  globalThis.addEventListener("beforeprint", () => {
    printing = true;
    svg.setAttribute("viewBox", whole);
  });
  globalThis.addEventListener("afterprint", () => {
    printing = false;
    place();
  });
  mark();
}
