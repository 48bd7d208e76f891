/** What the parts of the page tell each other. */

/** Everything about the network that is not its weights: `<script type="application/json" id="about">`. */
export interface About {
  /** The title: the model's name, or the one that was asked for. */
  name: string;
  /** In which the page opens; null: the browser's. */
  language: "en" | "zh" | null;
  madeBy: string;
  /** Of the code and the weights. */
  hash: string;
  parameters: number;
  multiplyAdds: number;
  input: {
    /** Channels, height, width. */
    shape: [number, number, number];
    /** (level * scale - mean) / std for levels 0 to 255; one number each, or one a channel. */
    normalisation: { mean: number[]; std: number[]; scale: number } | null;
    /** Of grey digits: strokes are fitted into box × box pixels; `centred`: centre of mass in the middle. */
    drawing: { centred: boolean; box: number } | null;
  };
  /** Their names; "0", "1", … where none are known; [] where the output is no list of classes. Of an
   * output that is a map: the names of its channels, if any. */
  classes: string[];
  /** The first is "image", the last one the scores. */
  layers: Layer[];
  /** Name of the last layer. */
  scores: string;
  /** What makes probabilities of the scores; null where they are numbers. */
  readable: "softmax" | "sigmoid" | null;
  /** In the order of the block of weights; of float32, whatever they are stored as. */
  states: { key: string; shape: number[] }[];
  weightsAs: "float32" | "float16";
  programs: Programs;
  /** Ways back through rectifiers: "plain", "guided", "deconv"; those that the network has. */
  rules: string[];
  golden: Golden[];
  samples: Sample[];
  /** Small enough to run while one draws; else there is a "run" button. */
  live: boolean;
  learning: Learning | null;
}

export interface Layer {
  name: string;
  /** Name of the operator: "conv2d", "dense", "max_pool2d", "add", …; "image" of the first. */
  kind: string;
  /** [C, H, W], or [F] of a vector. */
  shape: number[];
  from: string[];
  window: Window | null;
  /** Keys of states. */
  weight: string | null;
  bias: string | null;
  /** What follows inside the same map, in order. */
  then: Then[];
  /** A number of it can be computed from `from` by window, weight, bias and then. */
  exact: boolean;
  /** Else the operator that stands in the way, and which words of words.js say how. */
  why?: { word: "Step" | "Operator" | "Operands"; op: string } | null;
  /** Of operators that read in another way than through a window: their attributes. */
  settings?: Settings | null;
  /** Receptive field on the image, rows and columns: from start + y * step on, size pixels. */
  field: { size: [number, number]; step: [number, number]; start: [number, number] } | null;
  /** The user's line, "lenet.py:12". */
  origin: string;
}

export interface Window {
  kernel: [number, number];
  stride: [number, number];
  /** Top, left, bottom, right. */
  pads: [number, number, number, number];
  dilation: [number, number];
  groups: number;
  /** Of an average: padding counts as zeros. */
  countPad?: boolean;
}

/** By operator: of conv_transpose2d the window that its convolution slides over the result, of
 * upsample2d scale, mode and corners, of group_norm groups and of layer_norm axes, both with keys of
 * states, of mean axes. Axes are 0 channels, 1 rows, 2 columns. */
export type Settings = Partial<Window> & {
  scale?: [number, number];
  mode?: "nearest" | "bilinear";
  corners?: boolean;
  epsilon?: number;
  gamma?: string;
  beta?: string;
  axes?: number[];
};

/** Numbers that go with a step: the key of states, one for each channel or one for all; or one. */
export type Numbers = string | number;

/** "scale" is scale * x + shift: by "add", "sub", "mul" or "div" of one kind of numbers, by "norm" of
 * gamma, beta, mean and variance. Others are operators with their settings. */
export type Then =
  | { op: "scale"; by: string; of: Numbers[]; epsilon?: number }
  | { op: string; numbers?: number[] };

/** Numbers of the reference; `outputs` holds those at the places floor(i * n / k) of the n of a layer. */
export interface Golden {
  /** base64 of float32; "" is the pattern of `patternImage`. */
  image: string;
  outputs: { [layer: string]: string };
  /** Of the sum of the scores, by the image; "" where it is not checked. */
  gradient: string;
}

