// Images that the convolution lab works on.
// @ts-check

/**
 * What the network sees as one channel of at most 28 pixels a side: mean of channels and of blocks.
 * @param {Float32Array} levels
 * @param {number[]} shape
 */
export function asGrey(levels, [channels, height, width]) {
  const block = Math.max(1, Math.ceil(Math.max(height, width) / 28));
  const size = [Math.floor(height / block), Math.floor(width / block)];
  const grey = new Float32Array(size[0] * size[1]);
  grey.forEach((_, i) => {
    const [top, left] = [Math.floor(i / size[1]) * block, (i % size[1]) * block];
    for (let c = 0; c < channels; c++) {
      for (let j = 0; j < block * block; j++) {
        const [y, x] = [top + Math.floor(j / block), left + (j % block)];
        grey[i] += levels[(c * height + y) * width + x] / (channels * block * block);
      }
    }
  });
  return { values: grey, size };
}

/**
 * The image, its mirror images and its negative, as many channels as there are.
 * @param {Float32Array} values
 * @param {number[]} size
 * @param {number} channels
 */
export function asChannels(values, [height, width], channels) {
  const all = new Float32Array(channels * values.length);
  values.forEach((value, i) => {
    const [y, x] = [Math.floor(i / width), i % width];
    const places = [i, y * width + width - 1 - x, (height - 1 - y) * width + x, i];
    for (let c = 0; c < channels; c++)
      all[c * values.length + places[c]] = c === 3 ? -value : value;
  });
  return all;
}
