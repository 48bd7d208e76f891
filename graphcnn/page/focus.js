// The focus is never lost: where the element that has it goes away, one beside it takes it over.
// @ts-check

const FOCUSABLE = "a[href], button, input, select, textarea, summary, [tabindex]";

/** Whether an element can have the focus, as far as it is told without a layout.
 * @param {HTMLElement} element */
function isThere(element) {
  return element.isConnected && !element.matches(":disabled") && !element.closest("[hidden]");
}

/**
 * Who works with keys alone presses a button that thereby goes away, is hidden or disabled, and would
 * begin again at the top of the page: the nearest before it takes the focus, in the same row if there
 * is one, since what stands behind it may do something else (Clear stands behind Redo).
 * @param {Document} document
 */
export function keepFocus(document) {
  /** @type {HTMLElement | null} */
  let held = null;
  /** All that could have it in the same panel, in order, and the rows of these. @type {HTMLElement[]} */
  let around = [];
  /** @type {Map<HTMLElement, Element | null>} */
  let rows = new Map();

  document.addEventListener("focusin", ({ target }) => {
    held = /** @type {HTMLElement} */ (target);
    const panel = held.closest("dialog, section.panel, [role=tabpanel], header") ?? document.body;
    around = [...panel.querySelectorAll(FOCUSABLE)].map((e) => /** @type {HTMLElement} */ (e));
    rows = new Map(around.map((element) => [element, element.parentElement]));
  });
  // A click beside everything takes the focus away, and means it.
  document.addEventListener("pointerdown", () => (held = null), true);

  new MutationObserver(() => {
    if (!held || isThere(held)) return;
    const now = document.activeElement;
    const lost = held;
    held = null;
    if (now && now !== document.body && now !== lost) return;
    const at = around.indexOf(lost);
    const order = [...around.slice(0, at).reverse(), ...around.slice(at + 1)];
    const row = order.filter((element) => rows.get(element) === rows.get(lost));
    const next = [...row, ...order].find(
      (element) => element.tabIndex >= 0 && isThere(element) && element.checkVisibility(),
    );
    next?.focus({ preventScroll: true });
  }).observe(document.body, {
    subtree: true,
    childList: true,
    attributes: true,
    attributeFilter: ["hidden", "disabled"],
  });
}
