// Channels are switched off and on, and what follows computes without them: ablation, watched live.
// @ts-check

import { make } from "./dom.js";
import { answersInNumbers, nameOf } from "./evidence.js";
import { percent, read } from "./scores.js";

/** @typedef {import("./page.d.ts").App} App */
/** @typedef {import("./page.d.ts").About} About */
/** @typedef {{ [layer: string]: Float32Array }} Switches */

/** Layers with more channels have a field for the number in place of a button for each. */
const MOST_BUTTONS = 128;
/** Classes of the table of scores. */
const COMPARED = 5;

/**
 * The switches with one channel the other way; a layer whose channels are all on is in none.
 * @param {Switches} switches @param {string} layer @param {number} channel @param {number} channels
 * @returns {Switches}
 */
export function switched(switches, layer, channel, channels) {
  const factors = switches[layer]?.slice() ?? new Float32Array(channels).fill(1);
  factors[channel] = factors[channel] === 0 ? 1 : 0;
  const { [layer]: _, ...others } = switches;
  return factors.every((factor) => factor === 1) ? others : { ...others, [layer]: factors };
}

/**
 * What is off, in the order of the layers.
 * @param {Switches} switches @param {About} about
 * @returns {{ layer: string, channel: number }[]}
 */
export function switchedOff(switches, about) {
  return about.layers.flatMap(({ name }) =>
    Array.from(switches[name] ?? []).flatMap((factor, channel) =>
      factor === 0 ? [{ layer: name, channel }] : [],
    ),
  );
}

/** @param {Switches} switches @param {{ layer: string, channel: number }} unit */
export function isOff(switches, { layer, channel }) {
  return switches[layer]?.[channel] === 0;
}

/** The layers whose channels can be switched: all but the image and the scores. @param {About} about */
export function switchable(about) {
  return about.layers
    .slice(1)
    .filter(({ name, kind }) => name !== about.scores && kind !== "softmax");
}

/** @param {HTMLElement} element @param {App} app */
export function mountSwitching(element, app) {
  const { about, engine, store, say } = app;
  const layers = switchable(about);
  if (!layers.length) return;
  const choice = make(
    "select",
    { sayLabel: "switchLayer", change: () => paint() },
    ...layers.map(({ name, shape }) => make("option", { value: name }, `${name} · ${shape[0]}`)),
  );
  const grid = make("div", { class: "switches", role: "group", sayLabel: "switchChannels" });
  const number = make("input", { type: "number", min: 0, value: 0, sayLabel: "switchChannel" });
  const press = make("button", {
    say: "switchOne",
    click: () => toggle(choice.value, Number(number.value)),
  });
  const field = make("div", { class: "row tight" }, number, press);
  const off = make("div", { class: "row tight" });
  const none = make("p", { class: "muted", say: "switchNone" });
  const reset = make("button", { say: "switchReset", click: () => store.set({ switches: {} }) });
  const rows = make("tbody");
  const table = make(
    "table",
    { class: "before" },
    make(
      "thead",
      {},
      make(
        "tr",
        {},
        make("th", { say: "switchClass" }),
        make("th", { say: "switchBefore" }),
        make("th", { say: "switchAfter" }),
      ),
    ),
    rows,
  );
  element.append(
    make("p", { class: "muted small", say: "switchHelp" }),
    choice,
    grid,
    field,
    none,
    make("div", { class: "row tight" }, off, reset),
    table,
  );

  /** @param {string} layer @param {number} channel */
  function toggle(layer, channel) {
    const channels = layers.find(({ name }) => name === layer)?.shape[0] ?? 0;
    if (!Number.isInteger(channel) || channel < 0 || channel >= channels) return;
    const switches = switched(store.get().switches, layer, channel, channels);
    store.set({ switches });
    app.announce(say(isOff(switches, { layer, channel }) ? "isOff" : "isOn", { layer, channel }));
  }

  function paint() {
    const { switches } = store.get(),
      list = switchedOff(switches, about);
    const channels = layers.find(({ name }) => name === choice.value)?.shape[0] ?? 0;
    grid.hidden = channels > MOST_BUTTONS;
    field.hidden = !grid.hidden;
    number.max = String(channels - 1);
    const name = choice.value;
    while (!grid.hidden && grid.children.length < channels) {
      const channel = grid.children.length;
      grid.append(make("button", { click: () => toggle(choice.value, channel) }, String(channel)));
    }
    [...grid.children].forEach((key, i) => {
      const out = isOff(switches, { layer: name, channel: i });
      /** @type {HTMLElement} */ (key).hidden = i >= channels;
      key.classList.toggle("out", out);
      key.setAttribute("aria-pressed", String(out));
      key.setAttribute("aria-label", say(out ? "isOff" : "isOn", { layer: name, channel: i }));
    });
    none.hidden = list.length > 0;
    reset.hidden = list.length === 0;
    element.classList.toggle("off", !list.length); // not printed
    table.hidden = reset.hidden || !numbers;
    off.replaceChildren(
      ...list
        .slice(0, 40)
        .map(({ layer, channel }) =>
          make(
            "button",
            { class: "out", title: say("switchBack"), click: () => toggle(layer, channel) },
            `${layer}:${channel}`,
          ),
        ),
      ...(list.length > 40 ? [`+ ${list.length - 40}`] : []),
    );
  }

  const numbers = answersInNumbers(about);
  /** The scores with all channels, beside those without. */
  function compare() {
    if (!numbers) return;
    const { maps, image, switches } = store.get();
    if (!maps || !Object.keys(switches).length || element.offsetParent === null) return;
    const after = shares(maps[about.scores]),
      before = shares(engine.run(image)[about.scores]);
    const best = [...before.keys()].sort(
      (a, b) => Math.max(before[b], after[b]) - Math.max(before[a], after[a]),
    );
    rows.replaceChildren(
      ...best.slice(0, COMPARED).map((channel) => {
        const gain = after[channel] - before[channel],
          kind = gain < 0 ? "fell" : gain > 0 ? "rose" : "";
        return make(
          "tr",
          {},
          make("th", { scope: "row" }, nameOf(about, { layer: about.scores, channel, y: 0, x: 0 })),
          make("td", {}, shown(before[channel])),
          make("td", { class: kind }, shown(after[channel])),
        );
      }),
    );
  }

  /** @param {Float32Array} scores */
  function shares(scores) {
    return read(scores, about);
  }

  /** @param {number} value */
  function shown(value) {
    return about.readable ? percent(value) : value.toPrecision(3);
  }

  document.addEventListener("keydown", (event) => {
    const { unit } = store.get(),
      at = event.target;
    if (
      event.key !== "x" ||
      event.ctrlKey ||
      event.metaKey ||
      event.altKey ||
      event.defaultPrevented ||
      !unit
    )
      return;
    if (at instanceof HTMLElement && at.closest("input, select, textarea, dialog")) return;
    event.preventDefault();
    toggle(unit.layer, unit.channel);
  });
  store.on(["layer"], ({ layer }) => {
    if (!layers.some(({ name }) => name === layer)) return;
    choice.value = layer;
    paint();
  });
  store.on(["switches", "lang"], paint);
  store.on(["maps", "lang"], compare);
  choice.value = layers.some(({ name }) => name === store.get().layer)
    ? store.get().layer
    : layers[0].name;
  paint();
}
