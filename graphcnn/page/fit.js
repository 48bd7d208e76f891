// From what somebody draws or brings to what the network sees: pure functions of planes of levels.
// @ts-check

/**
 * Planes of levels in 0..1, `data[(c * height + y) * width + x]`.
 * @typedef {{ channels: number, height: number, width: number, data: Float32Array }} Planes
 */

/**
 * @param {number} channels @param {number} height @param {number} width
 * @returns {Planes}
 */
export function newPlanes(channels, height, width) {
  return { channels, height, width, data: new Float32Array(channels * height * width) };
}

/** @param {number} value */
export function clipped(value) {
  return value < 0 ? 0 : value > 1 ? 1 : value;
}

/**
 * A rectangle of the planes in another size: every cell is the mean of the area that it covers.
 * What lies outside of the planes counts as 0.
 * @param {Planes} planes
 * @param {number} height @param {number} width
 * @param {{ left: number, top: number, right: number, bottom: number }} [area] in pixels, which
 *   may be fractions; all of the planes by default
 * @returns {Planes}
 */
export function areaAverage(planes, height, width, area) {
  const { left, top, right, bottom } = area || {
    left: 0,
    top: 0,
    right: planes.width,
    bottom: planes.height,
  };
  const across = spans(left, right, width, planes.width),
    down = spans(top, bottom, height, planes.height);
  const result = newPlanes(planes.channels, height, width);
  const row = new Float64Array(planes.width),
    { data } = planes,
    size = planes.width;
  const from = across.first[0],
    to = Math.min(size, across.first[width - 1] + across.most);
  for (let c = 0, i = 0; c < planes.channels; c++) {
    for (let y = 0; y < height; y++) {
      row.fill(0);
      for (let k = 0; k < down.most; k++) {
        const share = down.shares[y * down.most + k];
        if (share === 0) continue;
        const start = (c * planes.height + down.first[y] + k) * size;
        for (let x = from; x < to; x++) row[x] += share * data[start + x];
      }
      for (let x = 0; x < width; x++, i++) {
        let sum = 0;
        for (let k = 0; k < across.most; k++) {
          const share = across.shares[x * across.most + k];
          if (share !== 0) sum += share * row[across.first[x] + k];
        }
        result.data[i] = sum;
      }
    }
  }
  return result;
}

/**
 * Each of `count` cells from `start` to `end` covers up to `most` pixels, from `first` on, each
 * with its share of the cell.
 * @param {number} start @param {number} end @param {number} count @param {number} size
 */
function spans(start, end, count, size) {
  const step = (end - start) / count,
    most = Math.ceil(step) + 1;
  const first = new Int32Array(count),
    shares = new Float64Array(count * most);
  for (let i = 0; i < count; i++) {
    const from = start + i * step;
    first[i] = Math.max(0, Math.floor(from));
    for (let k = 0; k < most && first[i] + k < size; k++) {
      const pixel = first[i] + k;
      shares[i * most + k] =
        Math.max(0, Math.min(from + step, pixel + 1) - Math.max(from, pixel)) / step;
    }
  }
  return { first, shares, most };
}

/**
 * The box around all that is not 0, and the centre of mass in indices of pixels. Null where there
 * is nothing.
 * @param {Planes} planes of one channel
 */
export function massOf(planes) {
  const { width, height, data } = planes;
  let left = width,
    right = -1,
    top = -1,
    bottom = -1,
    mass = 0,
    sumX = 0,
    sumY = 0;
  for (let y = 0; y < height; y++) {
    let row = 0;
    for (let x = 0, i = y * width; x < width; x++, i++) {
      const value = data[i];
      if (value <= 0) continue;
      if (x < left) left = x;
      if (x > right) right = x;
      row += value;
      sumX += value * x;
    }
    if (row <= 0) continue;
    if (top < 0) top = y;
    bottom = y;
    mass += row;
    sumY += row * y;
  }
  if (mass === 0) return null;
  const area = { left, top, right: right + 1, bottom: bottom + 1 };
  return { area, mass, x: sumX / mass, y: sumY / mass };
}

/**
 * Ink as the pictures of MNIST were made (Y. LeCun et al., 1998): the box around the ink is brought
 * into `box` × `box` pixels with its aspect kept, antialiased, and moved by whole pixels until its
 * centre of mass is at the pixel in the middle. Pictures of MNIST come out as they go in.
 * @param {Planes} ink of one channel, 0 where there is none
 * @param {number} height @param {number} width of what the network sees
 * @param {{ centred: boolean, box: number }} drawing without `centred` the box is in the middle
 * @returns {Planes}
 */
