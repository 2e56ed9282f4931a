// Observes a meeting's page from the isolated world and sends what changed: controls and texts, participants,
// speaking marks, captions, chat. The DOM is read, never changed. `layout` says where things are; the tables
// are in orch/bots/adapters. Everything that is sent is bounded, whatever the page shows.
(layout) => {
  "use strict";
  if (window !== window.top) return;
  const bindings = { state: globalThis[layout.bindings.state], signals: globalThis[layout.bindings.signals] };
  const MOST_ITEMS = 300;
  const MOST_TEXTS = 400;
  const MOST_VISITED = 20_000;
  const MOST_ELEMENTS = 2000;
  const MOST_LEAVES = 50;
  const MOST_FAULTS = 5;
  const MOST_OPTIONS = 150;
  const MOST_PEOPLE = 500;
  const MOST_BLOCKS = 48;
  const MOST_LINES = 500;
  const REMEMBERED_LINES = 5000;
  const LABEL = 300;
  const NAME = 200;
  const CAPTION = 4000;
  const CHAT = 4000;
  const FRAME = 16; // milliseconds between two messages of one kind
  const STATE = 100; // the same for the controls and texts, which cost most
  const RATE = 1000; // characters a millisecond
  const SHARE = 9; // times the time that reading took is waited before the next: at most a tenth of the page's
  const LONGEST_REST = 100; // milliseconds of that, except after controls and texts: on a busy machine all takes long

  const CONTROLS = "button, a[href], summary, input, textarea, select, [role='button'], [role='menuitem'], [role='option'], [role='combobox'], [role='radio'], [contenteditable]:not([contenteditable='false'])";
  const SILENT = `script, style, noscript, template, svg, [aria-hidden='true'], ${layout.icons}`;
  const DIALOG = "[role='dialog'], [role='alertdialog'], dialog, [aria-modal='true']";

  // A form's fields, and elements with a name, hide the properties of their form and of the document: "closest"
  // may be an input. So methods and properties are those of the prototypes.
  const method = (from, name) => Function.prototype.call.bind(from.prototype[name]);
  const getter = (from, name) => Function.prototype.call.bind(Object.getOwnPropertyDescriptor(from.prototype, name).get);
  const matches = method(Element, "matches");
  const closest = method(Element, "closest");
  const attribute = method(Element, "getAttribute");
  const checkVisibility = method(Element, "checkVisibility");
  const findIn = method(Element, "querySelector");
  const findAllIn = method(Element, "querySelectorAll");
  const findAll = method(Document, "querySelectorAll").bind(null, document);
  const contains = method(Node, "contains");
  const nameOf = getter(Element, "localName");
  const childrenOf = getter(Element, "children");
  const nodesOf = getter(Node, "childNodes");
  const kindOfNode = getter(Node, "nodeType");
  const textOf = getter(Node, "textContent");
  const parentOf = getter(Node, "parentElement");
  const bodyOf = getter(Document, "body");
  const firstOf = (element) => childrenOf(element)[0] ?? null;
  const lastOf = (element) => childrenOf(element)[childrenOf(element).length - 1] ?? null;
  const slice = Function.prototype.call.bind(Array.prototype.slice);

  const plain = (text, most) => text.slice(0, most * 4).replace(/\s+/g, " ").trim().slice(0, most).toWellFormed();
  const ending = (text, most) => text.slice(-most * 2).replace(/\s+/g, " ").trim().slice(-most).toWellFormed();
  const isLaidOut = (element) => checkVisibility(element);
  const isVisible = (element) => checkVisibility(element, { visibilityProperty: true, contentVisibilityAuto: true });
  const all = (selectors, root = document, most = MOST_ELEMENTS) => (selectors ? slice(root === document ? findAll(selectors) : findAllIn(root, selectors), 0, most) : []);

  /** The words in an element, without icons. */
  const words = (element, most = LABEL) => {
    let found = "";
    const visit = (node) => {
      for (const child of nodesOf(node)) {
        if (found.length > most * 2) return;
        if (kindOfNode(child) === Node.TEXT_NODE) found += child.data.slice(0, most * 2);
        else if (kindOfNode(child) === Node.ELEMENT_NODE && !matches(child, SILENT) && !matches(child, "select, option, textarea")) {
          visit(child);
          found += " ";
        }
      }
    };
    visit(element);
    return plain(found, most);
  };

  const label = (element) => {
    const given = [attribute(element, "aria-label"), element.labels?.[0] && words(element.labels[0]), attribute(element, "placeholder"),
      ...layout.hints.map((name) => attribute(element, name))].find(Boolean);
    return given ? plain(given, LABEL) : words(element) || plain(attribute(element, "title") ?? "", LABEL);
  };

  /** Reads a part of an element: "@name" an attribute, "<" the element before it, "." itself, or a selector. */
  const read = (element, parts, most) => {
    for (const part of parts) {
      let found = "";
      if (part.startsWith("@")) found = plain(attribute(element, part.slice(1)) ?? "", most);
      else if (part === "<") found = element.previousElementSibling ? words(element.previousElementSibling, most) : "";
      else {
        const place = part === "." ? element : findIn(element, part);
        found = place ? words(place, most) : "";
      }
      if (found) return found;
    }
    return "";
  };

  // Numbers of elements: the same as long as the page keeps the element, and never those of another document.
  const origin = Math.round(performance.timeOrigin).toString(36);
  const numbers = new WeakMap();
  let next = 0;
  const numberOf = (element) => {
    if (!numbers.has(element)) numbers.set(element, next += 1);
    return numbers.get(element);
  };
  let shown = new Map();

  // The captions' region.

  const region = () => all(layout.captions.region).find((element) => {
    const known = layout.captions.labels;
    return known.length === 0 || known.includes((attribute(element, "aria-label") ?? "").trim().toLowerCase());
  }) ?? null;

  /** Whether an element of the captions' region shows what is said, and is no control of it. */
  const isWords = (element, place) => place !== null && element !== place && contains(place, element) && closest(element, "label, select, button") === null;

  // Controls and texts.

  const kindOf = (element) => {
    const role = attribute(element, "role");
    if (nameOf(element) === "select" || role === "combobox") return "choice";
    if (role === "option") return "option";
    if (role === "radio" || (nameOf(element) === "input" && element.type === "radio")) return "radio";
    if (nameOf(element) === "input") return ["button", "submit", "checkbox"].includes(element.type) ? "button" : "field";
    return nameOf(element) === "textarea" || element.isContentEditable ? "field" : "button";
  };

  const item = (element) => {
    const kind = kindOf(element);
    const found = {
      n: numberOf(element),
      kind,
      label: label(element),
      shown: isVisible(element), // tool bars hide while the mouse rests
      enabled: !element.disabled && attribute(element, "aria-disabled") !== "true",
      dialog: closest(element, DIALOG) !== null,
    };
    if (kind === "field") found.value = plain(String(element.value ?? textOf(element)), LABEL);
    if (kind === "choice" || kind === "radio") found.value = plain(String(element.value ?? ""), NAME);
    if (kind === "radio") {
      found.on = element.checked === true || attribute(element, "aria-checked") === "true";
      const legend = closest(element, "fieldset, [role='radiogroup']");
      found.group = legend ? plain(attribute(legend, "aria-label") ?? "", LABEL) || read(legend, ["legend"], LABEL) : "";
    }
    if (nameOf(element) === "select") found.options = [...element.options].slice(0, MOST_OPTIONS).map((each) => [plain(each.value, NAME), plain(each.text, NAME)]);
    return found;
  };

  const controls = () => {
    const found = [];
    const place = region();
    shown = new Map();
    for (const element of all(CONTROLS)) {
      if (found.length >= MOST_ITEMS) break;
      if (element.type === "hidden" || closest(element, layout.excluded) || isWords(element, place) || !isLaidOut(element)) continue;
      const made = item(element);
      shown.set(made.n, element);
      found.push(made);
    }
    return found;
  };

  /** The texts that are no control's, and in no part that shows what participants write or are called. */
  const texts = () => {
    const found = [];
    const body = bodyOf(document);
    if (!body) return found;
    const place = region();
    const parents = new Set();
    let visited = 0;
    const walker = Document.prototype.createTreeWalker.call(document, body, NodeFilter.SHOW_ELEMENT | NodeFilter.SHOW_TEXT, (node) => {
      visited += 1;
      if (kindOfNode(node) === Node.TEXT_NODE) return node.data.trim() ? NodeFilter.FILTER_ACCEPT : NodeFilter.FILTER_REJECT;
      return matches(node, SILENT) || matches(node, CONTROLS) || matches(node, layout.excluded) || isWords(node, place) ? NodeFilter.FILTER_REJECT : NodeFilter.FILTER_SKIP;
    });
    while (walker.nextNode() && found.length < MOST_TEXTS && visited < MOST_VISITED) {
      const parent = parentOf(walker.currentNode);
      if (!parent || parents.has(parent)) continue;
      parents.add(parent);
      if (isVisible(parent)) found.push(words(parent));
    }
    return found;
  };

  // Participants.

  const tiles = () => {
    const found = new Map();
    for (const element of all(layout.tile.find)) {
      const id = read(element, layout.tile.id, NAME).slice(layout.tile.prefix.length);
      if (id && !found.has(id) && isVisible(element)) found.set(id, element);
      if (found.size >= MOST_PEOPLE) break;
    }
    return found;
  };
  const has = (tile, selector) => selector !== "" && (matches(tile, selector) || findIn(tile, selector) !== null);

  const people = (found) => [...found].map(([id, tile]) => [id, read(tile, layout.tile.name, NAME), has(tile, layout.tile.self)]);

  const isMark = (element) => {
    const text = attribute(element, "aria-label");
    if (text !== null && !layout.speaking.some(([before, after]) => text.startsWith(before) && text.endsWith(after))) return false;
    return isVisible(element);
  };
  const isSpeaking = (tile) => layout.tile.mark !== "" && ((matches(tile, layout.tile.mark) && isMark(tile)) || all(layout.tile.mark, tile).some(isMark));
  const marks = (found) => [...found].filter(([, tile]) => isSpeaking(tile)).map(([id]) => id);

  /** The tracks that are played within a participant's tile. */
  const owners = (found) => [...found].flatMap(([id, tile]) => all("audio, video", tile).flatMap((element) => {
    const tracks = element.srcObject instanceof MediaStream && !has(tile, layout.tile.self) ? element.srcObject.getAudioTracks() : [];
    return tracks.slice(0, 4).map((track) => [plain(track.id, NAME), id]);
  }));

  // Captions.

  const leaves = (element) => {
    const found = all("*", element, MOST_LEAVES).filter((each) => childrenOf(each).length === 0 && textOf(each).trim());
    return found.length > 0 ? found : [element].filter((each) => textOf(each).trim());
  };

  /** A block of captions: who speaks, with a picture or the first letter of the name, then the words. */
  const isBlock = (element) => {
    if (childrenOf(element).length < 2) return false;
    const who = firstOf(element);
    const names = leaves(who);
    const hasPicture = findIn(who, "img, svg") !== null;
    return hasPicture ? names.length > 0 : names.length > 1 && [...textOf(names[0]).trim()].length <= 2;
  };

  const blocksIn = (element, depth = 0) => {
    const inner = [];
    for (const child of slice(childrenOf(element), -MOST_LEAVES)) {
      if (depth < 5 && !matches(child, "label, select, button")) inner.push(...blocksIn(child, depth + 1));
    }
    if (inner.length > 0 || depth === 0) return inner;
    return isBlock(element) ? [element] : [];
  };

  const captions = () => {
    const place = region();
    if (!place) return [];
    const known = layout.captions.block ? slice(findAllIn(place, layout.captions.block), -MOST_BLOCKS) : [];
    const blocks = (known.length > 0 ? known : blocksIn(place)).slice(-MOST_BLOCKS);
    return blocks.map((block) => {
      const key = `${origin}-${numberOf(block)}`;
      const said = lastOf(block);
      const text = said ? ending(textOf(said), CAPTION) : "";
      if (layout.captions.name.length > 0) return [key, read(block, layout.captions.name, NAME), text];
      const who = leaves(firstOf(block) ?? block).at(-1);
      return [key, who ? plain(textOf(who), NAME) : "", text];
    });
  };

  // Chat: each message once.

  const sent = new Set();
  const chat = () => {
    const found = [];
    for (const line of slice(findAll(layout.chat.line), -MOST_LINES)) {
      const id = read(line, layout.chat.id, NAME) || `${origin}-${numberOf(line)}`;
      const text = read(line, layout.chat.text, CHAT);
      if (!text || sent.has(id)) continue;
      sent.add(id);
      if (sent.size > REMEMBERED_LINES) sent.delete(sent.values().next().value);
      found.push({ k: "chat", id, sender: read(line, layout.chat.sender, NAME), text });
    }
    return found;
  };

  // Sending: what differs from what was sent last; soon after it changed, but no kind more often than a frame.

  const look = () => {
    const found = tiles();
    return { k: "state", host: location.host, path: plain(location.pathname, NAME), items: controls(), texts: texts(), tiles: found.size, captions: region() !== null && isVisible(region()) };
  };
  const lasts = new Map();
  const post = (message) => {
    const text = JSON.stringify(message);
    if (message.k !== "chat") {
      if (lasts.get(message.k) === text) return 0;
      lasts.set(message.k, text);
    }
    (message.k === "state" ? bindings.state : bindings.signals)(text);
    return text.length;
  };

  const waits = { captions: { at: 0, isDue: true }, people: { at: 0, isDue: true }, chat: { at: 0, isDue: true }, state: { at: 0, isDue: true } };
  const sends = {
    captions: () => post({ k: "captions", blocks: captions() }),
    people: () => {
      const found = tiles();
      return post({ k: "people", people: people(found) }) + post({ k: "marks", ids: marks(found) }) + post({ k: "owners", owners: owners(found) });
    },
    chat: () => chat().reduce((sum, message) => sum + post(message), 0),
    state: () => post(look()),
  };
  let timer = null;
  let faults = 0;
  /** Sends a kind; what the page makes impossible to read is logged, and is no reason to send nothing else. */
  const attempt = (kind) => {
    try {
      return sends[kind]();
    } catch (error) {
      faults += 1;
      if (faults <= MOST_FAULTS) console.warn(`The ${kind} cannot be read: ${error}`);
      return 0;
    }
  };
  const flush = () => {
    timer = null;
    let soonest = Infinity;
    for (const [kind, wait] of Object.entries(waits)) {
      if (!wait.isDue) continue;
      const now = performance.now();
      if (now >= wait.at) {
        wait.isDue = false;
        const length = attempt(kind);
        const after = performance.now();
        const rest = Math.min((after - now) * SHARE, kind === "state" ? Infinity : LONGEST_REST);
        wait.at = after + (kind === "state" ? STATE : FRAME) + length / RATE + rest;
      } else soonest = Math.min(soonest, wait.at - now);
    }
    if (soonest < Infinity) timer = setTimeout(flush, soonest);
  };
  const schedule = () => {
    if (timer !== null) clearTimeout(timer);
    flush();
  };

  const isIn = (target, selectors) => {
    const element = kindOfNode(target) === Node.ELEMENT_NODE ? target : parentOf(target);
    return Boolean(selectors) && element !== null && closest(element, selectors) !== null;
  };
  const observer = new MutationObserver((records) => {
    for (const { target, type } of records) {
      if (isIn(target, layout.captions.region)) waits.captions.isDue = true;
      else if (isIn(target, layout.tile.find)) waits.people.isDue = true;
      else if (isIn(target, layout.chat.lines)) waits.chat.isDue = true;
      else if (type === "childList") for (const wait of Object.values(waits)) wait.isDue = true;
      else waits.state.isDue = waits.captions.isDue = true;
    }
    schedule();
  });
  observer.observe(document, { subtree: true, childList: true, characterData: true, attributes: true, attributeFilter: layout.attributes });
  EventTarget.prototype.addEventListener.call(document, "DOMContentLoaded", schedule, { once: true });

  globalThis.orchPage = {
    element: (number) => shown.get(number) ?? null,
    look,
    /** Focuses a control; a selected one's place among its options is returned. */
    focus: (number) => {
      const element = shown.get(number);
      element?.focus();
      return element?.selectedIndex ?? -1;
    },
    /** Sends everything again, as if nothing had been sent. */
    resend: () => {
      lasts.clear();
      for (const wait of Object.values(waits)) wait.isDue = true;
      schedule();
    },
  };
  schedule();
}
