(() => {
  const { at, clamp, press, onKey, onWheel } = artir;
  const stage = at("stage"), slider = at("slider"), compare = at("compare"), change = at("change");
  const difference = at("difference"), image = document.querySelector("#after img");
  const most = 32;
  // The boundary in percent of the stage; the picture's magnification and where its upper left corner lies, px.
  let split = 50, zoom = 1, x = 0, y = 0;

  const set = (name, value) => document.documentElement.style.setProperty(name, value);
  set("--aspect", Number(image.getAttribute("width")) / Number(image.getAttribute("height")));

  function divide(percent) {
    split = clamp(percent, 0, 100);
    const words = Math.round(split);
    set("--split", split);
    slider.setAttribute("aria-valuenow", words);
    slider.setAttribute("aria-valuetext", `${words} percent before`);
  }

  // The stage without its border.
  function box() {
    const outer = stage.getBoundingClientRect();
    return { left: outer.left + stage.clientLeft, top: outer.top + stage.clientTop, width: stage.clientWidth,
      height: stage.clientHeight };
  }

  // Puts the picture so that it covers the stage.
  function place() {
    const { width, height } = box();
    x = clamp(x, width * (1 - zoom), 0);
    y = clamp(y, height * (1 - zoom), 0);
    set("--zoom", zoom);
    set("--x", `${x}px`);
    set("--y", `${y}px`);
    stage.classList.toggle("zoomed", zoom > 1);
    // Once pixels are seen one by one, they are shown as they are.
    stage.classList.toggle("large", width * zoom >= 2 * image.naturalWidth);
    at("zoom").textContent = `${Math.round(zoom * 100)} %`;
    at("out").disabled = at("fit").disabled = zoom === 1;
    at("in").disabled = zoom === most;
  }

  // Magnifies about a point of the stage, or its middle.
  function magnify(factor, point) {
    const { width, height } = box(), [px, py] = point ?? [width / 2, height / 2];
    const next = clamp(zoom * factor, 1, most);
    x = px - (px - x) * next / zoom;
    y = py - (py - y) * next / zoom;
    zoom = next;
    place();
  }

  function show(changed) {
    difference.hidden = at("legend").hidden = !changed;
    stage.classList.toggle("still", changed);
    press(compare, !changed);
    press(change, changed);
  }

  const steps = {
    ArrowLeft: () => split - 1, ArrowDown: () => split - 1, ArrowRight: () => split + 1, ArrowUp: () => split + 1,
    PageDown: () => split - 10, PageUp: () => split + 10, Home: () => 0, End: () => 100,
  };
  const keys = {
    d: () => show(difference.hidden), "+": () => magnify(1.5), "=": () => magnify(1.5), "-": () => magnify(1 / 1.5),
    0: () => magnify(0),
  };
  onKey(event => {
    const action = keys[event.key.toLowerCase()];
    if (event.target === slider && steps[event.key]) divide(steps[event.key]());
    else if (action && !(event.repeat && event.key.toLowerCase() === "d")) action();
    else return false;
    return true;
  });

  // A drag moves the boundary; beside the boundary it moves a picture that is larger than the stage.
  let drag = null;
  stage.addEventListener("pointerdown", event => {
    if (event.button !== 0 || drag) return;
    const grip = event.target === slider;
    const pan = !grip && zoom > 1;
    if (!pan && stage.classList.contains("still")) return;
    const { left, width } = box();
    const position = event.clientX - left;
    // Whoever grips the boundary beside its middle does not make it jump.
    const offset = grip ? position - split / 100 * width : 0;
    drag = { id: event.pointerId, pan, offset, from: [event.clientX - x, event.clientY - y] };
    stage.setPointerCapture(event.pointerId);
    if (!pan) {
      divide((position - offset) / width * 100);
      slider.focus({ preventScroll: true });
    }
    event.preventDefault();
  });
  stage.addEventListener("pointermove", event => {
    if (drag?.id !== event.pointerId) return;
    if (drag.pan) {
      [x, y] = [event.clientX - drag.from[0], event.clientY - drag.from[1]];
      place();
    } else {
      const { left, width } = box();
      divide((event.clientX - left - drag.offset) / width * 100);
    }
  });
  for (const end of ["pointerup", "pointercancel"]) {
    stage.addEventListener(end, event => { if (drag?.id === event.pointerId) drag = null; });
  }

  onWheel(stage, (pixels, event) => {
    const { left, top } = box();
    magnify(Math.exp(-clamp(pixels, -200, 200) / 300), [event.clientX - left, event.clientY - top]);
  });

  compare.addEventListener("click", () => show(false));
  change.addEventListener("click", () => show(true));
  at("in").addEventListener("click", () => magnify(1.5));
  at("out").addEventListener("click", () => magnify(1 / 1.5));
  at("fit").addEventListener("click", () => magnify(0));
  addEventListener("resize", place);
  divide(50);
  place();
})();
