// The network itself: functions of a WebAssembly module, called with places in its memory.
// @ts-check
import { inflated, numbersOf } from "./decode.js";

/** @typedef {import("./page.d.ts").About} About */
/** @typedef {import("./page.d.ts").Ascent} Ascent */
/** @typedef {import("./page.d.ts").Engine} Engine */
/** @typedef {import("./page.d.ts").Maps} Maps */
/** @typedef {import("./page.d.ts").Programs} Programs */

/** What chooses a way back through rectifiers: [floor, open].
 * @type {{ [rule: string]: [number, number] }} */
const RULES = { plain: [-Infinity, 0], guided: [0, 0], deconv: [0, 1] };

/** A module with its memory: numbers by the names of their places.
 * @param {WebAssembly.Module} module @param {Programs} programs
 * @param {Uint8Array} constants as they stand in the page */
export function createMachine(module, programs, constants) {
  const { exports } = new WebAssembly.Instance(module, {});
  const { buffer } = /** @type {WebAssembly.Memory} */ (exports.memory);
  const base = /** @type {WebAssembly.Global} */ (exports.space).value;
  const bytes = new Uint8Array(buffer, base);
  for (const [to, from, size] of programs.constants) {
    bytes.set(constants.subarray(from, from + size), to);
  }
  for (const [table, places] of Object.values(programs.functions)) {
    const addresses = new Int32Array(buffer, base + table, places.length);
    addresses.set(places.map((begin) => base + begin));
  }
  return {
    /** @param {number} begin @param {number} count */
    at: (begin, count) => new Float32Array(buffer, base + begin, count),
    /** @param {string} port */
    port(port) {
      const [begin, count] = programs.ports[port];
      return new Float32Array(buffer, base + begin, count);
    },
    /** @param {string} port */
    words(port) {
      const [begin, count] = programs.ports[port];
      return new Int32Array(buffer, base + begin, count);
    },
    /** @param {string} name */
    call(name) {
      const run = /** @type {(table: number) => number} */ (exports[`${name}_run`]);
      if (run(base + programs.functions[name][0])) throw new Error(`${name} refuses its memory`);
    },
    /** After states changed: what is computed from them alone. */
    prepare() {
      for (const [from, to, size] of programs.copies) bytes.copyWithin(to, from, from + size);
      programs.prepare.forEach(this.call, this);
    },
  };
}

/** @param {WebAssembly.Module} module @param {About} about
 * @param {Uint8Array} weights all states, as they stand in the page
 * @param {Uint8Array} constants @returns {Engine} */
export function createEngine(module, about, weights, constants) {
  const { programs } = about;
  const machine = createMachine(module, programs, constants);
  const layers = about.layers.map((layer) => layer.name);
  const later = layers.slice(1);
  const size = about.input.shape.reduce((a, b) => a * b, 1);
  /** @type {{ [key: string]: Float32Array }} */
  const states = {};
  /** @type {Set<string>} */
  let switched = new Set();
  const raw = numbersOf(weights, about.weightsAs);
  let begin = 0;
  for (const { key, shape } of about.states) {
    const count = shape.reduce((a, b) => a * b, 1);
    states[key] = machine.at(programs.states[key], count);
    states[key].set(raw.subarray(begin, begin + count));
    begin += count;
  }
  machine.prepare();
  for (const layer of later) machine.port(`factor ${layer}`).fill(1);

  /** @param {string} layer @param {Float32Array} numbers @param {Float32Array} place */
  const put = (layer, numbers, place) => {
    if (numbers.length !== place.length) {
      throw new Error(`${layer}: expected ${place.length} numbers, found ${numbers.length}`);
    }
    place.set(numbers);
  };
  /** @param {string} layer */
  const known = (layer) => {
    if (!layers.includes(layer)) throw new Error(`there is no layer ${layer}`);
  };
  /** The views, but not of what the network does not have. @param {string} kind */
  const views = (kind) => {
    /** @type {Maps} */
    const found = {};
    for (const layer of layers) {
      if (`${kind} ${layer}` in programs.ports) found[layer] = machine.port(`${kind} ${layer}`);
    }
    return found;
  };

  /** @param {Float32Array} image changed in place @param {Float32Array} factors by channel */
  const scaleImage = (image, factors) =>
    image.forEach((x, i) => (image[i] = x * factors[Math.floor((i * factors.length) / size)]));
  /** The image, and the factors of all channels, where functions read them.
   * @param {Float32Array} image @param {Maps} switches */
  const place = (image, switches) => {
    put("image", image, machine.port("image"));
    Object.keys(switches).forEach(known);
    if (switches.image) scaleImage(machine.port("image"), switches.image);
    for (const layer of switched) machine.port(`factor ${layer}`).fill(1);
    switched = new Set(Object.keys(switches).filter((layer) => layer !== "image"));
    for (const layer of switched) put(layer, switches[layer], machine.port(`factor ${layer}`));
  };

  /** @type {Engine} */
  const engine = {
    about,
    weights: (key) => states[key],
    setWeights(key, values) {
      put(key, values, states[key]);
      machine.prepare();
    },
    run(image, switches = {}) {
      place(image, switches);
      machine.call("run");
      return { image: machine.port("image"), ...views("map") };
    },
    gradient(image, seeds, rule = "plain", switches = {}) {
      place(image, switches);
      Object.keys(seeds).forEach(known);
      const [floor, open] = RULES[rule];
      machine.port("floor")[0] = floor;
      machine.port("open")[0] = open;
      for (const layer of later) {
        const own = machine.port(`seed ${layer}`);
        if (seeds[layer]) put(layer, seeds[layer], own);
        else own.fill(0);
      }
      machine.call("gradient");
      const found = views("gradient");
      if (switches.image && found.image) scaleImage(found.image, switches.image);
      return found;
    },
    maximiseStep(image, layer, unit, options = {}) {
      const seed = unitSeed(about, layer, unit);
      const { rule, switches } = options;
      const slope = engine.gradient(image, { [layer]: seed }, rule, switches).image;
      return ascended(about, image, slope, options);
    },
  };
  return engine;
}

