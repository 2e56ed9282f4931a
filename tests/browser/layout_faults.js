(root) => {
  const scope = root === null ? document.body : document.querySelector(root);
  const found = [];
  const name = (element) => {
    const id = element.id ? `#${element.id}` : "";
    const text = (element.textContent || element.getAttribute("aria-label") || "").trim().replace(/\s+/g, " ").slice(0, 40);
    return `${element.localName}${id}.${[...element.classList].join(".")} "${text}"`;
  };
  const page = document.documentElement;
  if (page.scrollWidth > page.clientWidth) {
    const wide = [...document.querySelectorAll("body *")].filter((each) => each.getBoundingClientRect().right > page.clientWidth + 0.5);
    found.push(`the page scrolls sideways: ${page.scrollWidth} > ${page.clientWidth}: ${wide.map(name).slice(-8).join(", ")}`);
  }

  const style = (element) => getComputedStyle(element);
  const isHidden = (element) =>
    !element.checkVisibility({ visibilityProperty: true, opacityProperty: true, contentVisibilityAuto: true }) ||
    element.closest(".visually-hidden, .skip-link, option, svg, canvas, [popover]:not(:popover-open)") !== null ||
    isClipped(element);
  /** For screen readers alone. */
  const isClipped = (element) => element !== null && (style(element).clipPath === "inset(50%)" || isClipped(element.parentElement));
  /** What can be seen of a box through the scrolling boxes around it. */
  const seen = (element, rect) => {
    let { left, top, right, bottom } = rect;
    for (let each = element.parentElement; each !== null && each !== document.body; each = each.parentElement) {
      const { overflowX, overflowY, position } = style(each);
      const box = each.getBoundingClientRect();
      if (overflowX !== "visible") [left, right] = [Math.max(left, box.left), Math.min(right, box.right)];
      if (overflowY !== "visible") [top, bottom] = [Math.max(top, box.top), Math.min(bottom, box.bottom)];
      if (position === "fixed") break;
    }
    return { left, top, right, bottom };
  };

  // Words: inside their own box, and inside every box that cuts what is outside it.
  const walker = document.createTreeWalker(scope, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node !== null; node = walker.nextNode()) {
    const owner = node.parentElement;
    if (node.data.trim() === "" || isHidden(owner)) continue;
    let block = owner;
    while (["inline", "contents"].includes(style(block).display)) block = block.parentElement;
    const range = document.createRange();
    range.selectNodeContents(node);
    const rects = [...range.getClientRects()].filter(({ width, height }) => width > 1 && height > 1);
    if (rects.length === 0 || block.closest(".visually-hidden")) continue;
    const box = block.getBoundingClientRect();
    const mayBeShort = (element) => style(element).textOverflow === "ellipsis";
    if (!mayBeShort(block) && style(block).overflowX === "visible" && rects.some(({ left, right }) => right > box.right + 1.5 || left < box.left - 1.5)) found.push(`words leave their box: ${name(block)}`);
    for (let each = block; each !== document.body && each !== null; each = each.parentElement) {
      const { overflowX, overflowY, position } = style(each);
      const edge = each.getBoundingClientRect();
      const cuts = (value) => value === "hidden" || value === "clip";
      if (!mayBeShort(each)) {
        if (cuts(overflowX) && rects.some(({ left, right }) => right > edge.right + 1.5 || left < edge.left - 1.5)) found.push(`words are cut by ${name(each)}: ${name(block)}`);
        if (cuts(overflowY) && rects.some(({ top, bottom }) => bottom > edge.bottom + 3 || top < edge.top - 3)) found.push(`words are cut by ${name(each)}: ${name(block)}`);
      }
      if (position === "fixed") break;
    }
  }

  // Controls: none on another one, of those that belong to the same layer.
  const layer = (element) => {
    for (let each = element; each !== null; each = each.parentElement) {
      if (each.localName === "dialog" || each.hasAttribute("popover") || ["fixed", "sticky"].includes(style(each).position)) return each;
      if (style(each).position === "absolute" && style(each).zIndex !== "auto") return each;
    }
    return document.body;
  };
  const controls = [...scope.querySelectorAll("a[href], button, input, select, textarea, summary")]
    .filter((element) => !isHidden(element))
    .map((element) => ({ element, layer: layer(element), rect: seen(element, element.getBoundingClientRect()) }))
    .filter(({ rect }) => rect.right - rect.left > 1 && rect.bottom - rect.top > 1);
  for (const [index, one] of controls.entries()) {
    for (const other of controls.slice(index + 1)) {
      if (one.layer !== other.layer || one.element.contains(other.element) || other.element.contains(one.element)) continue;
      const width = Math.min(one.rect.right, other.rect.right) - Math.max(one.rect.left, other.rect.left);
      const height = Math.min(one.rect.bottom, other.rect.bottom) - Math.max(one.rect.top, other.rect.top);
      if (width > 1.5 && height > 1.5) found.push(`${name(one.element)} lies on ${name(other.element)}`);
    }
  }
  // A dialog is inside the window, and what can be pressed in it is inside the dialog.
  for (const dialog of document.querySelectorAll("dialog[open]")) {
    const box = dialog.getBoundingClientRect();
    if (box.left < -1 || box.right > innerWidth + 1 || box.top < -1 || box.bottom > innerHeight + 1) found.push(`the dialog leaves the window: ${name(dialog)}`);
    if (dialog.scrollWidth > dialog.clientWidth + 1) found.push(`the dialog scrolls sideways: ${name(dialog)}`);
  }
  return [...new Set(found)];
}
