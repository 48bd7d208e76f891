// What the network looks at: evidence over the image, and what becomes of it without some channels.
// @ts-check

import { make } from "./dom.js";
import { mountOverlay } from "./overlay.js";
import { mountSwitching } from "./switching.js";

/** @param {HTMLElement} element @param {import("./page.d.ts").App} app */
export function mountLook(element, app) {
  const parts = { overlayTitle: mountOverlay, switchTitle: mountSwitching };
  for (const [title, mount] of Object.entries(parts)) {
    const body = make("div", { class: "stack" });
    element.append(make("div", { class: "part stack" }, make("h3", { say: title }), body));
    mount(body, app);
  }
}
