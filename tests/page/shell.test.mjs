import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { addressOf, packed, stateOf, unpacked, wholeStateOf } from "../../graphcnn/page/address.js";
import { normalised } from "../../graphcnn/page/app.js";
import { SIGNED, isPale, largest, signedColour } from "../../graphcnn/page/colours.js";
import { numbersOf } from "../../graphcnn/page/decode.js";
import { predicted, strongest } from "../../graphcnn/page/evidence.js";
import { found, moved } from "../../graphcnn/page/keys.js";
import { percent, probabilities } from "../../graphcnn/page/scores.js";
import { MOST_PINS } from "../../graphcnn/page/places.js";
import { togglePin } from "../../graphcnn/page/units.js";
import { createStore } from "../../graphcnn/page/store.js";
import { WORDS, wordsOf } from "../../graphcnn/page/words.js";
import { fakeAbout } from "./fake_engine.mjs";

const FIRST = {
  levels: new Float32Array(36),
  image: new Float32Array(36),
  maps: null,
  stale: false,
  spent: 0,
  layer: "conv1",
  unit: null,
  pins: [],
  frozen: false,
  rule: "plain",
  gamma: 1,
  switches: {},
  overlay: "none",
  lang: "en",
  theme: "auto",
  pane: "graph",
};

test("listeners are told once a frame, and in the same frame of what another sets", () => {
  const frames = [];
  const store = createStore({ ...FIRST }, (told) => frames.push(told));
  const told = [];
  store.on(["levels"], () => store.set({ layer: "image" }));
  store.on(["layer", "gamma"], (state) => told.push([state.layer, state.gamma]));
  const off = store.on(["gamma"], () => told.push("off"));
  off();
  store.set({ levels: new Float32Array(36) });
  store.set({ gamma: 0.5 });
  store.set({ gamma: 0.5 }); // nothing new
  assert.equal(frames.length, 1);
  frames.shift()();
  assert.deepEqual(told.at(-1), ["image", 0.5]);
  assert.ok(!told.includes("off"));
  assert.equal(frames.length, 0);
});

test("listeners that chase each other wait for the next frame", () => {
  const frames = [];
  const store = createStore({ ...FIRST }, (told) => frames.push(told));
  store.on(["spent"], ({ spent }) => store.set({ spent: spent + 1 }));
  store.set({ spent: 1 });
  frames.shift()();
  assert.equal(frames.length, 1);
});

test("who listens later is greeted with the state as it is, and nobody else", () => {
  const frames = [];
  const store = createStore({ ...FIRST }, (told) => frames.push(told));
  const told = [];
  store.on(["gamma", "levels"], () => told.push("first"));
  store.set({ gamma: 0.5 });
  frames.shift()();
  store.on(["maps"], (state) => told.push(state.gamma));
  store.greet();
  frames.shift()();
  assert.deepEqual(told, ["first", 0.5]);
  store.greet();
  frames.shift()();
  assert.equal(told.length, 2);
});

test("numbers of 16 and 32 bits are read from their planes", () => {
  // 1, -2.5, the largest, the smallest, -0, infinity, and no number (IEEE 754 binary16)
  const halves = [0x3c00, 0xc100, 0x7bff, 0x0001, 0x8000, 0xfc00, 0x7e00];
  const planes = [0, 8].map((place) => halves.map((half) => (half >> place) & 255));
  const read = numbersOf(Uint8Array.from(planes.flat()), "float16");
  assert.deepEqual(Array.from(read), [1, -2.5, 65504, 2 ** -24, -0, -Infinity, NaN]);
  const floats = Float32Array.of(1, -2.5, 1e-40, -0, Math.PI);
  const bytes = new Uint8Array(floats.buffer);
  const apart = bytes.map((_, i) => bytes[4 * (i % 5) + Math.floor(i / 5)]);
  assert.deepEqual(numbersOf(apart, "float32"), floats);
});

test("every string has both languages, and the same values in both", () => {
  for (const [key, pair] of Object.entries(WORDS)) {
    assert.equal(pair.length, 2, key);
    const values = pair.map((text) => [...text.matchAll(/\{\w+\}/g)].map(String).sort());
    assert.deepEqual(values[0], values[1], key);
    assert.ok(
      pair.every((text) => text.trim()),
      key,
    );
  }
  assert.equal(wordsOf("en", "reads", { name: "7", share: "98 %" }), "7, 98 %");
  assert.equal(wordsOf("zh", "inputTitle"), "输入");
});

