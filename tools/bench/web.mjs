// Times a module of graphcnn beside ONNX Runtime's for the web, in Node, on one thread, in turns.
//
//   node web.mjs FOLDER NAME ROUNDS
//
// FOLDER has NAME.mjs, NAME.wasm and NAME.onnx. ONNX Runtime is looked for from the current folder
// on (`npm install onnxruntime-web`); where it is missing, ours is timed alone. Prints seconds for
// a run, one number of each round, as JSON.
import { existsSync } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";

const [folder, name, rounds] = process.argv.slice(2);
const WARM = 0.5; // seconds until an engine has compiled well what it compiled quickly before
const TURN = 0.1;

const { about, load } = await import(pathToFileURL(join(folder, `${name}.mjs`)));
const network = await load();
const [input] = about.inputs;
const numbers = Float32Array.from({ length: input.count }, (_, i) => Math.sin(0.1 * i));
const runs = { graphcnn: async () => network.run(numbers) };
const sizes = { graphcnn: (await stat(join(folder, `${name}.wasm`))).size };

const ort = onnxRuntime();
if (ort) {
  ort.env.wasm.numThreads = 1;
  const session = await ort.InferenceSession.create(await readFile(join(folder, `${name}.onnx`)), {
    executionProviders: ["wasm"],
    graphOptimizationLevel: "all",
  });
  const feeds = { [session.inputNames[0]]: new ort.Tensor("float32", numbers, input.shape) };
  runs["onnxruntime-web"] = async () => (await session.run(feeds))[session.outputNames[0]].data;
}

function onnxRuntime() {
  const require = createRequire(join(process.cwd(), "here.js"));
  try {
    const found = require("onnxruntime-web");
    const place = dirname(require.resolve("onnxruntime-web"));
    const module = join(place, "ort-wasm-simd-threaded.wasm");
    if (existsSync(module)) sizes["onnxruntime-web"] = statSize(module);
    return found;
  } catch (error) {
    if (error.code === "MODULE_NOT_FOUND") return null;
    throw error;
  }
}

function statSize(file) {
  return createRequire(import.meta.url)("node:fs").statSync(file).size;
}

const now = () => performance.now() / 1000;
const calls = {};
const results = {};
for (const [who, run] of Object.entries(runs)) {
  const start = now();
  let done = 0;
  while (now() - start < WARM || done < 2) {
    results[who] = await run();
    done++;
  }
  calls[who] = Math.max(1, Math.floor((TURN * done) / (now() - start)));
}
if (ort) {
  const [ours, theirs] = [results.graphcnn, results["onnxruntime-web"]];
  const largest = Math.max(...theirs.map(Math.abs));
  const worst = Math.max(...ours.map((y, i) => Math.abs(y - theirs[i])));
  if (!(worst <= 1e-4 * largest)) throw new Error(`results differ by ${worst} of ${largest}`);
}
const taken = Object.fromEntries(Object.keys(runs).map((who) => [who, []]));
for (let round = 0; round < Number(rounds); round++) {
  for (const [who, run] of Object.entries(runs)) {
    const start = now();
    for (let i = 0; i < calls[who]; i++) await run();
    taken[who].push((now() - start) / calls[who]);
  }
}
console.log(JSON.stringify({ taken, sizes }));
