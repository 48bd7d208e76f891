// Train the network of this folder with ONNX Runtime: npm install onnxruntime-node
// (or onnxruntime-web: the same API in a browser, with fetch in place of readFileSync.)
//
//   node train.mjs                                random images, to see it run
//   node train.mjs --images x.npy --labels y.npy --epochs 5
//
// Images (n, C, H, W) are uint8, or float32 in [0, 1]; labels (n) are integers. The trained
// weights go to weights.safetensors, a model of graphcnn.
import { readFileSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";

const ort = await import("onnxruntime-node").catch(() => import("onnxruntime-web"))
  .then((module) => module.default ?? module)
  .catch(() => {
    console.error("ONNX Runtime is not installed: run  npm install onnxruntime-node");
    process.exit(1);
  });
const here = (name) => readFileSync(new URL(name, import.meta.url));
const session = (name) => ort.InferenceSession.create(here(name));
const about = JSON.parse(here("training.json"));
const { values: options } = parseArgs({ options: {
  images: { type: "string" }, labels: { type: "string" }, output: { type: "string" },
  epochs: { type: "string" }, "batch-size": { type: "string" }, "learning-rate": { type: "string" },
  seed: { type: "string" },
} });
const ARRAYS = {
  float32: Float32Array, float64: Float64Array, int64: BigInt64Array, int32: Int32Array,
  uint8: Uint8Array,
};
const product = (shape) => shape.reduce((a, b) => a * b, 1);

function random(seed) { // mulberry32, in [0, 1)
  return () => {
    let t = (seed = (seed + 0x6d2b79f5) | 0);
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

function npy(path) { // an array of NumPy: its data and shape
  const file = readFileSync(path);
  const wide = file[6] > 1;
  const start = wide ? 12 + file.readUInt32LE(8) : 10 + file.readUInt16LE(8);
  const head = file.toString("latin1", wide ? 12 : 10, start);
  const kinds = { "<f4": Float32Array, "<f8": Float64Array, "<i8": BigInt64Array,
    "<i4": Int32Array, "|u1": Uint8Array };
  const kind = kinds[/'descr': *'([^']*)'/.exec(head)[1]];
  if (!kind || /'fortran_order': *True/.test(head)) throw new Error(`${path}: ${head}`);
  const shape = /\(([^)]*)\)/.exec(head)[1].split(",").filter((d) => d.trim()).map(Number);
  return { data: new kind(Uint8Array.from(file.subarray(start)).buffer), shape };
}

function normalise({ data, shape }) { // (x - mean) / std per channel
  const scale = data instanceof Uint8Array ? 1 / 255 : 1;
  const [n, channels] = shape;
  const area = product(shape.slice(2));
  const sum = new Float64Array(channels), square = new Float64Array(channels);
  const channel = (i) => Math.floor(i / area) % channels;
  data.forEach((x, i) => { sum[channel(i)] += x * scale; square[channel(i)] += (x * scale) ** 2; });
  let known = about.normalisation;
  if (!known) {
    const mean = [...sum].map((s) => s / (n * area));
    const std = mean.map((m, c) => Math.sqrt(Math.max(0, square[c] / (n * area) - m * m)) || 1);
    known = { mean, std };
    about.metadata.normalisation = JSON.stringify(known);
  }
  const of = (list, c) => list[list.length > 1 ? c : 0];
  const y = Float32Array.from(data, (x, i) =>
    (x * scale - of(known.mean, channel(i))) / of(known.std, channel(i)));
  return { data: y, shape };
}

function dataset(items) {
  const draw = random(1);
  const [image, target] = [about.inputs[0], about.target];
  if (options.images) {
    const images = npy(options.images);
    return [images.shape.length === 4 ? normalise(images) : images, npy(options.labels)];
  }
  const make = ({ shape }, next) => {
    const full = [items, ...shape.slice(1)];
    return { data: Array.from({ length: product(full) }, next), shape: full };
  };
  const labels = () => target.type === "int64" ? Math.floor(draw() * target.classes) : draw();
  return [make(image, () => 4 * draw() - 2), make(target, labels)];
}

function batch({ data, shape }, type, rows) { // some rows of an array, as a tensor
  const size = product(shape.slice(1));
  const found = new ARRAYS[type](rows.length * size);
  const convert = type === "int64" ? BigInt : Number;
  rows.forEach((row, i) => {
    for (let j = 0; j < size; j++) found[i * size + j] = convert(data[row * size + j]);
  });
  return new ort.Tensor(type, found, [rows.length, ...shape.slice(1)]);
}

function save(path, tensors, metadata) { // safetensors: size of the header, header, arrays
  const header = { __metadata__: metadata };
  const parts = [];
  let end = 0;
  for (const [name, { data, dims, type }] of Object.entries(tensors)) {
    const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
    const dtype = { float32: "F32", float64: "F64", int64: "I64" }[type];
    header[name] = { dtype, shape: [...dims], data_offsets: [end, (end += bytes.length)] };
    parts.push(bytes);
  }
  let text = Buffer.from(JSON.stringify(header));
  text = Buffer.concat([text, Buffer.alloc((8 - (text.length % 8)) % 8, " ")]);
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(BigInt(text.length));
  writeFileSync(path, Buffer.concat([size, text, ...parts]));
}

const first = await (await session("init.onnx")).run({});
if (options["learning-rate"]) {
  const rate = Float32Array.of(Number(options["learning-rate"]));
  first["training.learning_rate"] = new ort.Tensor("float32", rate, []);
}
if (options.seed && first["training.seed"]) {
  first["training.seed"] = new ort.Tensor("int64", BigInt64Array.of(BigInt(options.seed)), []);
}
const step = await session("train_step.onnx");
const states = Object.fromEntries(step.inputNames.filter((k) => first[k]).map((k) => [k, first[k]]));
const size = Number(options["batch-size"] ?? 64);
const [images, targets] = dataset(10 * size);
const count = images.shape[0];
const draw = random(Number(options.seed ?? about.seed));
const began = performance.now();
for (let epoch = 0; epoch < Number(options.epochs ?? 1); epoch++) {
  const order = Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const j = Math.floor(draw() * (i + 1));
    [order[i], order[j]] = [order[j], order[i]];
  }
  const totals = Object.fromEntries(about.metrics.map((name) => [name, 0]));
  for (let at = 0; at < count; at += size) {
    const rows = order.slice(at, at + size);
    const found = await step.run({
      ...states,
      [about.inputs[0].name]: batch(images, about.inputs[0].type, rows),
      [about.target.name]: batch(targets, about.target.type, rows),
    });
    for (const name of Object.keys(states)) states[name] = found[`${name}.new`] ?? states[name];
    for (const name of about.metrics) totals[name] += found[name].data[0] * rows.length;
  }
  const means = about.metrics.map((name) => `${name} ${(totals[name] / count).toFixed(6)}`);
  const speed = (count * (epoch + 1)) / ((performance.now() - began) / 1000);
  console.log(`epoch ${epoch + 1}: ${means.join("  ")}  (${speed.toFixed(0)} images/s)`);
}
const weights = Object.fromEntries(about.weights.map((k) => [k, states[k] ?? first[k]]));
const output = options.output ?? "weights.safetensors";
save(output, weights, about.metadata);
console.log(`written: ${output}`);
const some = batch(images, about.inputs[0].type, [...Array(Math.min(size, count)).keys()]);
const forward = await (await session("forward.onnx")).run({
  ...weights, [about.inputs[0].name]: some,
});
console.log(`forward.onnx on ${some.dims[0]} images: [${Object.values(forward)[0].dims}]`);