test("every key that the body asks for has words", () => {
  const body = readFileSync(new URL("../../graphcnn/page/body.html", import.meta.url), "utf8");
  const asked = [...body.matchAll(/data-say(?:-\w+)?="(\w+)"/g)].map((match) => match[1]);
  assert.ok(asked.length > 15);
  for (const key of asked) assert.ok(key in WORDS, key);
});

test("an address holds what differs, and gives it back", () => {
  const about = fakeAbout();
  const levels = Float32Array.from({ length: 36 }, (_, i) => (i % 7 === 0 ? i / 51 : 0));
  const unit = { layer: "conv1", channel: 1, y: 2, x: 3 };
  const state = {
    ...FIRST,
    levels,
    unit,
    pins: [unit, { ...unit, channel: 0 }],
    frozen: true,
    gamma: 0.6,
    rule: "guided",
    lang: "zh",
    theme: "dark",
    pane: "lab",
    layer: "scores",
    overlay: "cam",
    switches: { conv1: Float32Array.of(1, 0) },
  };
  assert.equal(addressOf(FIRST, FIRST), "");
  const back = stateOf(addressOf(state, FIRST), about);
  assert.ok(largest(back.levels.map((v, i) => v - levels[i])) <= 0.5 / 255 + 1e-7);
  const rest = ({ levels: _, image, maps, stale, spent, ...others }) => others;
  assert.deepEqual(rest({ ...FIRST, ...back }), rest(state));
});

test("an address of another network gives nothing that this one does not have", () => {
  const text =
    "layer=conv9&unit=conv1:9:0:0&pins=conv1:0:0:0~x:1:1:1~conv1:0:0:0&rule=lrp&switches=x:0:0&image=AAE&pane=no";
  const state = stateOf(text, fakeAbout());
  assert.deepEqual(state, { unit: null, pins: [{ layer: "conv1", channel: 0, y: 0, x: 0 }] });
});

test("an address of thousands of pins gives the last 24, as if one after the other were pinned", () => {
  const units = Array.from({ length: 2000 }, (_, i) => ({
    layer: "conv1",
    channel: i % 2,
    y: Math.floor(i / 2) % 4,
    x: Math.floor(i / 8) % 4,
  }));
  const text = units.map((u) => `conv1:${u.channel}:${u.y}:${u.x}`).join("~");
  const { pins } = stateOf(`pins=${text}`, fakeAbout());
  assert.equal(pins.length, MOST_PINS);
  assert.deepEqual(
    pins,
    [...new Set(units.map((u) => JSON.stringify(u)))].map(JSON.parse).slice(-24),
  );
  /** @type {any} */
  let state = { pins: [] };
  const store = { get: () => state, set: (patch) => (state = { ...state, ...patch }) };
  const app = { store, about: fakeAbout(), say: () => "", announce() {} };
  for (const unit of pins) togglePin(app, unit);
  const more = { layer: "scores", channel: 1, y: 0, x: 0 };
  togglePin(app, more);
  assert.deepEqual(state.pins, [...pins.slice(1), more]);
  togglePin(app, more);
  assert.deepEqual(state.pins, pins.slice(1));
});

test("a name may hold the signs that an address stands units apart by", () => {
  const plain = fakeAbout();
  for (const name of ["a~b:1", "%7E", "100 %", "c:0:0"]) {
    const layers = plain.layers.map((layer) =>
      layer.name === "conv1" ? { ...layer, name } : layer,
    );
    const about = { ...plain, layers };
    const unit = { layer: name, channel: 1, y: 2, x: 3 };
    const state = {
      ...FIRST,
      unit,
      pins: [unit, { ...unit, channel: 0 }],
      switches: { [name]: Float32Array.of(1, 0) },
    };
    const back = stateOf(addressOf(state, FIRST), about);
    assert.deepEqual(
      [back.unit, back.pins, back.switches],
      [unit, state.pins, state.switches],
      name,
    );
  }
});

