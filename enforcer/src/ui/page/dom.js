// Making elements. Whatever comes from the cluster becomes text or an attribute, never markup; the page's
// content policy lets the browser see to that too.

const SVG = "http://www.w3.org/2000/svg";

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat().filter((child) => child !== undefined && child !== null));
  return node;
}

// el("p", { class: "note" }, "text", other)
export const el = (tag, attributes, ...children) =>
  fill(document.createElement(tag), attributes, children);

export const svg = (tag, attributes, ...children) =>
  fill(document.createElementNS(SVG, tag), attributes, children);

// A button that does something.
export const button = (text, onclick, attributes) =>
  el("button", { type: "button", onclick, ...attributes }, text);

// A number for people.
export const count = (number) => number.toLocaleString("en");

// "1 pod", "2 pods"
export const several = (number, what) => `${count(number)} ${what}${number === 1 ? "" : "s"}`;

// Calls `draw` once before the next frame, however often it is asked to. A page that nobody sees has no
// frames, and draws when it is seen again.
export function drawer(draw, pause = 0) {
  let waits = false;
  return () => {
    if (waits) return;
    waits = true;
    const run = () => requestAnimationFrame(() => {
      waits = false;
      draw();
    });
    if (pause) setTimeout(run, pause);
    else run();
  };
}

// What a verdict looks like: a sign and a word, so that nobody depends on the colour.
export const VERDICTS = {
  allowed: { sign: "✓", word: "allowed" },
  denied: { sign: "✕", word: "denied" },
  audit: { sign: "!", word: "audit" },
};

export function verdict(name) {
  const { sign, word } = VERDICTS[name] ?? { sign: "?", word: name };
  return el("span", { class: `verdict ${name}` }, `${sign} ${word}`);
}
