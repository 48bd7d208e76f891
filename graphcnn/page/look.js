// What the network looks for and at: evidence over the image, grown images, switched channels.
// @ts-check

import { make } from "./dom.js";
import { mountGrow } from "./grow.js";
import { mountOverlay } from "./overlay.js";
import { mountSwitching } from "./switching.js";

/** @param {HTMLElement} element @param {import("./page.d.ts").App} app */
export function mountLook(element, app) {
  const parts = { growTitle: mountGrow, overlayTitle: mountOverlay, switchTitle: mountSwitching };
  for (const [title, mount] of Object.entries(parts)) {
    const body = make("div", { class: "stack" });
    element.append(make("div", { class: "part stack" }, make("h3", { say: title }), body));
    mount(body, app);
  }
}
