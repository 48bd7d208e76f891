// A network of every kind of layer that the page takes apart, computed by plain loops: what the
// parts of its values and the fields of its units are compared with.

/** Numbers that look random and are the same every time. */
export function numbers(count, seed = 1) {
  let state = seed;
  return Float32Array.from({ length: count }, () => {
    state = (state * 48271) % 2147483647;
    return ((state % 2000) + 0.5) / 1000 - 1; // never 0
  });
}

const plain = {
  window: null,
  weight: null,
  bias: null,
  then: [],
  exact: true,
  field: null,
  origin: "",
};

function windowOf(kernel, stride, pads, dilation = [1, 1], groups = 1) {
  return { kernel, stride, pads, dilation, groups };
}

const relu = { op: "relu" };

const layers = [
  { ...plain, name: "image", kind: "image", shape: [2, 9, 8], from: [] },
  {
    ...plain,
    name: "plain",
    kind: "conv2d",
    shape: [4, 9, 8],
    from: ["image"],
    weight: "w1",
    bias: "b1",
    window: windowOf([3, 3], [1, 1], [1, 1, 1, 1]),
    then: [relu],
  },
  {
    ...plain,
    name: "strided",
    kind: "conv2d",
    shape: [4, 4, 5],
    from: ["plain"],
    weight: "w2",
    bias: null,
    window: windowOf([3, 2], [2, 2], [0, 1, 1, 1]),
    then: [
      { op: "scale", by: "norm", of: ["g", "b", "m", "v"], epsilon: 0.5 },
      { op: "scale", by: "sub", of: [0.25] },
      { op: "leaky_relu", numbers: [0.1] },
    ],
  },
  {
    ...plain,
    name: "dilated",
    kind: "conv2d",
    shape: [4, 4, 5],
    from: ["strided"],
    weight: "w3",
    bias: "b3",
    window: windowOf([2, 3], [1, 1], [1, 2, 0, 2], [1, 2], 2),
    then: [],
  },
  {
    ...plain,
    name: "join",
    kind: "add",
    shape: [4, 4, 5],
    from: ["strided", "dilated"],
    then: [relu],
  },
  { ...plain, name: "beside", kind: "concat", shape: [8, 4, 5], from: ["dilated", "join"] },
  {
    ...plain,
    name: "max",
    kind: "max_pool2d",
    shape: [8, 2, 3],
    from: ["beside"],
    window: windowOf([3, 3], [2, 2], [1, 1, 0, 1]),
  },
  {
    ...plain,
    name: "average",
    kind: "avg_pool2d",
    shape: [8, 3, 3],
    from: ["beside"],
    window: { ...windowOf([2, 2], [2, 2], [1, 0, 0, 1]), countPad: true },
  },
  {
    ...plain,
    name: "inner",
    kind: "avg_pool2d",
    shape: [8, 3, 3],
    from: ["beside"],
    window: windowOf([2, 2], [2, 2], [1, 0, 0, 1]),
  },
  { ...plain, name: "means", kind: "global_avg_pool2d", shape: [8, 1, 1], from: ["max"] },
  { ...plain, name: "gated", kind: "mul", shape: [8, 3, 3], from: ["average", "means"] },
  { ...plain, name: "flat", kind: "flatten", shape: [72], from: ["gated"] },
  { ...plain, name: "scores", kind: "dense", shape: [5], from: ["flat"], weight: "w4", bias: "b4" },
  { ...plain, name: "shares", kind: "softmax", shape: [5], from: ["scores"] },
];

export const about = {
  name: "fake",
  layers,
  scores: "scores",
  readable: "softmax",
  classes: ["a", "b", "c", "d", "e"],
};

const states = {
  w1: numbers(4 * 2 * 9, 2),
  b1: numbers(4, 3),
  w2: numbers(4 * 4 * 6, 4),
  g: [2, -1, 0.5, 1],
  b: [0.1, 0.2, 0.3, 0.4],
  m: [0.3, -0.2, 0, 1],
  v: [1.5, 0.5, 3, 0.1],
  w3: numbers(4 * 2 * 6, 5),
  b3: numbers(4, 6),
  w4: numbers(5 * 72, 7),
  b4: numbers(5, 8),
};

