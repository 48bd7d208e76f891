// The input panel: the drawing surface, what the network sees of it, samples, and disturbances.
// @ts-check

import { paintImage } from "./colours.js";
import { make, painted, slider } from "./dom.js";
import { attachHand, createDrawing, perform, performInstead, redo, undo } from "./draw.js";
import {
  areaAverage,
  disturbed,
  enlargedBlocks,
  fitDigit,
  fitPhoto,
  inkOf,
  massOf,
  repeated,
} from "./fit.js";
import { listenForPictures, readFile, sampleOf, startCamera } from "./sources.js";

/** @typedef {import("./page.d.ts").App} App */
/** @typedef {import("./fit.js").Planes} Planes */
/** @typedef {import("./draw.js").Placed} Placed */

/** The drawing surface has about so many pixels along its longer side. */
const SURFACE = 280;

/**
 * What the network sees of what is drawn, before disturbances.
 * @param {import("./draw.js").Drawing} drawing
 * @param {number[]} shape C, H, W
 * @param {{ centred: boolean, box: number } | null} fitting as the training set was made; null is as
 *   it is drawn
 */
export function seenOf(drawing, [channels, height, width], fitting) {
  const { surface, base } = drawing;
  if (!fitting || (base && !base.photo)) return areaAverage(surface, height, width);
  const grey = { ...surface, channels: 1 };
  return repeated(fitDigit(base ? inkOf(grey) : grey, height, width, fitting), channels);
}

