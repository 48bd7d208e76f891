// Evidence over the image: a patch that covers it under the mouse, Grad-CAM, gradients by rule.
// @ts-check

import { largest, paintImage } from "./colours.js";
import { make, slider } from "./dom.js";
import { unitSeed } from "./engine.js";
import {
  answersInNumbers,
  chanceOf,
  covered,
  gradCam,
  layersWithMaps,
  levelScale,
  occlusion,
  overChannels,
  nameOf,
  predicted,
  silence,
} from "./evidence.js";
import { percent } from "./scores.js";
import { isOff } from "./switching.js";

/** @typedef {import("./page.d.ts").App} App */
/** @typedef {import("./page.d.ts").State} State */
/** @typedef {State["overlay"]} Overlay */

/** Milliseconds of a frame that runs of the network may take. */
const SLICE = 8;
/** A way back that takes longer waits until the image has stood still for as long. */
const PROMPT = 12;
/** For and against, red and blue on dark and on light images. */
const FOR = [255, 70, 50],
  AGAINST = [60, 140, 255];

/**
 * A map as colours of different strength, clear where it is 0.
 * @param {HTMLCanvasElement} canvas @param {ArrayLike<number>} map
 * @param {number} height @param {number} width @param {number} most
 */
export function paintClear(canvas, map, height, width, most) {
  [canvas.width, canvas.height] = [width, height];
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  const pixels = context.createImageData(width, height);
  for (let i = 0; i < height * width; i++) {
    pixels.data.set(map[i] < 0 ? AGAINST : FOR, 4 * i);
    pixels.data[4 * i + 3] = (255 * Math.abs(map[i])) / most;
  }
  context.putImageData(pixels, 0, 0);
}

