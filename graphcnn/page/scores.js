// The answer of the network, and a bar for every class.
// @ts-check

import { powersOf } from "./cell.js";
import { make, put, write } from "./dom.js";

/** @typedef {import("./page.d.ts").App} App */

/** Classes that have rows: all of them where they are few, the best otherwise. */
const MOST_ROWS = 12;

/**
 * Probabilities exp(s - max) / Σ exp(s - max) of scores.
 * @param {ArrayLike<number>} scores
 */
export function probabilities(scores) {
  const powers = powersOf(scores);
  const sum = powers.reduce((a, b) => a + b, 0);
  return powers.map((power) => power / sum);
}

/**
 * Scores as people read them: probabilities where the network has such.
 * @param {ArrayLike<number>} scores @param {App["about"]} about
 */
export function read(scores, about) {
  if (about.readable === "softmax") return probabilities(scores);
  const sigmoid = (/** @type {number} */ score) => 1 / (1 + Math.exp(-score));
  return about.readable ? Float64Array.from(scores, sigmoid) : Float64Array.from(scores);
}

/** A share with one decimal that never says 100 where it is less. @param {number} share */
export function percent(share) {
  const shown = share < 1 && share > 0.9994 ? 99.9 : share * 100;
  return `${shown.toFixed(1)} %`;
}

/** What the scores are of: classes, or their numbers; nothing where the output is a map. */
/** @param {App["about"]} about @returns {string[]} */
function namesOf(about) {
  const shape = about.layers[about.layers.length - 1].shape;
  const count = shape.reduce((a, b) => a * b, 1);
  if (about.classes.length === count) return about.classes;
  return count === shape[0] ? Array.from({ length: count }, (_, i) => String(i)) : [];
}

/** @param {HTMLElement} element @param {App} app */
export function mountScores(element, app) {
  const { about, store, say } = app;
  const names = namesOf(about);
  const shares = about.readable !== null;
  const ranked = names.length > MOST_ROWS;
  const longest = Math.min(14, names.reduce((most, one) => Math.max(most, one.length), 0) + 1);
  const count = ranked ? 10 : names.length;
  const name = make("strong", {});
  const share = make("span", { class: "number muted" });
  const time = make("p", { class: "number muted small spent" });
  const run = make("button", {
    class: "main",
    say: "run",
    hidden: about.live,
    click: () => app.run(),
  });
  const verdict = make("output", { class: "verdict", id: "verdict" }, name, share);
  const elsewhere = make("p", { class: "muted small", say: "scoresMap", hidden: names.length > 0 });
  const rows = Array.from({ length: count }, (_, i) => makeRow(i));
  const style = `--label: ${longest}ch; --rows: ${Math.ceil(count / 2)}`;
  element.append(
    make(
      "div",
      { class: "answers" },
      make("div", {}, verdict, elsewhere, time, run),
      make("ol", { class: "scores", style }, ...rows.map((row) => row.element)),
    ),
  );

  /** @param {number} i */
  function makeRow(i) {
    const label = make("span", { class: "name" });
    const bar = make("span", { class: "fill" });
    const text = make("span", { class: "number" });
    const track = make(
      "span",
      { class: "track", role: "meter", "aria-valuemin": 0, "aria-valuemax": 1 },
      bar,
    );
    const row = { channel: i, label, bar, text, track, element: make("li", {}) };
    const choose = () => {
      store.set({
        layer: about.scores,
        unit: { layer: about.scores, channel: row.channel, y: 0, x: 0 },
      });
    };
    row.element.append(make("button", { click: choose }, label, track, text));
    return row;
  }

  let announced = "";
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let waiting;
  function paint() {
    const { maps, stale, spent } = store.get();
    element.classList.toggle("stale", stale);
    const scores = maps?.[about.scores];
    if (!scores) {
      name.textContent = names.length ? say("readsNothing") : "";
      name.classList.add("long");
      return;
    }
    const values = read(scores, about);
    write(time, say("spent", { time: spent.toFixed(spent < 10 ? 1 : 0) }));
    if (!names.length) return;
    const most = shares ? 1 : values.reduce((a, b) => Math.max(a, Math.abs(b)), 1e-12);
    const show = (/** @type {number} */ v) => (shares ? percent(v) : v.toPrecision(3));
    const order = Array.from(values.keys());
    const top = order.reduce((a, b) => (values[b] > values[a] ? b : a), 0);
    if (ranked) order.sort((a, b) => values[b] - values[a]);
    // Of sigmoids each class is a question of its own: all that are likelier than not are the answer.
    const several = about.readable === "sigmoid" && names.length > 1;
    const asks = (/** @type {number} */ channel) =>
      several ? values[channel] > 0.5 : scores[channel] === scores[top];
    const likely = order.filter(asks);
    // Equal scores are no answer: undecided between these, and where all are equal none is best.
    const tied = !several && likely.length > 1;
    if (!ranked) likely.sort((a, b) => values[b] - values[a]);
    const best = about.classes.length && !(tied && likely.length === names.length) ? likely : [];
    const isBest = (/** @type {number} */ channel) => best.includes(channel);
    rows.forEach((row, i) => {
      const channel = order[i];
      row.channel = channel;
      if (row.label.textContent !== names[channel]) {
        row.label.textContent = row.label.title = names[channel];
        row.track.setAttribute("aria-label", names[channel]);
      }
      write(row.text, show(values[channel]));
      row.bar.style.transform = `scaleX(${Math.max(0, values[channel]) / most})`;
      row.element.classList.toggle("best", isBest(channel));
      put(row.track, "aria-valuenow", values[channel].toFixed(3));
    });
    // One score has no rival, and numbers that are of no classes have no best.
    const rivals = names.length > 1;
    const all = likely.map((channel) => names[channel]).join(", ") || say("readsNone");
    const named = tied ? say("readsTied") : all;
    const answer = rivals ? named : show(values[0]);
    verdict.hidden = rivals && !about.classes.length;
    write(name, answer);
    name.title = tied ? all : answer;
    name.classList.toggle("long", answer.length > 4);
    const one = rivals && likely.length ? show(values[likely[0]]) : "";
    const equal = tied ? say("readsEqual", { count: likely.length, share: one }) : "";
    write(share, likely.length === 1 ? one : equal);
    const told = likely.join();
    if (told === announced || !about.classes.length) return;
    announced = told;
    clearTimeout(waiting);
    waiting = setTimeout(() => {
      const words = likely.length === 1 ? { name: answer, share: show(values[likely[0]]) } : null;
      app.announce(words ? say("reads", words) : answer);
    }, 600);
  }
  store.on(["maps", "stale", "lang"], paint);
  paint();
}