export function fitDigit(ink, height, width, drawing) {
  const result = newPlanes(1, height, width),
    found = massOf(ink);
  if (!found) return result;
  const { area } = found,
    tall = area.bottom - area.top,
    wide = area.right - area.left;
  const scale = drawing.box / Math.max(tall, wide);
  const rows = Math.max(1, Math.ceil(tall * scale - 1e-6));
  const columns = Math.max(1, Math.ceil(wide * scale - 1e-6));
  const digit = areaAverage(ink, rows, columns, {
    left: area.left,
    top: area.top,
    right: area.left + columns / scale,
    bottom: area.top + rows / scale,
  });
  const mass = massOf(digit);
  if (!mass) return result;
  const y0 = beginning(drawing.centred ? mass.y : rows / 2, rows, height);
  const x0 = beginning(drawing.centred ? mass.x : columns / 2, columns, width);
  for (let y = 0; y < Math.min(rows, height); y++) {
    for (let x = 0; x < Math.min(columns, width); x++) {
      result.data[(y + y0) * width + x + x0] = digit.data[y * columns + x];
    }
  }
  return result;
}

/**
 * Where something begins whose point `middle` is to lie at pixel size / 2, and that stays inside.
 * @param {number} middle @param {number} length @param {number} size
 */
function beginning(middle, length, size) {
  return Math.max(0, Math.min(size - length, Math.floor(size / 2 - middle + 0.5)));
}

/**
 * The ink on a photographed sheet: paper 0, ink up to 1. The threshold is N. Otsu's (1979), and
 * what there is less of is the ink, whether it is dark or light.
 * @param {Planes} planes of one channel
 * @returns {Planes}
 */
export function inkOf(planes) {
  const counts = new Float64Array(256),
    result = newPlanes(1, planes.height, planes.width);
  for (const value of planes.data) counts[Math.round(255 * clipped(value))]++;
  const total = planes.data.length;
  let sum = 0;
  for (let i = 0; i < 256; i++) sum += i * counts[i];
  let best = 0,
    below = 0,
    weight = 0,
    split = { low: 0, high: 0, share: 1 };
  for (let i = 0; i < 255; i++) {
    weight += counts[i];
    below += i * counts[i];
    if (weight === 0 || weight === total) continue;
    const low = below / weight,
      high = (sum - below) / (total - weight);
    const between = weight * (total - weight) * (high - low) ** 2;
    if (between > best) {
      best = between;
      split = { low: low / 255, high: high / 255, share: weight / total };
    }
  }
  if (best === 0) return result; // one level everywhere: no ink
  const inkIsLight = split.share > 0.5;
  const ink = inkIsLight ? split.high : split.low,
    middle = (split.low + split.high) / 2;
  for (let i = 0; i < total; i++) {
    result.data[i] = clipped((planes.data[i] - middle) / (ink - middle));
  }
  return result;
}

/**
 * The middle of a picture as planes: cut to the aspect that is asked for, then area-averaged.
 * @param {{ data: ArrayLike<number>, width: number, height: number }} picture red, green, blue and
 *   alpha, as of `getImageData`; where it is transparent it lies on white
 * @param {number} channels 3 keeps the colours; otherwise all are the luma (ITU-R BT.601)
 * @param {number} height @param {number} width
 * @returns {Planes}
 */
export function fitPhoto(picture, channels, height, width) {
  const whole = newPlanes(channels === 3 ? 3 : 1, picture.height, picture.width);
  const count = picture.width * picture.height;
  for (let i = 0; i < count; i++) {
    const alpha = picture.data[4 * i + 3] / 255;
    const [r, g, b] = [0, 1, 2].map((k) => (picture.data[4 * i + k] / 255) * alpha + 1 - alpha);
    if (channels === 3) {
      whole.data[i] = r;
      whole.data[count + i] = g;
      whole.data[2 * count + i] = b;
    } else whole.data[i] = 0.299 * r + 0.587 * g + 0.114 * b;
  }
  const scale = Math.min(picture.width / width, picture.height / height);
  const left = (picture.width - scale * width) / 2,
    top = (picture.height - scale * height) / 2;
  const area = { left, top, right: left + scale * width, bottom: top + scale * height };
  return repeated(areaAverage(whole, height, width, area), channels);
}

/**
 * One channel repeated, where the network wants more.
 * @param {Planes} planes @param {number} channels
 * @returns {Planes}
 */
export function repeated(planes, channels) {
  if (planes.channels === channels) return planes;
  const result = newPlanes(channels, planes.height, planes.width);
  const size = planes.height * planes.width;
  for (let c = 0; c < channels; c++) result.data.set(planes.data.subarray(0, size), c * size);
  return result;
}

