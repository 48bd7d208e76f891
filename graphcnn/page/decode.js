// From the blocks of data in the page to numbers.
// @ts-check

/** @param {string} text base64 @returns {Uint8Array} */
export function bytesOf(text) {
  // A function of browsers since 2025, which is quicker than a loop.
  const { fromBase64 } = /** @type {any} */ (Uint8Array);
  if (fromBase64) return fromBase64.call(Uint8Array, text);
  const letters = atob(text);
  const bytes = new Uint8Array(letters.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = letters.charCodeAt(i);
  return bytes;
}

/** Numbers in little endian, as the page holds them. @param {string} text base64 */
export function floatsOf(text) {
  return new Float32Array(bytesOf(text).buffer);
}

/** What is deflated in a block of the page; an error where it is not as it was written, which the
 * checksum of its end tells.
 * @param {string} text base64 @returns {Promise<Uint8Array>} */
export async function inflated(text) {
  const stream = new DecompressionStream("deflate");
  const writer = stream.writable.getWriter();
  // Whoever reads is told of errors.
  for (const written of [writer.write(bytesOf(text)), writer.close()]) written.catch(() => {});
  return new Uint8Array(await new Response(stream.readable).arrayBuffer());
}

/** Numbers whose first bytes stand together, then their second ones, and so on.
 * @param {Uint8Array} planes @param {"float32"|"float16"} type @returns {Float32Array} */
export function numbersOf(planes, type) {
  const count = planes.length / (type === "float16" ? 2 : 4);
  const numbers = new Float32Array(count);
  const bits = new Uint32Array(numbers.buffer);
  const [second, third, last] = [count, 2 * count, 3 * count];
  if (type === "float32") {
    for (let i = 0; i < count; i++) {
      const low = planes[i] | (planes[second + i] << 8);
      bits[i] = low | (planes[third + i] << 16) | (planes[last + i] << 24);
    }
    return numbers;
  }
  for (let i = 0; i < count; i++) {
    const high = planes[second + i];
    const sign = (high & 128) << 24;
    const exponent = (high >> 2) & 31;
    const fraction = ((high & 3) << 8) | planes[i];
    // The same number has its bits in other places, but where it is below 2 ** -14.
    if (exponent === 31) bits[i] = sign | 0x7f800000 | (fraction << 13);
    else if (exponent) bits[i] = sign | ((exponent + 112) << 23) | (fraction << 13);
    else numbers[i] = (sign ? -1 : 1) * 2 ** -24 * fraction;
  }
  return numbers;
}