export const weights = (key) => states[key];

function at([, rows, columns], values, channel, y, x) {
  const inside = y >= 0 && y < rows && x >= 0 && x < columns;
  return inside ? values[(channel * rows + y) * columns + x] : null;
}

function cell(layer, linear, shape, values, channel, y, x) {
  const { kernel, stride, pads, dilation, groups, countPad } = layer.window;
  const conv = layer.kind === "conv2d";
  const perGroup = conv ? shape[0] / groups : 1;
  const first = conv ? Math.floor((channel * groups) / layer.shape[0]) * perGroup : channel;
  let [sum, most, count] = [conv && layer.bias ? states[layer.bias][channel] : 0, -Infinity, 0];
  for (let c = 0; c < perGroup; c += 1)
    for (let u = 0; u < kernel[0]; u += 1)
      for (let v = 0; v < kernel[1]; v += 1) {
        const row = y * stride[0] - pads[0] + u * dilation[0];
        const column = x * stride[1] - pads[1] + v * dilation[1];
        const value = at(shape, values, first + c, row, column);
        const weight = conv
          ? states[layer.weight][((channel * perGroup + c) * kernel[0] + u) * kernel[1] + v]
          : 1;
        sum += (value ?? 0) * weight;
        most = Math.max(most, value ?? -Infinity);
        const padded = row < shape[1] + pads[2] && column < shape[2] + pads[3];
        count += countPad ? padded : value !== null;
      }
  return { conv2d: sum, max_pool2d: linear ? sum : most, avg_pool2d: sum / count }[layer.kind];
}

function followed(layer, channel, value) {
  for (const step of layer.then) {
    if (step.op === "relu") value = value > 0 ? value : 0;
    if (step.op === "leaky_relu") value = value > 0 ? value : value * step.numbers[0];
    if (step.by === "norm") {
      const [gamma, beta, mean, variance] = step.of.map((key) => states[key][channel]);
      value = ((value - mean) / Math.sqrt(variance + step.epsilon)) * gamma + beta;
    }
    if (step.by === "sub") value -= step.of[0];
  }
  return value;
}

/** All maps. With `linear` nothing hides a change: no relu, and sums for maxima and softmax. */
export function run(image, linear = false) {
  return rerun({ image }, 0, linear);
}

/** The maps again from one layer on, what lies before it left as it is. */
export function rerun(given, first, linear = false) {
  const maps = { ...given };
  for (const layer of layers.slice(first)) {
    const [channels, rows = 1, columns = 1] = layer.shape;
    const made = new Float64Array(channels * rows * columns);
    const from = layer.from.map((name) => layers.find((each) => each.name === name));
    for (let index = 0; index < made.length; index += 1) {
      const [c, y, x] = [
        Math.floor(index / rows / columns),
        Math.floor(index / columns) % rows,
        index % columns,
      ];
      const read = from.map((each) => maps[each.name]);
      let value;
      if (layer.kind === "image") value = given.image[index];
      else if (layer.window) value = cell(layer, linear, from[0].shape, read[0], c, y, x);
      else if (layer.kind === "add") value = read[0][index] + read[1][index];
      else if (layer.kind === "mul") value = read[0][index] * read[1][c];
      else if (layer.kind === "concat")
        value = index < read[0].length ? read[0][index] : read[1][index - read[0].length];
      else if (layer.kind === "flatten") value = read[0][index];
      else if (layer.kind === "global_avg_pool2d")
        value = read[0].slice(c * 6, c * 6 + 6).reduce((a, b) => a + b) / 6;
      else if (layer.kind === "dense")
        value = read[0].reduce(
          (sum, x, f) => sum + x * states[layer.weight][index * 72 + f],
          states[layer.bias][index],
        );
      else if (linear) value = read[0][index] + read[0].reduce((a, b) => a + b);
      else value = Math.exp(read[0][index]) / read[0].reduce((sum, z) => sum + Math.exp(z), 0);
      made[index] = linear ? value : followed(layer, c, value);
    }
    maps[layer.name] = made;
  }
  return maps;
}