test("an address that is gone back to takes away what it does not hold; a picture that is none too", () => {
  const about = fakeAbout();
  const state = wholeStateOf("layer=scores&image=%%%&unit=conv1:NaN:1e9:-1", about, FIRST);
  const { image, maps, stale, spent, ...shown } = FIRST; // without what is computed
  assert.deepEqual(state, { ...shown, layer: "scores" });
  const large = { ...FIRST, levels: new Float32Array(5000) };
  assert.ok(!("levels" in wholeStateOf("", about, large)));
});

test("of a map the strongest unit has its place, of a vector it is the class", () => {
  const about = fakeAbout();
  const map = { ...about, scores: "conv1" };
  const values = new Float32Array(about.layers[1].shape.reduce((a, b) => a * b, 1));
  values[values.length - 1] = 1;
  const [channels, height, width] = about.layers[1].shape;
  assert.deepEqual(strongest({ conv1: values }, map), {
    layer: "conv1",
    channel: channels - 1,
    y: height - 1,
    x: width - 1,
  });
  assert.equal(predicted({ scores: Float32Array.of(0, 2, 1) }, about), 1);
});

test("text on every colour has a contrast of 4.5", () => {
  const light = (at) => {
    const [r, g, b] = [0, 1, 2].map((k) =>
      ((level) => (level <= 0.04045 ? level / 12.92 : ((level + 0.055) / 1.055) ** 2.4))(
        SIGNED[at + k] / 255,
      ),
    );
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  for (let i = 0; i < 256; i++) {
    const back = light(4 * i) + 0.05;
    const contrast = isPale((i / 255) * 2 - 1, 1) ? back / 0.05 : 1.05 / back;
    assert.ok(contrast >= 4.5, `${i}: ${contrast}`);
  }
});

test("bytes are packed and come back, long runs of zeros too", () => {
  const bytes = new Uint8Array(1000);
  bytes[3] = 255;
  bytes[999] = 7;
  const text = packed(bytes);
  assert.ok(text.length < 30 && /^[\w-]+$/.test(text));
  assert.deepEqual(unpacked(text, 1000), bytes);
  assert.equal(unpacked(text, 999), null);
});

test("levels are normalised by channel", () => {
  const input = {
    shape: [2, 1, 2],
    normalisation: { mean: [0.5, 10], std: [0.5, 5], scale: 1 / 255 },
  };
  const image = normalised(Float32Array.of(0, 1, 0, 1), input);
  assert.deepEqual(
    [...image].map((v) => Math.round(v * 1e5) / 1e5),
    [-1, 1, -2, -1.8],
  );
});

test("arrows move in a map and stop at its border, in a vector they change the channel", () => {
  const [, conv, scores] = fakeAbout().layers;
  const middle = moved(conv, null, [0, 1], false);
  assert.deepEqual(middle, { layer: "conv1", channel: 0, y: 2, x: 2 });
  assert.deepEqual(moved(conv, { ...middle, x: 3 }, [0, 1], false), { ...middle, x: 3 });
  assert.equal(moved(conv, middle, [0, -1], true).channel, 1);
  assert.equal(
    moved(scores, { layer: "scores", channel: 2, y: 0, x: 0 }, [1, 0], false).channel,
    0,
  );
});

test("a search finds layers by a part of the name, and a channel", () => {
  const { layers } = fakeAbout();
  assert.deepEqual(
    found(layers, "CONV:7").fits.map((layer) => layer.name),
    ["conv1"],
  );
  assert.equal(found(layers, "conv1:7").channel, 7);
  assert.equal(found(layers, "conv1").channel, null);
});

test("probabilities add up to one, large scores too; nothing rounds to certainty", () => {
  const shares = probabilities([1000, 999, 0]);
  assert.ok(Math.abs(shares.reduce((a, b) => a + b) - 1) < 1e-12);
  assert.ok(Math.abs(shares[0] - 1 / (1 + Math.exp(-1))) < 1e-9);
  assert.deepEqual([percent(0.99999), percent(1), percent(0.5)], ["99.9 %", "100.0 %", "50.0 %"]);
});

test("colours are white at 0 and those of the pictures at the ends", () => {
  // 0 is between the two middle places of 256, one of which is white to a byte.
  const [r, g, b] = signedColour(0, 1).match(/\d+/g).map(Number);
  assert.ok(Math.min(r, g, b) >= 253);
  assert.equal(signedColour(1, 1), "rgb(103 0 31)");
  assert.equal(signedColour(-5, 1), "rgb(5 48 97)");
});