/**
 * Every pixel a block of `factor` × `factor`, as what was seen is laid on the drawing surface.
 * @param {Planes} planes @param {number} factor
 * @returns {Planes}
 */
export function enlargedBlocks(planes, factor) {
  const result = newPlanes(planes.channels, planes.height * factor, planes.width * factor);
  for (let i = 0, row = 0; row < planes.channels * result.height; row++) {
    const from = Math.floor(row / factor) * planes.width;
    for (let x = 0; x < result.width; x++, i++) {
      result.data[i] = planes.data[from + Math.floor(x / factor)];
    }
  }
  return result;
}

/**
 * Numbers in 0..1 that depend on the seed alone (mulberry32).
 * @param {number} seed
 * @returns {() => number}
 */
export function uniformNumbers(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t = (t + Math.imul(t ^ (t >>> 7), t | 61)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/**
 * Standard normal numbers (G. Box, M. Muller, 1958).
 * @param {number} seed @param {number} count
 * @returns {Float32Array}
 */
export function normalNumbers(seed, count) {
  const next = uniformNumbers(seed),
    result = new Float32Array(count);
  for (let i = 0; i < count; i += 2) {
    const size = Math.sqrt(-2 * Math.log(1 - next())),
      angle = 2 * Math.PI * next();
    result[i] = size * Math.cos(angle);
    if (i + 1 < count) result[i + 1] = size * Math.sin(angle);
  }
  return result;
}

/**
 * @typedef {{ noise: number, seed: number, x: number, y: number, turn: number }} Disturbance
 *   noise: its standard deviation in levels; x, y: pixels to the right and down; turn: degrees,
 *   clockwise
 */

/**
 * The planes turned about their middle, moved, and with noise, clipped to 0..1. What comes in over
 * the border repeats the border.
 * @param {Planes} planes @param {Disturbance} how
 * @returns {Planes}
 */
export function disturbed(planes, how) {
  const moved = how.x || how.y || how.turn ? turned(planes, how) : planes;
  if (!how.noise) return moved;
  const result = newPlanes(planes.channels, planes.height, planes.width);
  const noise = normalNumbers(how.seed, result.data.length);
  for (let i = 0; i < noise.length; i++) {
    result.data[i] = clipped(moved.data[i] + how.noise * noise[i]);
  }
  return result;
}

/** @param {Planes} planes @param {Disturbance} how */
function turned(planes, how) {
  const { channels, height, width } = planes,
    result = newPlanes(channels, height, width);
  const angle = (how.turn * Math.PI) / 180,
    cos = Math.cos(angle),
    sin = Math.sin(angle);
  const middleY = (height - 1) / 2,
    middleX = (width - 1) / 2;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const dy = y - middleY - how.y,
        dx = x - middleX - how.x;
      for (let c = 0; c < channels; c++) {
        result.data[(c * height + y) * width + x] = between(
          planes,
          c,
          middleY - sin * dx + cos * dy,
          middleX + cos * dx + sin * dy,
        );
      }
    }
  }
  return result;
}

/**
 * A level between pixels, bilinear, the border repeated.
 * @param {Planes} planes @param {number} c @param {number} y @param {number} x
 */
export function between(planes, c, y, x) {
  const { height, width, data } = planes,
    from = c * height * width;
  const row = Math.min(Math.max(y, 0), height - 1),
    column = Math.min(Math.max(x, 0), width - 1);
  const top = Math.min(Math.floor(row), Math.max(height - 2, 0)),
    down = row - top;
  const left = Math.min(Math.floor(column), Math.max(width - 2, 0)),
    right = column - left;
  const below = Math.min(top + 1, height - 1),
    beside = Math.min(left + 1, width - 1);
  const upper =
    data[from + top * width + left] * (1 - right) + data[from + top * width + beside] * right;
  const lower =
    data[from + below * width + left] * (1 - right) + data[from + below * width + beside] * right;
  return upper * (1 - down) + lower * down;
}

/**
 * A plane in another size, bilinear between the middles of its cells.
 * @param {Planes} planes @param {number} height @param {number} width
 * @returns {Planes}
 */
export function enlargedSmoothly(planes, height, width) {
  const result = newPlanes(planes.channels, height, width);
  for (let i = 0, c = 0; c < planes.channels; c++) {
    for (let y = 0; y < height; y++) {
      const row = ((y + 0.5) * planes.height) / height - 0.5;
      for (let x = 0; x < width; x++, i++) {
        result.data[i] = between(planes, c, row, ((x + 0.5) * planes.width) / width - 0.5);
      }
    }
  }
  return result;
}
