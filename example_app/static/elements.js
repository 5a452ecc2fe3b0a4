// Elements of the page: finding, making and changing them.

export const byId = (id) => document.getElementById(id);

export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** Change the text of an element, unless it is the same: screen readers read each change aloud. */
export function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Make a row of a list: a name, its value, and its meaning. */
export function row(name, value, kind, ...note) {
  return make(
    "div",
    {},
    make("dt", {}, name),
    make("dd", { class: kind }, value),
    ...(note.length ? [make("dd", { class: "note" }, ...note)] : []),
  );
}
