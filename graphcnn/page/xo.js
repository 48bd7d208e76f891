// X or O: why small features that are looked for everywhere know an X that has moved, bent or shrunk.
// @ts-check

import { make, sharpContext, translate } from "./dom.js";
import { drawGrid, frameCells, shortNumber } from "./grid.js";

/** @typedef {import("./page.d.ts").App} App */

/** Drawings of 9×9, a # is +1 and a dot is -1. @type {{ [name: string]: string }} */
export const XO = {
  X: "..........#.....#...#...#.....#.#.......#.......#.#.....#...#...#.....#..........",
  O: "............###.....#...#...#.....#..#.....#..#.....#...#...#.....###............",
  moved: "....................#.....#...#...#.....#.#.......#.......#.#.....#...#...#.....#",
  bent: "..........#.........#...#.....#.#.......#.......#.#.....#..#....#....#...........",
  small: ".....................#...#.....#.#.......#.......#.#.....#...#...................",
};
const FEATURES = ["#...#...#", "..#.#.#..", "#.#.#.#.#"];
/** A class listens to an answer that its own picture makes larger than the other one by this. */
const LISTENS = 0.3;
const [BOARD, WINDOW, MATCHES, POOLED] = [9, 3, 7, 4];

/** @param {string} drawing */
export function drawingPixels(drawing) {
  return Float32Array.from(drawing, (mark) => (mark === "#" ? 1 : -1));
}

/** The pixels under the window at (y, x). @param {Float32Array} picture @param {number} y @param {number} x */
function under(picture, y, x) {
  return Float32Array.from(
    { length: WINDOW * WINDOW },
    (_, i) => picture[(y + Math.floor(i / WINDOW)) * BOARD + x + (i % WINDOW)],
  );
}

/**
 * The mean of pixel × feature at each of the 7×7 places.
 * @param {Float32Array} picture
 * @param {Float32Array} feature
 */
export function matched(picture, feature) {
  return Float32Array.from({ length: MATCHES * MATCHES }, (_, at) => {
    const patch = under(picture, Math.floor(at / MATCHES), at % MATCHES);
    return patch.reduce((sum, value, i) => sum + value * feature[i], 0) / (WINDOW * WINDOW);
  });
}

/** Negative answers are 0; of each 2×2 the largest is left, 4×4 in all. @param {Float32Array} map */
export function pooledOf(map) {
  const pooled = new Float32Array(POOLED * POOLED);
  map.forEach((value, at) => {
    const to = Math.floor(at / MATCHES / 2) * POOLED + Math.floor((at % MATCHES) / 2);
    pooled[to] = Math.max(pooled[to], value);
  });
  return pooled;
}

/** The answers (3·4·4) of all features. @param {Float32Array} picture */
function answers(picture) {
  return FEATURES.flatMap((feature) => [...pooledOf(matched(picture, drawingPixels(feature)))]);
}

/**
 * Votes for X and O: each averages the answers that it listens to.
 * @param {Float32Array} picture
 */
export function votesFor(picture) {
  const own = [answers(drawingPixels(XO.X)), answers(drawingPixels(XO.O))];
  const heard = answers(picture);
  return [0, 1].map((k) => {
    const listens = heard.filter((_, i) => own[k][i] - own[1 - k][i] > LISTENS);
    return listens.reduce((a, b) => a + b, 0) / listens.length;
  });
}

/** The mean of the products with the plain X, pixel by pixel. @param {Float32Array} picture */
export function agreement(picture) {
  const x = drawingPixels(XO.X);
  return picture.reduce((sum, value, i) => sum + value * x[i], 0) / picture.length;
}

/** The picture moved by rows and columns; what comes in is ground. */
/** @param {Float32Array} picture @param {number} rows @param {number} columns */
function movedBy(picture, rows, columns) {
  return picture.map((_, i) => {
    const [y, x] = [Math.floor(i / BOARD) - rows, (i % BOARD) - columns];
    return y < 0 || x < 0 || y >= BOARD || x >= BOARD ? -1 : picture[y * BOARD + x];
  });
}

