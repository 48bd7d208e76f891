// Making elements: with words that follow the language, and canvases as sharp as the screen.
// @ts-check

/** @typedef {(key: string, values?: { [name: string]: string | number }) => string} Say */

/**
 * An element. Attributes that are functions are listeners (`click: f`), `say`, `sayLabel` and
 * `sayTitle` are keys of words.js for its text, its aria-label and its tooltip: `translate` writes
 * them, in each language. `true` is an attribute without a value, `false` and null none.
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {{ [name: string]: any }} attributes
 * @param {...(Node | string)} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") element.addEventListener(name, value);
    else if (name === "say") element.dataset.say = value;
    else if (name === "sayLabel") element.dataset.sayLabel = value;
    else if (name === "sayTitle") element.dataset.sayTitle = value;
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children);
  return element;
}

/**
 * Writes the words of an element and of all below it, in the language that `say` speaks.
 * @param {ParentNode} root
 * @param {Say} say
 */
export function translate(root, say) {
  /** @param {string} name @param {(element: HTMLElement, words: string) => void} write */
  function each(name, write) {
    const attribute = `data-${name}`;
    for (const element of root.querySelectorAll(`[${attribute}]`)) {
      const words = say(element.getAttribute(attribute) ?? "");
      write(/** @type {HTMLElement} */ (element), words);
    }
  }
  each("say", (element, words) => (element.textContent = words));
  each("say-label", (element, words) => element.setAttribute("aria-label", words));
  each("say-title", (element, words) => (element.title = words));
}

/** After the next frame is painted, or soon where the page is hidden and paints none.
 * @returns {Promise<void>} */
export function painted() {
  return new Promise((done) => {
    const after = () => setTimeout(done);
    if (document.hidden) after();
    else requestAnimationFrame(after);
  });
}

/**
 * Writes text where it is another: the browser lays out anew whatever is written, the same too.
 * @param {Element} element
 * @param {string} text
 */
export function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Sets an attribute where it is another.
 * @param {Element} element @param {string} name @param {string} value */
export function put(element, name, value) {
  if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

/**
 * The context of a canvas that is `width` × `height` CSS pixels on a screen of any density.
 * @param {HTMLCanvasElement} canvas
 * @param {number} width
 * @param {number} height
 */
export function sharpContext(canvas, width, height) {
  const density = globalThis.devicePixelRatio || 1;
  const [w, h] = [Math.round(width * density), Math.round(height * density)];
  if (canvas.width !== w || canvas.height !== h) {
    [canvas.width, canvas.height] = [w, h];
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height}px`;
  }
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  context.setTransform(density, 0, 0, density, 0, 0);
  context.clearRect(0, 0, width, height);
  return context;
}

/**
 * A labelled slider that says its value.
 * @param {Say} say
 * @param {string} key of its label
 * @param {{ min: number, max: number, step?: number, value: number, show?: (v: number) => string }} range
 * @param {(value: number) => void} changed
 */
export function slider(say, key, range, changed) {
  const show = range.show ?? String;
  const text = make("output", { class: "number" }, show(range.value));
  const { min, max, step = 1, value } = range;
  const input = make("input", { type: "range", min, max, step, value, sayLabel: key });
  input.setAttribute("aria-label", say(key));
  const set = (/** @type {number} */ v) => {
    input.value = String(v);
    text.textContent = show(v);
    input.setAttribute("aria-valuetext", show(v));
  };
  input.addEventListener("input", () => {
    set(Number(input.value));
    changed(Number(input.value));
  });
  const name = make("span", { say: key }, say(key));
  return { element: make("label", { class: "slider" }, name, input, text), input, set };
}