/** @param {HTMLElement} element @param {App} app */
export function mountInput(element, app) {
  const { about, store, say } = app;
  const shape = about.input.shape,
    [channels, height, width] = shape;
  const factor = Math.max(2, Math.round(SURFACE / Math.max(height, width)));
  const digits = about.input.drawing,
    ink = digits || channels !== 3 ? 1 : 0;
  const drawing = createDrawing(channels, height * factor, width * factor, 1 - ink);
  const still = { noise: 0, seed: 1, x: 0, y: 0, turn: 0 };
  const usual = Math.max(0.5, (2.2 * Math.min(height, width)) / 28); // pixels of the network
  const pen = { width: usual * factor, erase: false, colour: new Array(channels).fill(ink) };
  let how = { ...still },
    fitted = digits !== null;
  /** @type {Float32Array | null} */
  let own = null; // the levels that this panel set last
  let untouched = true; // the picture is the one that the page opened with
  /** @type {(() => void) | null} */
  let stopCamera = null;

  const canvas = make("canvas", {
    class: "pixels",
    tabindex: 0,
    role: "application",
    sayLabel: "drawLabel",
    "aria-describedby": "draw-help",
  });
  canvas.getContext("2d", { willReadFrequently: true }); // kept in memory, where it is written
  const ring = make("span", { class: "pen", hidden: true });
  const sees = make("canvas", { class: "pixels", role: "img", sayLabel: "sees" });
  const facts = make("p", { class: "muted small number" });
  const problem = make("p", { class: "problem", role: "alert", hidden: true });
  const file = make("input", {
    type: "file",
    accept: "image/*",
    hidden: true,
    change: () => {
      if (file.files?.length) void readFile(file.files[0], receiver);
      file.value = "";
    },
  });
  const penKey = button("pen", () => erase(false)),
    eraser = button("eraser", () => erase(true));
  const camera = button("camera", toggleCamera);
  const fits = button("asTrained", () => {
    fitted = !fitted;
    label();
    changed();
  });
  const undoKey = button("↶", () => command("undo"), "undo");
  const redoKey = button("↷", () => command("redo"), "redo");

  /** @param {string} words key, or a sign with its key @param {() => void} click @param {string} [key] */
  function button(words, click, key) {
    return key
      ? make("button", { sayLabel: key, sayTitle: key, click }, words)
      : make("button", { say: words, click });
  }

  /** Something else than hand and camera changes the drawing: neither goes on. */
  function interrupt() {
    stopCamera?.();
    lift();
  }

  /** The hand has drawn, or something else has changed: new levels at once. */
  function changed() {
    untouched = false;
    problem.hidden = true;
    const seen = disturbed(seenOf(drawing, shape, fitted ? digits : null), how);
    own = seen.data;
    store.set({ levels: own });
  }

  /** @param {Planes} planes of the network's size or of the surface's @param {boolean} photo */
  function place(planes, photo, instead = false) {
    const whole = planes.width === width ? enlargedBlocks(planes, factor) : planes;
    const act = /** @type {Placed} */ ({ kind: "picture", planes: whole, photo });
    if (instead) performInstead(drawing, act);
    else perform(drawing, act);
    changed();
  }

  /** @param {string} key @param {{ [name: string]: string }} [values] */
  function refused(key, values) {
    problem.textContent = say(key, values);
    problem.hidden = false;
  }

  /** @param {import("./sources.js").Picture} picture */
  function fitSurface(picture) {
    return fitPhoto(picture, channels, height * factor, width * factor);
  }
  const receiver = {
    refused,
    took: (/** @type {import("./sources.js").Picture} */ picture) => {
      interrupt();
      place(fitSurface(picture), true);
    },
  };

  function toggleCamera() {
    if (stopCamera) return stopCamera();
    lift();
    let first = true;
    const stop = startCamera(
      {
        refused,
        took: (picture) => {
          place(fitSurface(picture), true, !first);
          first = false;
        },
      },
      () => {
        stopCamera = null;
        label();
      },
    );
    stopCamera = stop;
    label();
  }

  function label() {
    camera.dataset.say = stopCamera ? "cameraStop" : "camera";
    camera.textContent = say(camera.dataset.say);
    camera.setAttribute("aria-pressed", String(stopCamera !== null));
    penKey.setAttribute("aria-pressed", String(!pen.erase));
    eraser.setAttribute("aria-pressed", String(pen.erase));
    fits.setAttribute("aria-pressed", String(fitted));
    samples.forEach((key, i) => {
      // those without a name have a number
      const label = about.samples[i].label.trim() || say("sampleNumber", { number: i + 1 });
      key.setAttribute("aria-label", label);
    });
  }

  /** @param {boolean} on */
  function erase(on) {
    pen.erase = on;
    label();
  }

  /** @param {string} name */
  function command(name) {
    if (name === "erase") return erase(!pen.erase);
    interrupt();
    if (name === "undo") undo(drawing);
    else if (name === "redo") redo(drawing);
    else perform(drawing, { kind: "clear" });
    app.announce(say(name));
    changed();
  }

  /** @param {number} x @param {number} y @param {boolean} down */
  function showPen(x, y, down) {
    ring.hidden = false;
    ring.classList.toggle("down", down);
    ring.style.left = `${(100 * x) / drawing.surface.width}%`;
    ring.style.top = `${(100 * y) / drawing.surface.height}%`;
    ring.style.width = `${(100 * pen.width) / drawing.surface.width}%`;
  }
  function begins() {
    stopCamera?.();
    if (untouched && !pen.erase) perform(drawing, { kind: "clear" });
  }
  const lift = attachHand(canvas, drawing, {
    step: factor,
    pen: () => pen,
    begins,
    changed,
    command,
    moved: showPen,
  });
  for (const name of ["pointerleave", "blur"])
    canvas.addEventListener(name, () => (ring.hidden = true));
  listenForPictures(document, element, receiver);

  const thick = {
    min: 0.5,
    max: Math.max(8, 2 * usual),
    step: 0.1,
    value: usual,
    show: (/** @type {number} */ v) => v.toFixed(1),
  };
  const colour = make("input", {
    type: "color",
    value: "#000000",
    sayLabel: "colour",
    input: () => {
      const value = parseInt(colour.value.slice(1), 16);
      pen.colour = [16, 8, 0].map((bits) => ((value >> bits) & 255) / 255);
    },
  });
  const samples = about.samples.map((sample, i) => {
    const picture = make("canvas", { class: "pixels", width, height });
    // The small pictures wait until the large one is on the screen.
    painted().then(() => paintImage(picture, sampleOf(about, i).data, shape));
    const name = make("span", { class: "small" }, sample.label);
    return make(
      "button",
      {
        title: sample.label || null,
        click: () => {
          interrupt();
          place(sampleOf(about, i), false);
        },
      },
      picture,
      name,
    );
  });

  const [farY, farX] = [height, width].map((size) => Math.max(1, Math.round(size / 4)));
  /** @type {[string, "noise" | "x" | "y" | "turn", number, number, number][]} */
  const ranges = [
    ["noise", "noise", 0, 0.6, 0.01],
    ["shiftX", "x", -farX, farX, 1],
    ["shiftY", "y", -farY, farY, 1],
    ["rotate", "turn", -180, 180, 1],
  ];
  const sliders = ranges.map(([key, name, min, max, step]) =>
    slider(say, key, { min, max, step, value: 0 }, (value) => {
      how = { ...how, [name]: value };
      changed();
    }),
  );
  const reset = button("resetDisturbance", () => {
    how = { ...still };
    for (const each of sliders) each.set(0);
    changed();
  });
  const again = button("newNoise", () => {
    how = { ...how, seed: how.seed + 1 };
    changed();
  });

  element.append(
    make(
      "div",
      { class: "stack" },
      make("div", { class: "surface" }, canvas, ring),
      make("p", { id: "draw-help", class: "hidden-visually", say: "drawHelp" }),
      make(
        "div",
        { class: "row tight" },
        penKey,
        eraser,
        undoKey,
        redoKey,
        button("clear", () => command("clear")),
      ),
      make(
        "div",
        { class: "width" },
        slider(say, "width", thick, (value) => (pen.width = value * factor)).element,
        ...(channels === 3 ? [colour] : []),
      ),
      make(
        "div",
        { class: "sees" },
        sees,
        make(
          "div",
          { class: "stack" },
          make("h3", { say: "sees" }),
          facts,
          ...(digits ? [fits] : []),
        ),
      ),
      make("div", { class: "samples", role: "group", sayLabel: "samples" }, ...samples),
      make(
        "div",
        { class: "row tight" },
        button("open", () => file.click()),
        file,
        camera,
        make("span", { class: "muted small", say: "dropHint" }),
      ),
      problem,
      make(
        "details",
        {},
        make("summary", { say: "disturb" }),
        ...sliders.map((each) => each.element),
        make("div", { class: "row tight" }, reset, again),
      ),
    ),
  );

  function paint() {
    const { levels } = store.get();
    if (levels !== own && levels.length === channels * height * width) {
      // somebody else's
      interrupt();
      own = levels;
      how = { ...still };
      for (const each of sliders) each.set(0);
      const planes = enlargedBlocks({ channels, height, width, data: levels }, factor);
      perform(drawing, { kind: "picture", planes, photo: false });
    }
    paintImage(canvas, drawing.surface.data, [channels, height * factor, width * factor]);
    paintImage(sees, levels, shape);
    undoKey.disabled = !drawing.acts.length;
    redoKey.disabled = !drawing.undone.length;
    const found = digits && massOf({ channels: 1, height, width, data: levels });
    const size = `${height} × ${width}`;
    facts.textContent = !found
      ? size
      : say("seesFacts", {
          size,
          x: found.x.toFixed(1),
          y: found.y.toFixed(1),
          tall: found.area.bottom - found.area.top,
          wide: found.area.right - found.area.left,
        });
  }
  store.on(["levels", "lang"], paint);
  store.on(["lang"], label);
  label();
  paint();
}
