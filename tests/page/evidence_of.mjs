// Prints the evidence that a page (its path is the argument) finds in its first sample, as JSON.
import { readFileSync } from "node:fs";
import { loadEngine, unitSeed } from "../../graphcnn/page/engine.js";
import * as evidence from "../../graphcnn/page/evidence.js";
import { sampleOf } from "../../graphcnn/page/sources.js";

const html = readFileSync(process.argv[2], "utf8");
const block = (id) => html.match(new RegExp(`<script[^>]*id="?${id}"?[^>]*>([^<]*)</script>`))?.[1];
const engine = await loadEngine({ getElementById: (id) => ({ textContent: block(id) }) });
const { about } = engine,
  [, height, width] = about.input.shape,
  { last } = evidence.layersWithMaps(about);
const image = evidence.imageOf(sampleOf(about, 0).data, about.input);
const maps = engine.run(image)[last.name].slice(),
  channel = 3;
const seeds = { [about.scores]: unitSeed(about, about.scores, { channel }) };
const found = Object.fromEntries(
  about.rules.map((rule) => [rule, [...engine.gradient(image, seeds, rule).image]]),
);
const slopes = engine.gradient(image, seeds, "plain")[last.name];
found.cam = [...evidence.gradCam(maps, slopes, last.shape, height, width).map];
const black = evidence.levelScale(about.input).shift;
const runs = evidence.occlusion(engine, image, channel, 5, black, {});
let step;
do step = runs.next();
while (!step.done);
found.occlusion = [...step.value];
console.log(JSON.stringify(found));