export interface Sample {
  label: string;
  /** base64 of C*H*W bytes. */
  levels: string;
}

/** Where things lie in the memory of the module, in bytes from its global `space` on. */
export interface Programs {
  states: { [key: string]: number };
  /** Raw states that a function reads as they are: [from, to, bytes]. */
  copies: [number, number, number][];
  /** Of the block of constants: [to, from, bytes]. */
  constants: [number, number, number][];
  /** Run in this order when states changed; then the others can be called. */
  prepare: string[];
  /** Of each function the place of its table, its one argument, and the places that stand in it. */
  functions: { [name: string]: [table: number, places: number[]] };
  /** Of single numbers and maps: "image", "floor", "open", "factor L", "seed L", "map L", "gradient L". */
  ports: { [port: string]: [begin: number, count: number] };
}

/** A small network with its training step. */
export interface Learning {
  code: string;
  programs: Programs;
  /** Deflated bytes, base64. */
  constants: string;
  /** First values of the states, base64 of float32, by key. */
  states: { [key: string]: string };
  input: [number, number, number];
  classes: string[];
  batch: number;
}

/** A map for each layer; of a run views, which the next call overwrites. */
export interface Maps {
  [layer: string]: Float32Array;
}

export interface Unit {
  layer: string;
  channel: number;
  y: number;
  x: number;
}

export interface Ascent {
  /** Length of the step, in standard deviations of the image's range. */
  rate?: number;
  /** How much of the distance from grey is taken off in each step. */
  decay?: number;
  /** How much each pixel takes of its neighbours, 0 to 1. */
  blur?: number;
  rule?: string;
  switches?: Maps;
}

export interface Engine {
  about: About;
  weights(key: string): Float32Array;
  setWeights(key: string, values: Float32Array): void;
  /** `switches`: a factor for each channel of a layer; what follows computes with the product. */
  run(image: Float32Array, switches?: Maps): Maps;
  /** Of the sum of seeds · layers: the derivative by every layer that it depends on, and "image". */
  gradient(image: Float32Array, seeds: Maps, rule?: string, switches?: Maps): Maps;
  /** The image a step further: one number, or the mean of a channel where y and x are not given. */
  maximiseStep(
    image: Float32Array,
    layer: string,
    unit: { channel: number; y?: number; x?: number },
    options?: Ascent,
  ): Float32Array;
}

export interface Trainer {
  learning: Learning;
  /** One step: images of the batch one after the other, their class numbers. */
  step(images: Float32Array, targets: Int32Array | number[]): number;
  /** Scores of one image. */
  run(image: Float32Array): Maps;
  weights(key: string): Float32Array;
  reset(): void;
}

export interface State {
  /** What the network sees, C*H*W in 0..1, before normalisation. */
  levels: Float32Array;
  /** The same normalised: what the engine is given. */
  image: Float32Array;
  /** Copies of the last run. */
  maps: Maps | null;
  /** The maps are older than the image. */
  stale: boolean;
  /** Milliseconds of the last run. */
  spent: number;
  layer: string;
  /** Under the mouse, or chosen by keys; y = x = 0 of a vector. */
  unit: Unit | null;
  pins: Unit[];
  /** The mouse does not move `unit`. */
  frozen: boolean;
  rule: string;
  gamma: number;
  switches: Maps;
  overlay: "none" | "occlusion" | "cam" | "gradient";
  lang: "en" | "zh";
  theme: "auto" | "light" | "dark";
  pane: string;
}

export interface Store {
  get(): State;
  set(patch: Partial<State>): void;
  /** Those who listen since the last frame alone are told in the next, whatever has changed. */
  greet(): void;
  /** Tells what waits for the next frame. */
  now(): void;
  /** Told once per frame at most; returns what ends it. */
  on(keys: (keyof State)[], listener: (state: State) => void): () => void;
}

export interface App {
  engine: Engine;
  about: About;
  store: Store;
  say(key: string, values?: { [name: string]: string | number }): string;
  /** Reads a text aloud. */
  announce(text: string): void;
  /** Shows the red banner. */
  fail(message: string): void;
  run(): void;
}
