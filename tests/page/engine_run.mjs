// Runs the engine of a page for test_engine.py: the data of a page and questions in, numbers out.
import { readFileSync } from "node:fs";
import { selfCheck } from "../../graphcnn/page/check.js";
import { bytesOf, inflated } from "../../graphcnn/page/decode.js";
import { createEngine, unitSeed } from "../../graphcnn/page/engine.js";
import { read } from "../../graphcnn/page/scores.js";
import { loadTrainer } from "../../graphcnn/page/trainer.js";

const page = readFileSync(process.argv[2], "utf8");
const asked = JSON.parse(readFileSync(0, "utf8"));
const block = (id) => page.match(new RegExp(`<script type="[^"]*" id="${id}">([^<]*)</script>`))[1];
const [told, code, weights, constants] = await Promise.all(
  ["about", "code", "weights", "constants"].map((id) => inflated(block(id))),
);
const about = JSON.parse(new TextDecoder().decode(told));
if (asked.flip !== undefined) weights[asked.flip] ^= 0x55;
const module = await WebAssembly.compile(code);
const engine = createEngine(module, about, weights, constants);
const floats = (text) => new Float32Array(bytesOf(text).buffer);
const text = (maps) =>
  Object.fromEntries(
    Object.entries(maps).map(([name, map]) => [
      name,
      Buffer.from(map.buffer, map.byteOffset, map.byteLength).toString("base64"),
    ]),
  );
const all = (maps) =>
  Object.fromEntries(Object.entries(maps ?? {}).map(([k, v]) => [k, floats(v)]));

const { exports } = new WebAssembly.Instance(module, {});
const functions = Object.values(exports).filter((each) => typeof each === "function");
const found = { check: selfCheck(engine), counts: functions.map((each) => each.length) };
if (asked.image) {
  const image = floats(asked.image);
  found.maps = text(engine.run(image, all(asked.switches)));
  const after = engine.run(image);
  found.after = text(after);
  found.read = [...read(after[about.scores], about)];
  [found.gradients, found.without] = [{}, {}];
  for (const rule of about.rules) {
    const seed = unitSeed(about, about.scores, { channel: asked.unit });
    const seeds = { [about.scores]: seed };
    found.without[rule] = text(engine.gradient(image, seeds, rule, all(asked.switches)));
    found.gradients[rule] = text(engine.gradient(image, seeds, rule));
  }
}
if (asked.learn) {
  const trainer = await loadTrainer(about.learning);
  const images = floats(asked.learn.images);
  found.losses = asked.learn.targets.map((targets) => trainer.step(images, targets));
  const states = Object.keys(about.learning.states);
  found.states = text(Object.fromEntries(states.map((key) => [key, trainer.weights(key)])));
}
console.log(JSON.stringify(found));
