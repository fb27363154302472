// Builds elements without ever parsing HTML: what a carrier or a user wrote stays text. Properties that are not attributes:
// `on` (listeners), `vars` (custom properties for the style sheet), `data` (data-*). null and false leave something out.

const SVG = "http://www.w3.org/2000/svg";

export function h(tag, given = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(given)) set(element, name, value);
  element.append(...real(children));
  return element;
}

export function fill(element, ...children) {
  element.replaceChildren(...real(children));
}

function real(children) {
  return children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false);
}

function set(element, name, value) {
  if (value === null || value === undefined || value === false) return;
  if (name === "on") for (const [kind, listener] of Object.entries(value)) element.addEventListener(kind, listener);
  else if (name === "vars") for (const [key, one] of Object.entries(value)) element.style.setProperty(`--${key}`, one);
  else if (name === "data") Object.assign(element.dataset, value);
  else element.setAttribute(name, value === true ? "" : value);
}

// A small picture drawn with one stroke; decoration, so hidden from screen readers. The word beside it says the same.
export function glyph(name) {
  const picture = document.createElementNS(SVG, "svg");
  const path = document.createElementNS(SVG, "path");
  picture.setAttribute("viewBox", "0 0 16 16");
  picture.setAttribute("class", "glyph");
  picture.setAttribute("aria-hidden", "true");
  path.setAttribute("d", GLYPHS[name]);
  picture.append(path);
  return picture;
}

const GLYPHS = {
  ok: "M3 8.5l3.2 3.2L13 4.8",
  bad: "M4 4l8 8M12 4l-8 8",
  warn: "M8 2.5L14.2 13H1.8zM8 6.5v3.2M8 11.3v.2",
  hold: "M5.5 3.5v9M10.5 3.5v9",
  off: "M3.8 3.8l8.4 8.4M8 2a6 6 0 100 12A6 6 0 008 2z",
  wait: "M8 2a6 6 0 100 12A6 6 0 008 2zM8 4.8V8l2.2 1.6",
  dial: "M2 8h2M7 8h2M12 8h2",
  ring: "M3.5 11h9L11 9V6.5a3 3 0 00-6 0V9zM7 13.3h2",
  talk: "M2.5 8h1M5.5 5v6M8.5 3v10M11.5 6v4M13.8 8h.2",
  none: "M4 8h8",
};

// Makes the children of `list` the given elements, in order, touching only what is out of place; focus stays where it is.
export function arrange(list, elements) {
  const focused = list.contains(document.activeElement) ? document.activeElement : null;
  const wanted = new Set(elements);
  for (const child of [...list.children]) if (!wanted.has(child)) child.remove();
  elements.forEach((element, index) => {
    if (list.children[index] !== element) list.insertBefore(element, list.children[index] ?? null);
  });
  if (focused && focused !== document.activeElement && list.contains(focused)) focused.focus({ preventScroll: true });
}

export function find(id) {
  return document.getElementById(id);
}

export function show(element, visible) {
  if (element.hidden === visible) element.hidden = !visible;
}

export function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