/** @param {HTMLElement} element @param {App} app */
export function mountStory(element, app) {
  const { store, say } = app;
  /** @type {Float32Array} */
  let picture = drawingPixels(XO.X);
  let feature = 0;
  let place = 8; // where the falling stroke fits the X
  let [row, column] = [4, 4];
  const cell = 26;

  const canvases = ["board", "work", "map", "rest"].map((name) =>
    make("canvas", { role: "img", class: name }),
  );
  const [board, work, map, rest] = canvases;
  board.tabIndex = 0;
  const texts = ["storyPicture", "storyFeature", "storyRest", "storyVotes"].map(() =>
    make("p", { class: "small muted" }),
  );
  const [pictureSays, featureSays, , votesSay] = texts;
  texts[2].dataset.say = "storyRestSays";
  const choices = FEATURES.map((_, i) =>
    make(
      "button",
      { sayLabel: `feature${i}`, sayTitle: `feature${i}`, click: () => ((feature = i), paint()) },
      "╲╱╳"[i],
    ),
  );
  const bars = ["X", "O"].map((name) => {
    const fill = make("span", { class: "fill" });
    const number = make("span", { class: "number" });
    const track = make(
      "span",
      { class: "track", role: "meter", "aria-label": name, "aria-valuemin": 0, "aria-valuemax": 1 },
      fill,
    );
    return {
      fill,
      number,
      track,
      line: make("div", { class: "vote" }, make("strong", {}, name), track, number),
    };
  });
  const pixels = make("span", { class: "number" });
  const pixelFill = make("span", { class: "fill" });
  const pixelTrack = make(
    "span",
    {
      class: "track",
      role: "meter",
      sayLabel: "storyPixels",
      "aria-valuemin": 0,
      "aria-valuemax": 1,
    },
    pixelFill,
  );
  const set = (/** @type {Float32Array} */ to) => {
    picture = to;
    paint();
  };
  const arrow = (
    /** @type {string} */ sign,
    /** @type {number} */ rows,
    /** @type {number} */ columns,
  ) =>
    make(
      "button",
      { sayLabel: "storyMove", click: () => set(movedBy(picture, rows, columns)) },
      sign,
    );
  element.append(
    make("p", { class: "lead", say: "storyLead" }),
    make(
      "div",
      { class: "story" },
      make(
        "div",
        { class: "stack" },
        make("h3", { say: "storyPicture" }),
        board,
        make(
          "div",
          { class: "row" },
          ...Object.keys(XO).map((name) =>
            make("button", { say: `story_${name}`, click: () => set(drawingPixels(XO[name])) }),
          ),
        ),
        make(
          "div",
          { class: "row", role: "group", sayLabel: "storyMove" },
          arrow("←", 0, -1),
          arrow("↑", -1, 0),
          arrow("↓", 1, 0),
          arrow("→", 0, 1),
        ),
        pictureSays,
      ),
      make(
        "div",
        { class: "stack" },
        make("h3", { say: "storyFeature" }),
        make("div", { class: "row" }, ...choices),
        map,
        work,
        featureSays,
      ),
      make("div", { class: "stack" }, make("h3", { say: "storyRest" }), rest, texts[2]),
      make(
        "div",
        { class: "stack" },
        make("h3", { say: "storyVotes" }),
        ...bars.map((bar) => bar.line),
        votesSay,
        make("h3", { say: "storyPixels" }),
        make("div", { class: "vote" }, make("strong", {}, "X"), pixelTrack, pixels),
        make("p", { class: "small muted", say: "storyPixelsSays" }),
      ),
    ),
  );
  translate(element, say);

  function paint() {
    if (store.get().pane !== "story") return;
    const own = drawingPixels(FEATURES[feature]);
    const matches = matched(picture, own);
    const [y, x] = [Math.floor(place / MATCHES), place % MATCHES];
    const sign = (/** @type {number} */ v) => (v > 0 ? "+" : "−");

    const onBoard = sharpContext(board, BOARD * cell, BOARD * cell);
    const grid = {
      values: picture,
      height: BOARD,
      width: BOARD,
      left: 0,
      top: 0,
      cell,
      most: 2,
      write: sign,
    };
    drawGrid(onBoard, grid);
    frameCells(onBoard, grid, [y, x, WINDOW, WINDOW]);
    if (document.activeElement === board) frameCells(onBoard, grid, [row, column, 1, 1]);

    const onMap = sharpContext(map, MATCHES * 33, MATCHES * 33);
    const matchGrid = {
      values: matches,
      height: MATCHES,
      width: MATCHES,
      left: 0,
      top: 0,
      cell: 33,
      most: 1.6,
    };
    drawGrid(onMap, matchGrid);
    frameCells(onMap, matchGrid, [y, x, 1, 1]);

    const patch = under(picture, y, x);
    const onWork = sharpContext(work, 231, 66);
    [patch, own, patch.map((value, i) => value * own[i])].forEach((values, i) => {
      drawGrid(onWork, {
        values,
        height: WINDOW,
        width: WINDOW,
        left: i * 84,
        top: 2,
        cell: 21,
        most: 2,
        write: sign,
      });
      onWork.fillStyle = getComputedStyle(work).color;
      onWork.font = "14px system-ui, sans-serif";
      if (i < 2) onWork.fillText(i ? "=" : "×", i * 84 + 73, 34);
    });

    const onRest = sharpContext(rest, 132, 3 * 116 - 8);
    FEATURES.forEach((drawing, i) => {
      const values = pooledOf(matched(picture, drawingPixels(drawing)));
      const pooledGrid = {
        values,
        height: POOLED,
        width: POOLED,
        left: 0,
        top: i * 116,
        cell: 27,
        most: 1.6,
      };
      drawGrid(onRest, pooledGrid);
      if (i === feature)
        frameCells(onRest, pooledGrid, [Math.floor(y / 2), Math.floor(x / 2), 1, 1]);
    });

    const votes = votesFor(picture);
    bars.forEach(({ fill, number, track, line }, k) => {
      fill.style.transform = `scaleX(${votes[k]})`;
      number.textContent = votes[k].toFixed(2);
      track.setAttribute("aria-valuenow", votes[k].toFixed(2));
      line.classList.toggle("best", votes[k] > votes[1 - k]);
    });
    const same = agreement(picture);
    pixelFill.style.transform = `scaleX(${Math.max(same, 0)})`;
    pixelTrack.setAttribute("aria-valuenow", same.toFixed(2));
    pixels.textContent = same.toFixed(2);
    choices.forEach((button, i) => button.setAttribute("aria-pressed", String(i === feature)));
    const value = shortNumber(matches[place]);
    featureSays.textContent = say("storyMean", { y, x, value });
    pictureSays.textContent = say("storyHint");
    const winner = votes[0] === votes[1] ? say("storyNobody") : votes[0] > votes[1] ? "X" : "O";
    votesSay.textContent = say("storyWinner", { name: winner });
    board.setAttribute(
      "aria-label",
      say("storyBoard", {
        y: row,
        x: column,
        mark: sign(picture[row * BOARD + column]),
        name: winner,
      }),
    );
    map.setAttribute("aria-label", featureSays.textContent);
    rest.setAttribute("aria-label", say("storyRest"));
    work.setAttribute("aria-label", featureSays.textContent);
  }

  /** @type {number | null} what a stroke of the pen paints: the opposite of the first pixel */
  let ink = null;
  let pointer = -1; // that holds the pen
  /** @param {PointerEvent} event */
  function touch(event) {
    [row, column] = [event.offsetY, event.offsetX].map((v) =>
      Math.min(Math.max(Math.floor(v / cell), 0), BOARD - 1),
    );
    const at = row * BOARD + column;
    ink ??= -picture[at];
    set(picture.map((value, i) => (i === at ? /** @type {number} */ (ink) : value)));
  }
  board.addEventListener("pointerdown", (event) => {
    if (ink !== null || event.button !== 0) return;
    pointer = event.pointerId;
    board.setPointerCapture(pointer);
    touch(event);
  });
  const holds = (/** @type {Event} */ event) =>
    ink !== null && /** @type {PointerEvent} */ (event).pointerId === pointer;
  board.addEventListener("pointermove", (event) => holds(event) && touch(event));
  for (const end of ["pointerup", "pointercancel", "lostpointercapture"])
    board.addEventListener(end, (event) => holds(event) && (ink = null));
  for (const name of ["focus", "blur"]) board.addEventListener(name, paint);
  board.addEventListener("keydown", (event) => {
    const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[
      event.key
    ];
    if (step) [row, column] = [row + step[0], column + step[1]].map((v) => (v + BOARD) % BOARD);
    else if (event.key === " " || event.key === "Enter") picture[row * BOARD + column] *= -1;
    else return;
    event.preventDefault();
    paint();
  });
  for (const name of /** @type {const} */ (["pointermove", "pointerdown"])) {
    map.addEventListener(name, (event) => {
      const [y, x] = [event.offsetY, event.offsetX].map((v) =>
        Math.min(Math.max(Math.floor(v / 33), 0), MATCHES - 1),
      );
      place = y * MATCHES + x;
      paint();
    });
  }
  store.on(["pane", "lang", "theme"], paint);
}
