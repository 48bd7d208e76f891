// Numbers as colours, those of graphcnn's pictures (ColorBrewer's RdBu, linear between).
// @ts-check

const DIVERGING = ["053061", "2166ac", "92c5de", "ffffff", "f4a582", "b2182b", "67001f"];

/** 256 colours as bytes red, green, blue, 255 from blue (below 0) over white (0) to red. */
export const SIGNED = table(DIVERGING);

/** @param {string[]} colours */
function table(colours) {
  const bytes = new Uint8ClampedArray(256 * 4);
  for (let i = 0; i < 256; i++) {
    const place = (i / 255) * (colours.length - 1);
    const left = Math.min(Math.floor(place), colours.length - 2);
    for (let k = 0; k < 3; k++) {
      const [a, b] = [left, left + 1].map((at) =>
        parseInt(colours[at].slice(2 * k, 2 * k + 2), 16),
      );
      bytes[4 * i + k] = Math.round(a + (b - a) * (place - left));
    }
    bytes[4 * i + 3] = 255;
  }
  return bytes;
}

/** @param {number} share value / most, in -1..1 */
function place(share) {
  return 4 * Math.round(Math.min(Math.max(share / 2 + 0.5, 0), 1) * 255);
}

/**
 * The colour of a number between -most, blue, and most, red.
 * @param {number} value
 * @param {number} most
 */
export function signedColour(value, most) {
  const at = place(most > 0 ? value / most : 0);
  return `rgb(${SIGNED[at]} ${SIGNED[at + 1]} ${SIGNED[at + 2]})`;
}

/** Whether black text reads better than white on `signedColour(value, most)`: contrasts with both by
 * the luminance of WCAG 2 are equal at 0.179, and above 4.5 then.
 * @param {number} value @param {number} most */
export function isPale(value, most) {
  const at = place(most > 0 ? value / most : 0);
  const [r, g, b] = [0, 1, 2].map((k) => {
    const level = SIGNED[at + k] / 255;
    return level <= 0.04045 ? level / 12.92 : ((level + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b > 0.179;
}

/**
 * The largest size of a number.
 * @param {ArrayLike<number>} values
 */
export function largest(values) {
  let most = 0;
  for (let i = 0; i < values.length; i++) most = Math.max(most, Math.abs(values[i]));
  return most;
}

/**
 * A map (height, width) on a canvas of as many pixels; CSS makes it as large as it is shown.
 * @param {HTMLCanvasElement} canvas
 * @param {ArrayLike<number>} values
 * @param {number} height
 * @param {number} width
 * @param {number} most the number that is red
 * @param {number} gamma below 1: small numbers show more
 */
export function paintSigned(canvas, values, height, width, most, gamma = 1) {
  if (canvas.width !== width || canvas.height !== height) {
    [canvas.width, canvas.height] = [width, height];
  }
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  const pixels = context.createImageData(width, height);
  const { data } = pixels;
  const scale = most > 0 ? 1 / most : 0;
  for (let i = 0; i < height * width; i++) {
    const share = values[i] * scale;
    const bent = gamma === 1 ? share : Math.sign(share) * Math.abs(share) ** gamma;
    const at = place(bent);
    for (let k = 0; k < 4; k++) data[4 * i + k] = SIGNED[at + k];
  }
  context.putImageData(pixels, 0, 0);
}

/**
 * An image (C, H, W) of levels 0..1 as it looks: grey, or red, green and blue.
 * @param {HTMLCanvasElement} canvas
 * @param {ArrayLike<number>} levels
 * @param {number[]} shape C, H, W
 */
export function paintImage(canvas, levels, [channels, height, width]) {
  if (canvas.width !== width || canvas.height !== height) {
    [canvas.width, canvas.height] = [width, height];
  }
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  const pixels = context.createImageData(width, height);
  const { data } = pixels;
  const size = height * width;
  const [green, blue] = channels === 3 ? [size, 2 * size] : [0, 0];
  for (let i = 0, at = 0; i < size; i++, at += 4) {
    data[at] = 255 * levels[i];
    data[at + 1] = 255 * levels[green + i];
    data[at + 2] = 255 * levels[blue + i];
    data[at + 3] = 255;
  }
  context.putImageData(pixels, 0, 0);
}