/** @param {HTMLElement} element @param {App} app */
export function mountOverlay(element, app) {
  const { about, engine, store, say } = app;
  const shape = about.input.shape,
    [, height, width] = shape;
  const affine = levelScale(about.input),
    maps = layersWithMaps(about);
  const names = answersInNumbers(about) ? about.classes : [];
  const traced = names.length; // in the list of targets, behind the classes
  let target = traced ? -1 : 0,
    size = Math.max(1, Math.round((Math.min(height, width) * 5) / 28)),
    mean = false;
  let layer = maps.last?.name ?? "",
    opacity = 0.8,
    cost = 0;
  /** @type {{ top: number, left: number } | null} */
  let patch = null;
  /** @type {Float32Array | null} */
  let heat = null;
  let task = 0; // the number of the run over all places; another number stops it

  const kinds = /** @type {Overlay[]} */ (["none", "occlusion", "cam", "gradient"]);
  const keys = kinds.map((kind) =>
    make("button", { say: `overlay_${kind}`, click: () => store.set({ overlay: kind }) }),
  );
  const picture = make("canvas", { class: "pixels", tabindex: 0, role: "img" });
  const over = make("canvas", { class: "pixels over" });
  const square = make("span", { class: "patch", hidden: true });
  const text = make("p", { role: "status", class: "number" });
  const refusal = make("p", { class: "problem", hidden: true });
  const meaning = make("p", { class: "muted small" });
  const legend = make(
    "div",
    { class: "legend number small" },
    make("span", {}),
    make("i", {}),
    make("span", {}),
  );
  const classes = make("select", {
    sayLabel: "target",
    change: () => {
      target = Number(classes.value);
      stopped();
      show();
    },
  });
  const layers = make(
    "select",
    {
      sayLabel: "camLayer",
      change: () => {
        layer = layers.value;
        show();
      },
    },
    ...maps.all.map(({ name }) => make("option", { value: name }, name)),
  );
  layers.value = layer;
  const rules = make(
    "select",
    { sayLabel: "rule", change: () => store.set({ rule: rules.value }) },
    ...about.rules.map((rule) => make("option", { value: rule, say: `rule_${rule}` })),
  );
  const all = make("button", { say: "allPlaces", click: everywhere });
  const grey = make("button", {
    say: "coverMean",
    "aria-pressed": "false",
    click: () => {
      mean = !mean;
      grey.setAttribute("aria-pressed", String(mean));
      stopped();
      show();
    },
  });
  const sizes = slider(
    say,
    "patch",
    { min: 1, max: Math.ceil(Math.min(height, width) / 2), value: size },
    (value) => {
      size = value;
      stopped();
      show();
    },
  );
  const strength = slider(
    say,
    "opacity",
    { min: 0, max: 1, step: 0.05, value: opacity },
    (value) => {
      opacity = value;
      over.style.opacity = String(value);
    },
  );
  over.style.opacity = String(opacity);
  const stage = make("div", { class: "stage" }, picture, over, square);
  const forOcclusion = make(
    "div",
    { class: "stack" },
    sizes.element,
    make("div", { class: "row tight" }, grey, all),
  );
  element.append(
    make("div", { class: "row tight", role: "group", sayLabel: "overlayTitle" }, ...keys),
    make(
      "div",
      { class: "looking" },
      stage,
      make(
        "div",
        { class: "stack" },
        make("label", { class: "stack" }, make("span", { say: "target" }), classes),
        text,
        layers,
        rules,
        forOcclusion,
        legend,
        meaning,
        strength.element,
      ),
    ),
    refusal,
  );

  /** What covers: black, or the mean that the network was trained around. */
  function cover() {
    return affine.shift.map((shift, c) => (mean ? meanLevel(c) * affine.scale[c] + shift : shift));
  }
  /** @param {number} c */
  function meanLevel(c) {
    if (about.input.normalisation) return -affine.shift[c] / affine.scale[c];
    const part = store.get().levels.subarray(c * height * width, (c + 1) * height * width);
    return part.reduce((a, b) => a + b, 0) / part.length;
  }

  /** The class that is asked about: the one that is chosen, or the predicted one. @param {State} state */
  function classOf(state) {
    if (target >= 0 && target < traced) return target;
    return predicted(state.maps, about);
  }

  function stopped() {
    task++;
    heat = null;
    all.textContent = say("allPlaces");
  }

  /** Occlusion at all places, in slices, so that the page stays alive. */
  function everywhere() {
    stopped();
    const mine = task,
      state = store.get();
    const runs = occlusion(engine, state.image, classOf(state), size, cover(), state.switches);
    const slice = () => {
      const end = performance.now() + SLICE;
      for (;;) {
        if (mine !== task) return;
        const { done, value } = runs.next();
        if (done) {
          stopped();
          heat = value;
          return show();
        }
        if (performance.now() < end) continue;
        all.textContent = say("percentDone", { share: Math.round(100 * value) });
        return void requestAnimationFrame(slice);
      }
    };
    slice();
  }

  /** @param {State} state @returns {{ map: Float32Array, title: string } | string} */
  function evidence(state) {
    const channel = classOf(state);
    if (state.overlay !== "gradient" && !traced) return say("noClasses");
    if (state.overlay === "occlusion") {
      const why = heat && silence(heat),
        of = nameOf(about, { layer: about.scores, channel, y: 0, x: 0 });
      if (!heat) return "";
      return why ? say("occlusionFlat", { of }) : { map: heat, title: of };
    }
    if (target === traced && !state.unit) return say("noUnit");
    const unit =
      target === traced && state.unit ? state.unit : { layer: about.scores, channel, y: 0, x: 0 };
    const cam = state.overlay === "cam";
    if (cam && !maps.last) return say("camNone");
    if (cam && target === traced) return say("camClass");
    if (!cam && !about.rules.includes(state.rule))
      return say("ruleNone", { rule: say(`rule_${state.rule}`) });
    const began = performance.now();
    const seeds = { [unit.layer]: unitSeed(about, unit.layer, unit) };
    const rule = cam ? "plain" : state.rule;
    const slopes = engine.gradient(state.image, seeds, rule, state.switches);
    cost = performance.now() - began;
    const of = nameOf(about, unit);
    if (isOff(state.switches, unit)) return say("unitOff", { of });
    if (!cam) {
      const map = overChannels(slopes.image, height * width),
        why = silence(slopes.image) ?? silence(map);
      return why ? say(why, { of, layer: unit.layer }) : { map, title: of };
    }
    const { shape: size } = maps.all.find(({ name }) => name === layer) ?? maps.last;
    const { map, best } = gradCam(
      /** @type {any} */ (state.maps)[layer],
      slopes[layer] ?? [],
      size,
      height,
      width,
    );
    const why =
      best <= 0 && silence(slopes[layer] ?? [0]) !== "mapZero" ? "camAgainst" : silence(map);
    return why ? say(why, { of, layer }) : { map, title: of };
  }

  /** @param {State} state */
  function sayCover(state) {
    const channel = classOf(state),
      name = about.classes[channel];
    const value = (/** @type {import("./page.d.ts").Maps} */ found) => {
      const chance = chanceOf(found, about, channel);
      return about.readable ? percent(chance) : chance.toPrecision(3);
    };
    if (!state.maps || !traced) return;
    if (!patch)
      return void (text.textContent = say("uncovered", { name, share: value(state.maps) }));
    const { top, left } = patch;
    const found = engine.run(covered(state.image, shape, cover(), top, left, size), state.switches);
    text.textContent = say("coveredTo", { name, before: value(state.maps), share: value(found) });
  }

  function show() {
    const state = store.get(),
      { overlay } = state;
    keys.forEach((key, i) => key.setAttribute("aria-pressed", String(kinds[i] === overlay)));
    const occluding = overlay === "occlusion";
    forOcclusion.hidden = text.hidden = !occluding;
    layers.hidden = overlay !== "cam";
    rules.hidden = overlay !== "gradient";
    rules.value = state.rule;
    square.hidden = !occluding || !patch;
    picture.setAttribute("aria-label", say(occluding ? "brushHelp" : "sees"));
    paintImage(picture, state.levels, shape);
    element.classList.toggle("off", overlay === "none");
    const found = overlay === "none" || !state.maps ? "" : evidence(state);
    const shown = typeof found === "object";
    over.hidden = legend.hidden = meaning.hidden = strength.element.hidden = !shown;
    refusal.hidden = shown || found === "";
    refusal.textContent = shown ? "" : found;
    picture.classList.toggle("grey", shown); // red and blue are the map's
    if (shown) {
      const most = largest(found.map),
        signed = found.map.some((v) => v < 0);
      paintClear(over, found.map, height, width, most);
      legend.classList.toggle("signed", signed);
      const [low, , high] = legend.children;
      const number = most < 1e-3 ? most.toExponential(1) : most.toPrecision(2);
      low.textContent = signed ? `-${number}` : "0";
      high.textContent = number;
      meaning.textContent = say(`means_${overlay}`, { of: found.title });
    }
    if (occluding) {
      if (patch) {
        const box = {
          left: patch.left / width,
          top: patch.top / height,
          width: size / width,
          height: size / height,
        };
        for (const [side, share] of Object.entries(box))
          square.style.setProperty(side, `${100 * share}%`);
      }
      sayCover(state);
    }
  }

  /** @param {number} y @param {number} x of the middle of the patch */
  function coverAt(y, x) {
    patch = { top: Math.round(y - size / 2), left: Math.round(x - size / 2) };
    later();
  }
  let asked = false;
  function later() {
    if (asked) return;
    asked = true;
    const tell = () => {
      asked = false;
      show();
    };
    if (cost > PROMPT) setTimeout(tell, 4 * cost);
    else requestAnimationFrame(tell);
  }
  for (const name of ["pointermove", "pointerdown"]) {
    picture.addEventListener(name, (event) => {
      if (store.get().overlay !== "occlusion" || (!about.live && name === "pointermove")) return;
      const box = picture.getBoundingClientRect(),
        { clientX, clientY } = /** @type {PointerEvent} */ (event);
      coverAt(
        ((clientY - box.top) * height) / box.height,
        ((clientX - box.left) * width) / box.width,
      );
    });
  }
  picture.addEventListener("pointerleave", () => {
    patch = null;
    later();
  });
  picture.addEventListener("keydown", (event) => {
    /** @type {{ [key: string]: [number, number] }} */
    const ways = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
    const way = ways[event.key];
    if (!way || store.get().overlay !== "occlusion") return;
    event.preventDefault();
    const middle = patch ? [patch.top + size / 2, patch.left + size / 2] : [height / 2, width / 2];
    coverAt(
      Math.min(height, Math.max(0, middle[0] + way[0])),
      Math.min(width, Math.max(0, middle[1] + way[1])),
    );
  });

  function words() {
    const options = [...(traced ? [say("predicted"), ...names] : []), say("tracedUnit")];
    const first = traced ? -1 : 0;
    classes.replaceChildren(
      ...options.map((name, i) => make("option", { value: i + first }, name)),
    );
    classes.value = String(target);
    for (const option of rules.options) option.textContent = say(`rule_${option.value}`);
    show();
  }
  store.on(["image", "switches"], stopped);
  store.on(["maps", "unit", "rule", "overlay"], later);
  store.on(["lang"], words);
  words();
}