/** What selects a number of a layer, or the mean of a channel.
 * @param {About} about @param {string} layer
 * @param {{ channel: number, y?: number, x?: number }} unit */
export function unitSeed(about, layer, unit) {
  const found = about.layers.find((each) => each.name === layer);
  if (!found) throw new Error(`there is no layer ${layer}`);
  const [, height = 1, width = 1] = found.shape;
  const seed = new Float32Array(found.shape.reduce((a, b) => a * b, 1));
  const first = unit.channel * height * width;
  if (unit.y === undefined || unit.x === undefined) {
    seed.fill(1 / (height * width), first, first + height * width);
  } else seed[first + unit.y * width + unit.x] = 1;
  return seed;
}

/** A step uphill, inside what images can be.
 * @param {About} about @param {Float32Array} image @param {Float32Array} slope
 * @param {Ascent} options */
function ascended(about, image, slope, { rate = 0.1, decay = 0.01, blur = 0.05 }) {
  const [channels, height, width] = about.input.shape;
  const { mean, std, scale } = about.input.normalisation ?? { mean: [0], std: [1], scale: 1 / 255 };
  let square = 0;
  for (const x of slope) square += x * x;
  const length = Math.sqrt(square / slope.length);
  const made = new Float32Array(image.length);
  for (let c = 0; c < channels; c++) {
    const [m, s] = [mean[Math.min(c, mean.length - 1)], std[Math.min(c, std.length - 1)]];
    const [low, high] = [-m / s, (255 * scale - m) / s];
    const [grey, step] = [(low + high) / 2, (rate * (high - low)) / (length || 1)];
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        const at = (c * height + y) * width + x;
        const up = at - (y > 0 ? width : 0);
        const down = at + (y < height - 1 ? width : 0);
        const around =
          (image[up] + image[down] + image[at - +(x > 0)] + image[at + +(x < width - 1)]) / 4;
        const smooth = image[at] + blur * (around - image[at]);
        const next = smooth + decay * (grey - smooth) + step * slope[at];
        made[at] = Math.min(Math.max(next, low), high);
      }
    }
  }
  return made;
}

/** What an error says where a byte of the file is not what was written. */
export const DAMAGED = "damaged";

/** The engine of the page. @param {Document} document @returns {Promise<Engine>} */
export async function loadEngine(document) {
  const blocks = ["about", "code", "weights", "constants"].map((id) =>
    inflated(document.getElementById(id)?.textContent ?? ""),
  );
  const [told, code, weights, constants] = await Promise.all(blocks).catch(() => {
    throw new Error(DAMAGED);
  });
  /** @type {About} */
  const about = JSON.parse(new TextDecoder().decode(told));
  return createEngine(await WebAssembly.compile(code), about, weights, constants);
}
