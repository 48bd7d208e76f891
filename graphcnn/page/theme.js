// Light, dark, or as the system has it, for the page and for the drawings in it.
// @ts-check

/** What the medium of a rule was before a reader chose. @type {WeakMap<CSSMediaRule, string>} */
const written = new WeakMap();

/**
 * Rules for the dark are in `@media … (prefers-color-scheme: dark)`, in the page's style and in the
 * style of every drawing: a choice turns all of them on or off, for the screen; paper stays white.
 * @param {Document} document
 * @param {"auto" | "light" | "dark"} theme
 */
function applyTheme(document, theme) {
  for (const sheet of document.styleSheets) {
    for (const rule of sheet.cssRules) {
      if (!(rule instanceof CSSMediaRule)) continue;
      const medium = written.get(rule) ?? rule.media.mediaText;
      if (!medium.includes("prefers-color-scheme")) continue;
      written.set(rule, medium);
      const own = medium.includes("dark") ? "dark" : "light";
      const system = `screen and (prefers-color-scheme: ${own})`;
      rule.media.mediaText = theme === "auto" ? system : theme === own ? "screen" : "not all";
    }
  }
}

/**
 * The theme of the page follows the state. Paper is white: before the page is printed canvases are
 * painted light, and afterwards as they were.
 * @param {Document} document
 * @param {import("./page.d.ts").Store} store
 */
export function startTheme(document, store) {
  store.on(["theme"], ({ theme }) => applyTheme(document, theme));
  applyTheme(document, store.get().theme);
  /** @type {"auto" | "light" | "dark" | null} */
  let chosen = null;
  addEventListener("beforeprint", () => {
    chosen ??= store.get().theme;
    store.set({ theme: "light" });
    store.now();
  });
  addEventListener("afterprint", () => {
    if (chosen) store.set({ theme: chosen });
    chosen = null;
  });
}
