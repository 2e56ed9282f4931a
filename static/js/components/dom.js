/**
 * Creates and changes elements. Data becomes text or an attribute's value, never markup. Unchanged parts are not
 * touched, so that focus, selection and screen readers stay in place.
 */

const SVG = "http://www.w3.org/2000/svg";

/** Create an element: `properties` are attributes (`on…` adds a listener; null and false are left out), then children. */
export function h(tag, properties = {}, ...children) {
  const element = tag.startsWith("svg:")
    ? document.createElementNS(SVG, tag.slice(4))
    : document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else setAttribute(element, name, value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

export function setText(element, text) {
  const wanted = String(text);
  if (element.textContent !== wanted) element.textContent = wanted;
}

/** null and false remove the attribute, true sets it empty. */
export function setAttribute(element, name, value) {
  if (value === null || value === undefined || value === false) {
    if (element.hasAttribute(name)) element.removeAttribute(name);
    return;
  }
  const wanted = value === true ? "" : String(value);
  if (element.getAttribute(name) !== wanted) element.setAttribute(name, wanted);
}

/**
 * Make `container`'s children match `items`, in order, one element for each key. `create(item)` makes an element,
 * `update(element, item)` brings it up to date; both are called for a new item.
 */
export function keyed(container, items, { key, create, update }) {
  const old = new Map([...container.children].filter((child) => child.dataset.key !== undefined).map((child) => [child.dataset.key, child]));
  let after = null;
  for (const item of items) {
    const name = String(key(item));
    let element = old.get(name);
    old.delete(name);
    if (element === undefined) {
      element = create(item);
      element.dataset.key = name;
    }
    update(element, item);
    const place = after === null ? container.firstElementChild : after.nextElementSibling;
    if (place !== element) container.insertBefore(element, place);
    after = element;
  }
  for (const gone of old.values()) gone.remove();
  for (const child of [...container.children]) if (child.dataset.key === undefined) child.remove();
}

/** Remove a placeholder's grey shapes. Returns whether there were any. */
export function endLoading(slot) {
  if (slot.getAttribute("aria-busy") !== "true") return false;
  slot.removeAttribute("aria-busy");
  slot.replaceChildren();
  return true;
}

export const byId = (id) => document.getElementById(id);
