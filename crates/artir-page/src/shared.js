
"use strict";
// What the scripts of artir's pages share.
const artir = (() => {
  const at = id => document.getElementById(id);
  const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
  const isPressed = button => button.getAttribute("aria-pressed") === "true";
  const press = (button, on) => button.setAttribute("aria-pressed", String(on));
  // Pixels that a browser scrolls for one line.
  const line = 50;

  // Calls `action` for every key without a modifier. Keys that it handles, by returning true, do nothing else.
  function onKey(action) {
    addEventListener("keydown", event => {
      if (event.ctrlKey || event.altKey || event.metaKey) return;
      if (action(event)) event.preventDefault();
    });
  }

  // Calls `action` for every turn of the wheel over an element, in pixels, in place of scrolling the page.
  function onWheel(element, action) {
    element.addEventListener("wheel", event => {
      if (!event.deltaY) return;
      event.preventDefault();
      action(event.deltaMode === 0 ? event.deltaY : line * event.deltaY, event);
    }, { passive: false });
  }

  return { at, clamp, isPressed, press, onKey, onWheel };
})();
