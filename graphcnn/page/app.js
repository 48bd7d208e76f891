// The page put together: the state, the run loop, and the panels, each in its own element.
// @ts-check

import { startAddress } from "./address.js";
import { selfCheck } from "./check.js";
import { mountDiagram } from "./diagram.js";
import { painted, translate } from "./dom.js";
import { DAMAGED, loadEngine } from "./engine.js";
import { keepFocus } from "./focus.js";
import { mountGrow } from "./grow.js";
import { mountInput } from "./input.js";
import { startKeys } from "./keys.js";
import { mountLab } from "./lab.js";
import { mountLearn } from "./learn.js";
import { mountLook } from "./look.js";
import { mountMaps } from "./maps.js";
import { mountScores } from "./scores.js";
import { sampleOf } from "./sources.js";
import { createStore } from "./store.js";
import { startTheme } from "./theme.js";
import { mountTrace } from "./trace.js";
import { wordsOf } from "./words.js";
import { mountStory } from "./xo.js";

/** @typedef {import("./page.d.ts").About} About */
/** @typedef {import("./page.d.ts").App} App */
/** @typedef {import("./page.d.ts").Engine} Engine */
/** @typedef {import("./page.d.ts").State} State */

/** Panels by the id of the element that they are mounted into.
 * @typedef {{ [id: string]: (element: HTMLElement, app: App) => void }} Panels */

/** What one draws with and looks at: it is in the first frame. @type {Panels} */
const FIRST = { input: mountInput, scores: mountScores, maps: mountMaps };
/** What explains it: right after that. @type {Panels} */
const LATER = {
  grow: mountGrow,
  trace: mountTrace,
  look: mountLook,
  graph: mountDiagram,
  lab: mountLab,
  learn: mountLearn,
  story: mountStory,
};

/**
 * Levels 0..1 as the network takes them: (255 · level · scale - mean) / std, by channel.
 * @param {Float32Array} levels C*H*W
 * @param {About["input"]} input
 */
export function normalised(levels, input) {
  if (!input.normalisation) return levels;
  const { mean, std, scale } = input.normalisation;
  const size = input.shape[1] * input.shape[2];
  return levels.map((level, i) => {
    const channel = Math.min(Math.floor(i / size), mean.length - 1);
    return (level * 255 * scale - mean[channel]) / std[channel];
  });
}

/** @param {About} about @param {string} language @returns {State} */
function firstState(about, language) {
  const paper = about.input.drawing || about.input.shape[0] !== 3 ? 0 : 1;
  const levels = about.samples.length
    ? sampleOf(about, 0).data
    : new Float32Array(about.input.shape.reduce((a, b) => a * b, 1)).fill(paper);
  const shown = about.layers.find((layer) => layer.shape.length === 3 && layer.kind !== "image");
  return {
    levels,
    image: normalised(levels, about.input),
    maps: null,
    stale: false,
    spent: 0,
    layer: (shown ?? about.layers[0]).name,
    unit: null,
    pins: [],
    frozen: false,
    rule: about.rules[0] ?? "plain",
    gamma: 1,
    switches: {},
    overlay: "none",
    lang: language.startsWith("zh") ? "zh" : "en",
    theme: "auto",
    pane: "graph",
  };
}

/**
 * The run loop: levels are normalised, and the network runs in the frame in which they changed;
 * where it is too large for that it runs when it is asked to (`app.run`), and once at first.
 * @param {App} app
 */
function startRuns(app) {
  const { store, engine, about } = app;
  app.run = () => {
    const { image, switches } = store.get();
    const began = performance.now();
    const views = engine.run(image, switches);
    const maps = Object.fromEntries(
      Object.entries(views).map(([name, map]) => [name, map.slice()]),
    );
    store.set({ maps, stale: false, spent: performance.now() - began });
  };
  const changed = () => (about.live ? app.run() : store.set({ stale: true }));
  store.on(["levels"], ({ levels }) => store.set({ image: normalised(levels, about.input) }));
  store.on(["image", "switches"], changed);
}

/** @param {Document} document @param {App} app */
function startBar(document, app) {
  const { store, about, say } = app;
  const find = (/** @type {string} */ id) =>
    /** @type {HTMLElement} */ (document.getElementById(id));
  const [theme, language, freeze] = ["theme", "language", "freeze"].map(find);
  find("name").textContent = about.name;
  document.title = about.name;
  const themes = /** @type {const} */ (["auto", "light", "dark"]);
  theme.addEventListener("click", () => {
    store.set({ theme: themes[(themes.indexOf(store.get().theme) + 1) % 3] });
  });
  language.addEventListener("click", () => {
    store.set({ lang: store.get().lang === "en" ? "zh" : "en" });
  });
  freeze.addEventListener("click", () => store.set({ frozen: !store.get().frozen }));
  store.on(["frozen"], ({ frozen }) => freeze.setAttribute("aria-pressed", String(frozen)));
  const words = () => {
    const { lang, theme: chosen } = store.get();
    document.documentElement.lang = lang === "zh" ? "zh-Hans" : "en";
    translate(document, say);
    // 1,234,567 by hand: the first number that a browser formats by language costs milliseconds.
    const count = (/** @type {number} */ n) => String(n).replace(/\B(?=(\d{3})+$)/g, ",");
    const values = { parameters: count(about.parameters), operations: count(about.multiplyAdds) };
    find("facts").textContent = say("facts", values);
    theme.textContent = say(`theme${chosen[0].toUpperCase()}${chosen.slice(1)}`);
    theme.title = say("themeTitle");
  };
  store.on(["lang", "theme"], words);
  words();
}

