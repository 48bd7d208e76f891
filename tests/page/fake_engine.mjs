// A network of two layers in plain JavaScript, with what the page's parts ask of an engine.

const LAYERS = [
  {
    name: "image",
    kind: "image",
    shape: [1, 6, 6],
    from: [],
    window: null,
    weight: null,
    bias: null,
    then: [],
    exact: false,
    field: { size: [1, 1], step: [1, 1], start: [0, 0] },
    origin: "",
  },
  {
    name: "conv1",
    kind: "conv2d",
    shape: [2, 4, 4],
    from: ["image"],
    window: { kernel: [3, 3], stride: [1, 1], pads: [0, 0, 0, 0], dilation: [1, 1], groups: 1 },
    weight: "conv1.weight",
    bias: null,
    then: [{ op: "relu" }],
    exact: true,
    field: { size: [3, 3], step: [1, 1], start: [0, 0] },
    origin: "",
  },
  {
    name: "scores",
    kind: "dense",
    shape: [3],
    from: ["conv1"],
    window: null,
    weight: "dense.weight",
    bias: null,
    then: [],
    exact: true,
    field: null,
    origin: "",
  },
];

/** Some numbers between -1 and 1 that are the same each time. */
function numbers(count, seed) {
  return Float32Array.from({ length: count }, (_, i) =>
    Math.sin(12.9898 * (i + 1) + 78.233 * seed),
  );
}

export function fakeAbout(changes = {}) {
  return {
    name: "fake",
    madeBy: "tests",
    hash: "0",
    parameters: 114,
    multiplyAdds: 384,
    input: {
      shape: [1, 6, 6],
      normalisation: { mean: [0.5], std: [0.25], scale: 1 / 255 },
      drawing: { centred: true, box: 4 },
    },
    classes: ["a", "b", "c"],
    layers: LAYERS,
    scores: "scores",
    readable: "softmax",
    states: [
      { key: "conv1.weight", shape: [2, 1, 3, 3] },
      { key: "dense.weight", shape: [3, 32] },
    ],
    weightsAs: "float32",
    rules: ["plain", "guided"],
    golden: [],
    live: true,
    samples: [{ label: "a", levels: btoa(String.fromCharCode(...new Uint8Array(36).fill(51))) }],
    ...changes,
  };
}

export function fakeEngine(changes = {}) {
  const about = fakeAbout(changes);
  const states = { "conv1.weight": numbers(18, 1), "dense.weight": numbers(96, 2) };
  const maps = {
    image: new Float32Array(36),
    conv1: new Float32Array(32),
    scores: new Float32Array(3),
  };
  return {
    about,
    runs: 0,
    weights: (key) => states[key],
    setWeights(key, values) {
      states[key] = values;
    },
    run(image, switches = {}) {
      this.runs++;
      maps.image.set(image);
      for (let c = 0; c < 2; c++)
        for (let y = 0; y < 4; y++)
          for (let x = 0; x < 4; x++) {
            let sum = 0;
            for (let i = 0; i < 9; i++) {
              sum +=
                states["conv1.weight"][9 * c + i] *
                image[6 * (y + Math.floor(i / 3)) + x + (i % 3)];
            }
            maps.conv1[16 * c + 4 * y + x] = Math.max(sum, 0) * (switches.conv1?.[c] ?? 1);
          }
      for (let k = 0; k < 3; k++) {
        maps.scores[k] = maps.conv1.reduce(
          (s, v, i) => s + v * states["dense.weight"][32 * k + i],
          0,
        );
      }
      return maps;
    },
    gradient: () => Object.fromEntries(LAYERS.map(({ name }) => [name, maps[name].slice()])),
    maximiseStep: (image) => image.map((v) => v + 0.1),
  };
}
