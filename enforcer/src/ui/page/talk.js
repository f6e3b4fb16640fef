// Beside the map: the same edges as a list, which keyboards and screen readers use, and what is known of the
// chosen node or edge.

import { button, count, el, several } from "./dom.js";
import { reason } from "./flows.js";

// So many edges are listed, and so many ports.
const LISTED = 200;
const PORTS = 12;

export const canOpen = ({ kind }) => ["namespace", "workload", "nodes", "outside"].includes(kind);

// What an edge or a port is called by: the worst that happened there.
export const kindOf = ({ denied, audit }) => (denied ? "denied" : audit ? "audit" : "allowed");

const SIGNS = { denied: "✕", audit: "!", allowed: "✓" };

export function numbers({ allowed, denied, audit }) {
  const words = [];
  if (denied) words.push(`${several(denied, "packet")} denied`);
  if (audit) words.push(`${several(audit, "packet")} would be denied`);
  if (allowed) words.push(`${several(allowed, "connection")} allowed`);
  return words.join(", ") || "nothing";
}

export class EdgeList {
  #choose;
  element = el("ol", { class: "edges", "aria-label": "Who talks to whom, denials first" });

  constructor(choose) {
    this.#choose = choose;
  }

  draw(edges, chosen) {
    // Elements stay, so that whoever is on one with the keyboard stays there.
    const old = new Map([...this.element.querySelectorAll("button")].map((one) => [one.dataset.id, one.parentElement]));
    const items = edges.slice(0, LISTED).map((edge) => {
      const item = old.get(edge.id) ?? el("li", {}, button("", () => this.#choose(edge.id), { "data-id": edge.id }));
      const [line] = item.children;
      line.className = kindOf(edge);
      line.setAttribute("aria-pressed", String(chosen === edge.id));
      line.textContent = `${SIGNS[kindOf(edge)]} ${edge.from.name} → ${edge.to.name}: ${numbers(edge)}`;
      return item;
    });
    if (edges.length > LISTED) items.push(el("li", {}, `and ${count(edges.length - LISTED)} more`));
    const same = items.length === this.element.children.length
      && items.every((item, index) => item === this.element.children[index]);
    if (!same) this.element.replaceChildren(...items);
  }
}

export class Panel {
  #toggle;
  #showFlows;
  #why;
  element = el("div", { class: "panel", "aria-live": "polite" });

  constructor(toggle, showFlows, why) {
    this.#toggle = toggle;
    this.#showFlows = showFlows;
    this.#why = why;
  }

  // Shows a node or an edge, and says of a node what `words` are.
  show(what, words) {
    if (!what) return this.element.replaceChildren();
    const counts = what.inside ?? what;
    const { last } = counts;
    // Made anew only when it says something else: its buttons may have the focus.
    const news = JSON.stringify([what.id, words, counts.allowed, counts.denied, counts.audit, last?.sequence]);
    if (this.element.dataset.shows === news && this.element.childElementCount) return undefined;
    this.element.dataset.shows = news;
    const ports = [...counts.ports].sort(([, a], [, b]) => b.denied - a.denied || b.allowed - a.allowed);
    return this.element.replaceChildren(
      el("h2", {}, what.from ? `${what.from.name} → ${what.to.name}` : what.name),
      el("p", {}, words ?? numbers(what)),
      el("div", { class: "bar" }, this.#actions(what, last)),
      ...(last ? [el("p", { class: "denied" }, `Last denied ${last.time.slice(11, 19)}: ${reason(last)}`)] : []),
      el("ul", { class: "ports" }, ports.slice(0, PORTS).map(([port, of]) =>
        el("li", { class: kindOf(of) }, `${port}: ${numbers(of)}`))),
      ...(ports.length > PORTS ? [el("p", {}, `and ${count(ports.length - PORTS)} more ports`)] : []));
  }

  #actions(what, last) {
    const actions = [];
    if (!what.from && canOpen(what)) actions.push(button("Open", () => this.#toggle(what.id)));
    if (!what.from && what.parent) actions.push(button("Close", () => this.#toggle(what.parent)));
    const terms = (node, side) => node.terms.map((term) => term.replace("SIDE:", side));
    const filter = what.from ? [...terms(what.from, "from:"), ...terms(what.to, "to:")] : terms(what, "");
    actions.push(button("Flows", () => this.#showFlows(filter)));
    if (last) actions.push(button("Why?", () => this.#why(last)));
    return actions;
  }
}
