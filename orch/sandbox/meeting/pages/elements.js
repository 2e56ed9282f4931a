// Makes elements. Classes are given by their plain names and carry those of the page's seed.

/** Returns a function that makes elements; `names`: the names of classes by their plain ones. */
export function maker(names) {
  return (tag, { classes = "", text, on = {}, ...attributes } = {}, ...children) => {
    const element = document.createElement(tag);
    for (const name of classes.split(" ").filter(Boolean)) element.classList.add(names[name] ?? name);
    for (const [name, value] of Object.entries(attributes)) {
      if (value === true) element.setAttribute(name, "");
      else if (value !== false && value !== undefined && value !== null) element.setAttribute(name, value);
    }
    for (const [name, listener] of Object.entries(on)) element.addEventListener(name, listener);
    if (text !== undefined) element.textContent = text;
    element.append(...children);
    return element;
  };
}

const PATHS = {
  microphone: "M12 14a3 3 0 0 0 3-3V5a3 3 0 0 0-6 0v6a3 3 0 0 0 3 3zm5-3a5 5 0 0 1-10 0H5a7 7 0 0 0 6 6.9V21h2v-3.1A7 7 0 0 0 19 11z",
  camera: "M17 10V7H3v10h14v-3l4 4V6z",
  captions: "M3 5h18v14H3zm3 5v4h5v-2H8v-1h3v-1zm7 0v4h5v-2h-3v-1h3v-1z",
  present: "M3 5h18v12H3zm9 2-4 4h3v3h2v-3h3zM8 19h8v1H8z",
  chat: "M4 4h16v12H8l-4 4z",
  people: "M9 11a3.500 3.500 0 1 0 0-7 3.500 3.500 0 0 0 0 7zm-7 8c0-3 3-5 7-5s7 2 7 5v1H2zm15-8a3 3 0 1 0-1.500-5.600A5 5 0 0 1 15 11zm1 2.500c2.500.4 4 2 4 4.500v2h-3v-1c0-2-.6-3.700-1.800-5z",
  record: "M12 4a8 8 0 1 0 0 16 8 8 0 0 0 0-16zm0 4a4 4 0 1 1 0 8 4 4 0 0 1 0-8z",
  leave: "M12 9c-3 0-5.500.6-8 2l-2 2 3 3 3-2v-2.500c2.600-.7 5.400-.7 8 0V14l3 2 3-3-2-2c-2.500-1.400-5-2-8-2z",
};

/** Returns an icon. */
export function icon(name) {
  const space = "http://www.w3.org/2000/svg";
  const image = document.createElementNS(space, "svg");
  image.setAttribute("viewBox", "0 0 24 24");
  image.setAttribute("width", "22");
  image.setAttribute("height", "22");
  image.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(space, "path");
  path.setAttribute("d", PATHS[name]);
  path.setAttribute("fill", "currentColor");
  image.append(path);
  return image;
}

/** Returns a colour for a person, the same for the same id. */
export function colour(id) {
  let sum = 0;
  for (const character of id) sum = (sum * 31 + character.codePointAt(0)) % 10_007;
  // Neighbouring sums have hues far apart: the golden angle.
  return `hsl(${Math.round(sum * 137.508) % 360} 45% 34%)`;
}

/** Returns the first letter of a name. */
export const initial = (name) => [...name.trim()][0]?.toUpperCase() ?? "?";

/** Returns a text with its {name} replaced. */
export const named = (text, name) => text.replace("{name}", name);
