(() => {
  const { at, clamp, isPressed, press, onKey, onWheel } = artir;
  const block = at("slices");
  // Each slice: number, position in mm, proportions, and its pictures before, after and their difference as base64.
  const { slices, total } = JSON.parse(block.textContent);
  // The text is held in the slices now; the page need not hold it twice.
  block.remove();
  const stage = at("stage"), slider = at("slider"), flip = at("flip"), toggle = at("toggle");
  const left = at("left"), right = at("right"), difference = at("difference");
  const names = { before: "Before", after: "After", difference: "Difference" };
  const digits = String(total).length;
  let wanted = 0, shown = -1, busy = false, pictures = {};

  // A decoded picture. It joins the page only then, so that the panels change in one frame.
  async function picture(slice, kind) {
    const image = new Image();
    image.alt = `${names[kind]}, slice ${slice.number} of ${total}`;
    image.draggable = false;
    image.src = "data:image/png;base64," + slice[kind];
    // What cannot be decoded shows its alternative text.
    await image.decode().catch(() => undefined);
    return image;
  }

  function put(figure, kind) {
    figure.querySelector("b").textContent = names[kind];
    const frame = figure.querySelector(".frame");
    if (pictures[kind]) frame.replaceChildren(pictures[kind]); else frame.replaceChildren();
  }

  function arrange() {
    const flipped = isPressed(flip);
    stage.classList.toggle("flipped", flipped);
    put(left, flipped ? "after" : "before");
    put(right, flipped ? "before" : "after");
    put(difference, "difference");
  }

  function describe(slice) {
    const number = String(slice.number).padStart(digits, "\u2007");
    const position = slice.position === null ? "not given" : slice.position.toFixed(2).replace("-", "\u2212") + " mm";
    at("slice").textContent = `${number} of ${total}`;
    at("position").textContent = position;
    const words = `Slice ${slice.number} of ${total}, position ${position}`;
    slider.setAttribute("aria-valuetext", words);
    at("spoken").textContent = words;
  }

  // Shows a slice. Calls that come while one is being decoded only move the goal: every decoded slice is shown, none
  // queues up.
  async function show(goal) {
    wanted = clamp(goal, 0, slices.length - 1);
    slider.value = wanted;
    if (busy) return;
    busy = true;
    stage.setAttribute("aria-busy", "true");
    while (shown !== wanted || (!difference.hidden && !pictures.difference)) {
      const index = wanted, slice = slices[index];
      const kinds = difference.hidden ? ["before", "after"] : ["before", "after", "difference"];
      const decoded = await Promise.all(kinds.map(kind => picture(slice, kind)));
      pictures = Object.fromEntries(kinds.map((kind, i) => [kind, decoded[i]]));
      shown = index;
      stage.style.setProperty("--aspect", slice.aspect);
      arrange();
      describe(slice);
    }
    busy = false;
    stage.setAttribute("aria-busy", "false");
  }

  function setFlip(on) {
    press(flip, on);
    arrange();
  }

  function toggleDifference() {
    difference.hidden = !difference.hidden;
    press(toggle, !difference.hidden);
    show(wanted);
  }

  const moves = {
    ArrowDown: () => wanted + 1, ArrowRight: () => wanted + 1, ArrowUp: () => wanted - 1, ArrowLeft: () => wanted - 1,
    PageDown: () => wanted + 10, PageUp: () => wanted - 10, Home: () => 0, End: () => slices.length - 1,
  };

  onKey(event => {
    if (moves[event.key]) {
      show(moves[event.key]());
      return true;
    }
    if (event.key === "d" || event.key === "D") {
      if (!event.repeat) toggleDifference();
      return true;
    }
    // On a button, the space bar presses that button.
    if (event.key !== " " || event.target instanceof HTMLButtonElement) return false;
    if (!event.repeat) setFlip(true);
    return true;
  });
  addEventListener("keyup", event => {
    if (event.key === " " && !(event.target instanceof HTMLButtonElement)) setFlip(false);
  });
  // A key that is let go elsewhere is not reported here.
  addEventListener("blur", () => setFlip(false));

  flip.addEventListener("click", () => setFlip(!isPressed(flip)));
  toggle.addEventListener("click", toggleDifference);
  // A click leaves the focus where it is, so that the space bar goes on flipping.
  for (const button of [flip, toggle]) button.addEventListener("mousedown", event => event.preventDefault());

  // A notch of a wheel is one slice; the small steps of a touchpad add up to one.
  let turned = 0;
  onWheel(stage, pixels => {
    const sign = Math.sign(pixels);
    if (Math.sign(turned) !== sign) turned = 0;
    turned += clamp(pixels, -50, 50);
    if (Math.abs(turned) >= 50) {
      turned = 0;
      show(wanted + sign);
    }
  });

  slider.max = slices.length - 1;
  slider.addEventListener("input", () => show(Number(slider.value)));
  show(Math.floor((slices.length - 1) / 2));
})();
