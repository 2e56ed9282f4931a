/**
 * As much of a browser as the pages need: elements in memory, and counts of what is left when a page has stopped.
 *
 * Elements that a template would hold are made when they are first looked up. Selectors are single ones without
 * combinators: a tag, `#id`, `.class`, `[name]`, `[name="value"]`, joined, and lists of them.
 */

import { FakeClock } from "./clock.js";

/** An EventTarget that knows how many listeners it has. */
export class CountingTarget extends EventTarget {
  #listeners = new Map();

  get listeners() {
    return [...this.#listeners.values()].reduce((sum, { size }) => sum + size, 0);
  }

  addEventListener(name, listener, options) {
    if (!this.#listeners.has(name)) this.#listeners.set(name, new Set());
    this.#listeners.get(name).add(listener);
    super.addEventListener(name, listener, options);
  }

  removeEventListener(name, listener, options) {
    this.#listeners.get(name)?.delete(listener);
    super.removeEventListener(name, listener, options);
  }
}

const kebab = (name) => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

export class FakeNode extends CountingTarget {
  parentNode = null;
  childNodes = [];

  get textContent() {
    return this.childNodes.map((child) => child.textContent).join("");
  }

  set textContent(text) {
    this.replaceChildren(...(text === "" ? [] : [text]));
  }

  get children() {
    return this.childNodes.filter((child) => child instanceof FakeElement);
  }

  get childElementCount() {
    return this.children.length;
  }

  get firstChild() {
    return this.childNodes[0] ?? null;
  }

  get firstElementChild() {
    return this.children[0] ?? null;
  }

  get lastElementChild() {
    return this.children.at(-1) ?? null;
  }

  append(...nodes) {
    for (const node of nodes) this.insertBefore(node, null);
  }

  replaceChildren(...nodes) {
    for (const child of this.childNodes) child.parentNode = null;
    this.childNodes = [];
    this.append(...nodes);
  }

  insertBefore(node, next) {
    const child = node instanceof FakeNode ? node : new FakeText(String(node));
    child.remove();
    const index = next === null ? this.childNodes.length : this.childNodes.indexOf(next);
    this.childNodes.splice(index, 0, child);
    child.parentNode = this;
    return child;
  }

  remove() {
    if (this.parentNode !== null) this.parentNode.childNodes = this.parentNode.childNodes.filter((child) => child !== this);
    this.parentNode = null;
  }

  contains(node) {
    for (let at = node; at; at = at.parentNode) if (at === this) return true;
    return false;
  }

  /** All elements below, in order. */
  get descendants() {
    return this.children.flatMap((child) => [child, ...child.descendants]);
  }

  querySelectorAll(selectors) {
    return this.descendants.filter((element) => element.matches(selectors));
  }

  querySelector(selectors) {
    return this.querySelectorAll(selectors)[0] ?? null;
  }
}

class FakeText extends FakeNode {
  constructor(text) {
    super();
    this.data = text;
  }

  get textContent() {
    return this.data;
  }
}

export class FakeElement extends FakeNode {
  style = { setProperty(name, value) { this[name] = value; } };
  value = "";
  hidden = false;
  disabled = false;
  open = false;
  clientWidth = 400;
  clientHeight = 100;
  scrollTop = 0;
  scrollHeight = 100;
  #attributes = new Map();

  constructor(tag) {
    super();
    this.tagName = tag;
    this.dataset = new Proxy({}, {
      get: (_, name) => this.#attributes.get(`data-${kebab(name)}`),
      set: (_, name, value) => (this.#attributes.set(`data-${kebab(name)}`, String(value)), true),
      deleteProperty: (_, name) => (this.#attributes.delete(`data-${kebab(name)}`), true),
      has: (_, name) => this.#attributes.has(`data-${kebab(name)}`),
    });
  }

  get id() {
    return this.getAttribute("id") ?? "";
  }

  get className() {
    return this.getAttribute("class") ?? "";
  }

  set className(text) {
    this.setAttribute("class", text);
  }

  get classList() {
    const names = () => this.className.split(/\s+/).filter(Boolean);
    const toggle = (name, force = !names().includes(name)) => {
      const others = names().filter((each) => each !== name);
      this.className = (force ? [...others, name] : others).join(" ");
    };
    return { contains: (name) => names().includes(name), add: (name) => toggle(name, true), remove: (name) => toggle(name, false), toggle };
  }

  get isConnected() {
    return globalThis.document.contains(this);
  }

  get nextElementSibling() {
    const all = this.parentNode?.children ?? [];
    return all[all.indexOf(this) + 1] ?? null;
  }

  get previousElementSibling() {
    const all = this.parentNode?.children ?? [];
    return all[all.indexOf(this) - 1] ?? null;
  }

  get options() {
    return this.children;
  }

  getAttribute(name) {
    return this.#attributes.get(name) ?? null;
  }

  setAttribute(name, value) {
    this.#attributes.set(name, String(value));
    if (name === "value") this.value = String(value);
  }

  hasAttribute(name) {
    return this.#attributes.has(name);
  }

  removeAttribute(name) {
    this.#attributes.delete(name);
  }

  toggleAttribute(name, force = !this.hasAttribute(name)) {
    if (force) this.setAttribute(name, "");
    else this.removeAttribute(name);
  }

  matches(selectors) {
    return selectors.split(",").some((selector) => this.#isOne(selector.trim().split(/\s+/).at(-1)));
  }

  closest(selectors) {
    for (let at = this; at instanceof FakeElement; at = at.parentNode) if (at.matches(selectors)) return at;
    return null;
  }

  #isOne(selector) {
    return [...selector.matchAll(/([.#]?)([\w-]+)|\[([\w-]+)(?:="?([^"\]]*)"?)?\]/g)].every(([, kind, name, attribute, value]) => {
      if (attribute !== undefined) return this.hasAttribute(attribute) && (value === undefined || this.getAttribute(attribute) === value);
      if (kind === "#") return this.id === name;
      return kind === "." ? this.classList.contains(name) : this.tagName === name;
    });
  }

  focus() {}

  click() {
    this.dispatchEvent(new Event("click"));
  }

  showModal() {
    this.open = true;
  }

  close() {
    this.open = false;
  }

  getContext() {
    return { clearRect() {}, fillRect() {} };
  }
}

class FakeDocument extends CountingTarget {
  title = "Page";
  visibilityState = "visible";
  fullscreenEnabled = false;
  fullscreenElement = null;
  activeElement = null;
  documentElement = new FakeElement("html");
  body = new FakeElement("body");
  /** Makes the parts of an element that a template would hold. */
  #template;

  constructor(template) {
    super();
    this.#template = template;
    this.documentElement.append(this.body);
  }

  getElementById(id) {
    const known = this.body.descendants.find((element) => element.id === id);
    if (known) return known;
    const element = new FakeElement("div");
    element.setAttribute("id", id);
    this.body.append(element);
    this.#template(element, (tag, attributes = {}) => {
      const part = new FakeElement(tag);
      for (const [name, value] of Object.entries(attributes)) part.setAttribute(name, value);
      element.append(part);
    });
    return element;
  }

  createElement(tag) {
    return new FakeElement(tag);
  }

  createElementNS(_space, tag) {
    return new FakeElement(tag);
  }

  contains(node) {
    return this.documentElement.contains(node);
  }

  querySelector(selectors) {
    return this.documentElement.querySelector(selectors);
  }

  querySelectorAll(selectors) {
    return this.documentElement.querySelectorAll(selectors);
  }
}

/** Every element has the parts that the macros of templates/components/ui.html give to theirs. */
function parts(element, add) {
  for (const name of ["value", "unit", "note", "legend", "plot", "summary", "table", "toggle", "box", "canvas", "readout", "announcement"]) add("div", { "data-part": name });
  add("h2");
  add("button", { "data-close": "" });
  add("div", { class: "panel-body" });
  const picture = { sparkline: ["sparkline-line", "sparkline-area"] };
  for (const [part, lines] of Object.entries(picture)) {
    add("svg", { "data-part": part });
    for (const name of lines) element.lastElementChild.append(Object.assign(new FakeElement("path"), { className: name }));
  }
}

/** Observers that observe until they are disconnected; `open` counts those that do. */
function fakeObserver() {
  return class {
    static open = 0;
    #isOpen = false;

    observe() {
      if (!this.#isOpen) this.constructor.open += 1;
      this.#isOpen = true;
    }

    disconnect() {
      if (this.#isOpen) this.constructor.open -= 1;
      this.#isOpen = false;
    }
  };
}

/**
 * Put a browser in place of what Node lacks: {clock, document, window, copied, left, restore}.
 * `copied`: texts on the clipboard. `left()` is what is held now:
 * {listeners, timers, observers}; a page that has stopped has the same as one that was never started.
 */
export function fakeBrowser({ href = "http://localhost/", fetch = async () => new Response("{}", { status: 404 }) } = {}) {
  const clock = new FakeClock();
  const window = new CountingTarget();
  const document = new FakeDocument(parts);
  const media = new CountingTarget();
  const [MutationObserver, ResizeObserver] = [fakeObserver(), fakeObserver()];
  const frames = new Set();
  const copied = [];
  const location = new URL(href);
  const globals = {
    document,
    location,
    MutationObserver,
    ResizeObserver,
    fetch,
    Node: FakeNode,
    navigator: { languages: ["en"], clipboard: { writeText: async (text) => copied.push(text) } },
    history: { state: null, replaceState() {}, pushState() {}, back() {} },
    matchMedia: () => Object.assign(media, { matches: false }),
    addEventListener: window.addEventListener.bind(window),
    removeEventListener: window.removeEventListener.bind(window),
    requestAnimationFrame: (run) => (frames.add(run), run),
    cancelAnimationFrame: (run) => frames.delete(run),
    ...clock.timers,
  };
  const before = new Map(Object.keys(globals).map((name) => [name, Object.getOwnPropertyDescriptor(globalThis, name)]));
  for (const [name, value] of Object.entries(globals)) Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
  const targets = () => [window, document, media, document.documentElement, ...document.documentElement.descendants];
  return {
    clock,
    document,
    window,
    copied,
    /** Run what waits for the next paint. */
    paint() {
      for (const run of [...frames]) {
        frames.delete(run);
        run();
      }
    },
    left: () => ({
      listeners: targets().reduce((sum, target) => sum + target.listeners, 0),
      timers: clock.pending.length + frames.size,
      observers: MutationObserver.open + ResizeObserver.open,
    }),
    restore() {
      for (const [name, descriptor] of before) {
        if (descriptor === undefined) delete globalThis[name];
        else Object.defineProperty(globalThis, name, descriptor);
      }
    },
  };
}

