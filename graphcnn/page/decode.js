// From the blocks of data in the page to numbers.
// @ts-check

/** @param {string} text base64 @returns {Uint8Array} */
export function bytesOf(text) {
  const binary = atob(text.trim());
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}

/** Numbers in little endian, as the page holds them. @param {string} text base64 */
export function floatsOf(text) {
  return new Float32Array(bytesOf(text).buffer);
}

/** Adler-32 of a text: what its block in the page says, where it is not damaged. @param {string} text */
export function checksum(text) {
  let low = 1,
    high = 0;
  for (const byte of new TextEncoder().encode(text)) {
    low = (low + byte) % 65521;
    high = (high + low) % 65521;
  }
  return high * 65536 + low;
}

/** What is deflated in a block of the page.
 * @param {string} text base64 @returns {Promise<Uint8Array>} */
export async function inflated(text) {
  const stream = new Blob([bytesOf(text)]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** Numbers whose first bytes stand together, then their second ones, and so on.
 * @param {Uint8Array} planes @param {"float32"|"float16"} type @returns {Float32Array} */
export function numbersOf(planes, type) {
  const size = type === "float16" ? 2 : 4;
  const count = planes.length / size;
  const bytes = new Uint8Array(planes.length);
  for (let plane = 0, from = 0; plane < size; plane++) {
    for (let at = plane; at < bytes.length; at += size) bytes[at] = planes[from++];
  }
  return size === 4 ? new Float32Array(bytes.buffer, 0, count) : halvesOf(bytes);
}

/** @param {Uint8Array} bytes of float16 @returns {Float32Array} */
function halvesOf(bytes) {
  return Float32Array.from(new Uint16Array(bytes.buffer), (half) => {
    const sign = half & 0x8000 ? -1 : 1;
    const exponent = (half >> 10) & 31;
    const fraction = half & 1023;
    if (exponent === 31) return fraction ? NaN : sign * Infinity;
    return sign * (exponent ? 2 ** (exponent - 25) * (1024 + fraction) : 2 ** -24 * fraction);
  });
}