/** Panes are tabs: arrows go along them, the chosen one alone is shown. */
/** @param {Document} document @param {App} app */
function startTabs(document, app) {
  const tabs = /** @type {HTMLElement[]} */ ([...document.querySelectorAll("[data-pane]")]);
  const shown = () => tabs.filter((tab) => !tab.hidden);
  const choose = () => {
    for (const tab of tabs) {
      const chosen = tab.dataset.pane === app.store.get().pane;
      tab.setAttribute("aria-selected", String(chosen));
      tab.tabIndex = chosen ? 0 : -1;
      const pane = document.getElementById(tab.dataset.pane ?? "");
      if (pane) pane.hidden = !chosen;
    }
  };
  for (const tab of tabs) {
    tab.hidden = !document.getElementById(tab.dataset.pane ?? "")?.hasChildNodes();
    tab.addEventListener("click", () => {
      app.store.set({ pane: tab.dataset.pane });
      // The tabs stand at the lower edge of a wide screen: what was asked for has to be seen.
      tab.parentElement?.scrollIntoView({ block: "start" });
    });
    tab.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!step) return;
      event.preventDefault();
      const all = shown();
      const next = all[(all.indexOf(tab) + step + all.length) % all.length];
      app.store.set({ pane: next.dataset.pane });
      next.focus();
    });
  }
  const { pane } = app.store.get();
  if (!shown().some((tab) => tab.dataset.pane === pane) && shown().length) {
    app.store.set({ pane: shown()[0].dataset.pane });
  }
  app.store.on(["pane"], choose);
  choose();
}

/** Panels with something in them are shown.
 * @param {Document} document @param {App} app @param {Panels} panels */
function mountAll(document, app, panels) {
  for (const [id, mount] of Object.entries(panels)) {
    const element = document.getElementById(id);
    if (!element) continue;
    const section = /** @type {HTMLElement | null} */ (element.closest("section.panel"));
    if (section) section.hidden = false; // before, so that the panel knows its size
    mount(element, app);
    translate(element, app.say);
    if (section) section.hidden = !element.hasChildNodes();
  }
}

/**
 * Mounts the panels upon an engine and runs it once: those that one draws with and looks at, and in
 * a second step, which the promise ends with, all others.
 * @param {Document} document
 * @param {Engine} engine
 * @returns {Promise<App>}
 */
export async function openPage(document, engine) {
  const about = engine.about;
  const store = createStore(
    firstState(about, about.language ?? globalThis.navigator?.language ?? "en"),
  );
  /** @type {App} */
  const app = {
    engine,
    about,
    store,
    say: (key, values) => wordsOf(store.get().lang, key, values),
    announce(text) {
      const said = document.getElementById("said");
      if (said) said.textContent = text;
    },
    fail(message) {
      const banner = /** @type {HTMLElement} */ (document.getElementById("banner"));
      banner.textContent = message;
      banner.hidden = false;
    },
    run() {},
  };
  const [, height, width] = about.input.shape;
  document.documentElement.style.setProperty("--aspect", String(width / height));
  startAddress(app); // before the panels, which are mounted with the state that it holds
  startTheme(document, store); // before them too: what they paint has the colours of the theme
  // Shown before it is full: panels know their sizes then, and paint once.
  document.querySelector("main")?.removeAttribute("hidden");
  startBar(document, app);
  mountAll(document, app, FIRST);
  startRuns(app);
  app.run();
  await painted();
  mountAll(document, app, LATER);
  startTabs(document, app);
  startKeys(document, app);
  keepFocus(document);
  store.greet();
  return app;
}

/**
 * The whole page: the network is unpacked and compares itself with the reference; only where it
 * computes the same is anything else shown.
 * @param {Document} document
 */
export async function start(document) {
  const find = (/** @type {string} */ id) =>
    /** @type {HTMLElement} */ (document.getElementById(id));
  const language = (globalThis.navigator?.language ?? "en").startsWith("zh") ? "zh" : "en";
  try {
    if (typeof WebAssembly === "undefined") throw new Error(wordsOf(language, "noWebAssembly"));
    const engine = await loadEngine(document);
    const { worst, layer, good } = selfCheck(engine);
    const difference = worst.toExponential(1);
    if (!good) throw new Error(wordsOf(language, "checkFailed", { difference, layer }));
    const app = await openPage(document, engine);
    const told = () => (find("check").textContent = app.say("checkPassed", { difference }));
    app.store.on(["lang"], told);
    told();
  } catch (error) {
    const { message } = /** @type {Error} */ (error);
    /** @type {{ [found: string]: string }} */
    const known = { [DAMAGED]: wordsOf(language, "damaged") };
    const short = error instanceof RangeError; // what browsers throw where memory is not given
    find("banner").textContent = short
      ? wordsOf(language, "noMemory")
      : (known[message] ?? message);
    find("banner").hidden = false;
    find("banner").nextElementSibling?.remove();
    throw error;
  }
}
