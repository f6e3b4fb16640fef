// The service map: a drawing, and beside it the same as a list, which keyboards and screen readers use.

import { button, count, drawer, el, several, svg } from "./dom.js";
import { HEIGHT, WIDTH, layout } from "./layout.js";
import { reason } from "./flows.js";

// So many edges are drawn, those with denials first; all are in the list.
const EDGES = 400;
// So many edges are listed.
const LISTED = 200;
const PAUSE_MS = 400;
const LETTERS = 24;

const ZOOM = { min: 0.1, max: 4, step: 1.25 };

export class ServiceMap {
  #graph;
  #world;
  #showFlows;
  #why;
  #places = new Map();
  #shape = "";
  #chosen;
  #nodes = new Map();
  #edges = new Map();
  #camera = { x: 0, y: 0, zoom: 1, follows: true };

  constructor(graph, world, showFlows, why) {
    this.#graph = graph;
    this.#world = world;
    this.#showFlows = showFlows;
    this.#why = why;
    this.draw = drawer(() => this.#draw(), PAUSE_MS);
    this.#build();
  }

  #picture;
  #scene;
  #edgeLayer;
  #nodeLayer;
  #panel;
  #list;
  #summary;

  #build() {
    const head = (id, kind) => svg("marker", {
      id, class: kind, viewBox: "0 0 8 8", refX: 7, refY: 4, markerWidth: 7, markerHeight: 7, orient: "auto",
    }, svg("path", { d: "M0 0L8 4L0 8z" }));
    this.#edgeLayer = svg("g", {});
    this.#nodeLayer = svg("g", {});
    this.#scene = svg("g", {}, this.#edgeLayer, this.#nodeLayer);
    this.#picture = svg("svg", {
      class: "picture", tabindex: "0", role: "group", "aria-label": "Service map; + and - zoom, 0 fits, arrows move",
    }, svg("defs", {}, head("tip-allowed", "allowed"), head("tip-denied", "denied"), head("tip-audit", "audit")), this.#scene);
    this.#summary = el("p", { class: "summary", id: "map-summary", role: "status" });
    const tools = el("div", { class: "bar" },
      button("+", () => this.#zoom(ZOOM.step), { "aria-label": "Zoom in" }),
      button("−", () => this.#zoom(1 / ZOOM.step), { "aria-label": "Zoom out" }),
      button("Fit", () => this.#fit()),
      button("By namespace", () => this.#collapse()), this.#summary);
    const legend = el("p", { class: "legend" },
      el("span", { class: "allowed" }, "── allowed"), " ", el("span", { class: "denied" }, "╌✕╌ denied"), " ",
      el("span", { class: "audit" }, "┄!┄ audit: would be denied"));
    this.#panel = el("div", { class: "panel", "aria-live": "polite" });
    this.#list = el("ol", { class: "edges", "aria-label": "Who talks to whom, denials first" });
    this.element = el("section", { class: "map" }, tools,
      el("div", { class: "beside" }, el("div", { class: "canvas" }, this.#picture, legend),
        el("aside", {}, this.#panel, this.#list)));
    this.#listen();
  }

  #listen() {
    this.#picture.addEventListener("wheel", (event) => {
      event.preventDefault();
      this.#zoom(event.deltaY < 0 ? ZOOM.step : 1 / ZOOM.step, event);
    }, { passive: false });
    this.#picture.addEventListener("pointerdown", (event) => {
      if (event.target.closest(".node, .edge")) return;
      this.#picture.setPointerCapture(event.pointerId);
      const move = (moved) => this.#move(moved.movementX, moved.movementY);
      this.#picture.addEventListener("pointermove", move);
      this.#picture.addEventListener("pointerup",
        () => this.#picture.removeEventListener("pointermove", move), { once: true });
    });
    this.#picture.addEventListener("keydown", (event) => {
      const moves = { ArrowLeft: [60, 0], ArrowRight: [-60, 0], ArrowUp: [0, 60], ArrowDown: [0, -60] };
      if (moves[event.key]) this.#move(...moves[event.key]);
      else if (event.key === "+" || event.key === "=") this.#zoom(ZOOM.step);
      else if (event.key === "-") this.#zoom(1 / ZOOM.step);
      else if (event.key === "0") this.#fit();
      else return;
      event.preventDefault();
    });
  }

  #draw() {
    if (!this.element.isConnected) return;
    const { nodes, edges } = this.#graph.view();
    const shape = [...nodes.keys(), ...edges.keys()].join("\n");
    if (shape !== this.#shape) {
      this.#shape = shape;
      this.#places = layout([...nodes.keys()], [...edges.values()].map(({ from, to }) => [from.id, to.id]));
      if (this.#camera.follows) this.#fit();
    }
    const byWeight = [...edges.values()].sort((a, b) =>
      b.denied - a.denied || b.audit - a.audit || b.allowed - a.allowed || (a.id < b.id ? -1 : 1));
    this.#drawNodes(nodes);
    this.#drawEdges(byWeight.slice(0, EDGES));
    this.#drawList(byWeight);
    this.#summary.textContent = this.#words(nodes, byWeight);
    if (this.#chosen) this.#show(nodes.get(this.#chosen) ?? edges.get(this.#chosen));
  }

  #words(nodes, edges) {
    if (!nodes.size) return "No flows yet. Pods that no policy isolates make no records.";
    const denied = edges.filter((edge) => edge.denied).length;
    const words = [`${several(nodes.size, "node")}, ${several(edges.length, "edge")}`];
    if (denied) words.push(`${count(denied)} with denials`);
    if (edges.length > EDGES) words.push(`the ${EDGES} that matter most are drawn`);
    return words.join(", ");
  }

  #drawNodes(nodes) {
    keep(this.#nodes, nodes, this.#nodeLayer, (node) => this.#node(node));
    for (const [id, node] of nodes) {
      const { x, y } = this.#places.get(id);
      const drawn = this.#nodes.get(id);
      const { text, words } = this.#about(node);
      drawn.setAttribute("transform", `translate(${x} ${y})`);
      drawn.setAttribute("aria-label", words);
      drawn.setAttribute("aria-pressed", String(this.#chosen === id));
      drawn.classList.toggle("trouble", node.inside.denied > 0);
      drawn.querySelector(".under").textContent = text;
      drawn.querySelector("title").textContent = words;
    }
  }

  #node(node) {
    const act = () => (this.#chosen === node.id && canOpen(node) ? this.#toggle(node.id) : this.#choose(node.id));
    return svg("g", {
      class: `node ${node.kind}`, tabindex: "0", role: "button", "data-id": node.id, onclick: act,
      ondblclick: () => canOpen(node) && this.#toggle(node.id),
      onkeydown: (event) => {
        if (event.key !== "Enter" && event.key !== " ") return;
        event.preventDefault();
        act();
      },
    }, svg("title", {}), svg("rect", { y: -HEIGHT / 2, width: WIDTH, height: HEIGHT, rx: 6 }),
    svg("text", { x: 10, y: -3 }, short(node.name)), svg("text", { class: "under", x: 10, y: 13 }));
  }

  // The second line of a node, and all of it in words.
  #about(node) {
    const pods = this.#pods(node);
    const isolated = pods.filter((pod) => pod.ingress.length || pod.egress.length).length;
    const parts = [node.kind === "namespace" ? "namespace" : node.namespace ?? ""];
    if (pods.length) parts.push(several(pods.length, "pod"), `${count(isolated)} isolated`);
    const text = parts.filter((part) => part).join(" · ");
    const inside = node.inside.allowed + node.inside.denied
      ? `; within it ${count(node.inside.allowed)} allowed, ${several(node.inside.denied, "packet")} denied` : "";
    return { text: short(text, LETTERS + 8), words: `${node.kind} ${node.name}; ${text}${inside}` };
  }

  #pods(node) {
    const { pods } = this.#world.overview;
    if (node.kind === "namespace") return pods.filter((pod) => pod.pod.startsWith(`${node.name}/`));
    if (node.kind === "pod") return pods.filter((pod) => pod.pod === node.pod);
    if (node.kind !== "workload") return [];
    return pods.filter((pod) => pod.workload === node.workload && pod.pod.startsWith(`${node.namespace}/`));
  }

  #drawEdges(edges) {
    keep(this.#edges, new Map(edges.map((edge) => [edge.id, edge])), this.#edgeLayer, ({ id }) => svg("g",
      { class: "edge", "data-id": id, onclick: () => this.#choose(id) },
      svg("path", { class: "reach" }), svg("path", { class: "line" }), svg("text", { class: "mark" })));
    for (const edge of edges) {
      const drawn = this.#edges.get(edge.id);
      const kind = kindOf(edge);
      const { path, middle } = curve(this.#places.get(edge.from.id), this.#places.get(edge.to.id));
      drawn.setAttribute("class", `edge ${kind}${this.#chosen === edge.id ? " chosen" : ""}`);
      const [reach, line, mark] = drawn.children;
      reach.setAttribute("d", path);
      line.setAttribute("d", path);
      line.setAttribute("marker-end", `url(#tip-${kind})`);
      const packets = edge.denied + edge.audit;
      mark.textContent = packets ? `${edge.denied ? "✕" : "!"} ${count(packets)}` : "";
      mark.setAttribute("x", middle.x);
      mark.setAttribute("y", middle.y - 5);
    }
  }

  #drawList(edges) {
    const line = (edge) => el("li", {}, button("", () => this.#choose(edge.id),
      { class: kindOf(edge), "data-id": edge.id, "aria-pressed": String(this.#chosen === edge.id) }));
    // Elements stay, so that whoever is on one with the keyboard stays there.
    const listed = edges.slice(0, LISTED);
    const old = new Map([...this.#list.querySelectorAll("button")].map((one) => [one.dataset.id, one.parentElement]));
    const items = listed.map((edge) => {
      const item = old.get(edge.id) ?? line(edge);
      const at = item.firstElementChild;
      at.className = kindOf(edge);
      at.setAttribute("aria-pressed", String(this.#chosen === edge.id));
      at.textContent = `${edge.denied ? "✕" : edge.audit ? "!" : "✓"} ${edge.from.name} → ${edge.to.name}: ${numbers(edge)}`;
      return item;
    });
    if (edges.length > LISTED) items.push(el("li", {}, `and ${count(edges.length - LISTED)} more`));
    const same = items.length === this.#list.children.length
      && items.every((item, index) => item === this.#list.children[index]);
    if (!same) this.#list.replaceChildren(...items);
  }

  #choose(id) {
    this.#chosen = id;
    this.#draw();
  }

  #toggle(id) {
    this.#graph.toggle(id);
    this.#chosen = undefined;
    this.#panel.replaceChildren();
    this.#draw();
  }

  #collapse() {
    this.#graph.close();
    this.#camera.follows = true;
    this.#choose(undefined);
    this.#panel.replaceChildren();
  }

  #show(what) {
    if (!what) return this.#panel.replaceChildren();
    // Rebuilt only when it says something else: its buttons may have the focus.
    const { title, counts, last } = what.from
      ? { title: `${what.from.name} → ${what.to.name}`, counts: what, last: what.last }
      : { title: what.name, counts: what.inside, last: what.inside.last };
    const news = JSON.stringify([what.id, counts.allowed, counts.denied, counts.audit, last?.sequence]);
    if (this.#panel.dataset.shows === news && this.#panel.childElementCount) return undefined;
    this.#panel.dataset.shows = news;
    const ports = [...counts.ports].sort(([, a], [, b]) => b.denied - a.denied || b.allowed - a.allowed);
    return this.#panel.replaceChildren(
      el("h2", {}, title),
      el("p", {}, what.from ? numbers(what) : this.#about(what).words),
      el("div", { class: "bar" }, this.#actions(what, last)),
      ...(last ? [el("p", { class: "denied" }, `Last denied ${last.time.slice(11, 19)}: ${reason(last)}`)] : []),
      el("ul", { class: "ports" }, ports.slice(0, 12).map(([port, of]) =>
        el("li", { class: kindOf(of) }, `${port}: ${numbers(of)}`))),
      ...(ports.length > 12 ? [el("p", {}, `and ${ports.length - 12} more ports`)] : []));
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

  #fit() {
    const places = [...this.#places.values()];
    const box = this.#picture.getBoundingClientRect();
    if (!places.length || !box.width) return;
    const left = Math.min(...places.map(({ x }) => x)) - 20;
    const right = Math.max(...places.map(({ x }) => x)) + WIDTH + 20;
    const top = Math.min(...places.map(({ y }) => y)) - HEIGHT;
    const bottom = Math.max(...places.map(({ y }) => y)) + HEIGHT;
    const zoom = Math.max(ZOOM.min, Math.min(1.4, box.width / (right - left), box.height / (bottom - top)));
    const x = (box.width - (left + right) * zoom) / 2;
    const y = (box.height - (top + bottom) * zoom) / 2;
    this.#camera = { x, y, zoom, follows: true };
    this.#look();
  }

  #zoom(factor, event) {
    const box = this.#picture.getBoundingClientRect();
    const at = event ? { x: event.clientX - box.x, y: event.clientY - box.y } : { x: box.width / 2, y: box.height / 2 };
    const { x, y, zoom } = this.#camera;
    const next = Math.min(ZOOM.max, Math.max(ZOOM.min, zoom * factor));
    const scale = next / zoom;
    this.#camera = { x: at.x - (at.x - x) * scale, y: at.y - (at.y - y) * scale, zoom: next, follows: false };
    this.#look();
  }

  #move(x, y) {
    this.#camera = { ...this.#camera, x: this.#camera.x + x, y: this.#camera.y + y, follows: false };
    this.#look();
  }

  #look() {
    const { x, y, zoom } = this.#camera;
    this.#scene.setAttribute("transform", `translate(${x} ${y}) scale(${zoom})`);
  }
}

const canOpen = ({ kind }) => ["namespace", "workload", "nodes", "outside"].includes(kind);

const kindOf = ({ denied, audit }) => (denied ? "denied" : audit ? "audit" : "allowed");

const short = (text, letters = LETTERS) => (text.length > letters ? `${text.slice(0, letters - 1)}…` : text);

function numbers({ allowed, denied, audit }) {
  const words = [];
  if (denied) words.push(`${several(denied, "packet")} denied`);
  if (audit) words.push(`${several(audit, "packet")} would be denied`);
  if (allowed) words.push(`${several(allowed, "connection")} allowed`);
  return words.join(", ") || "nothing";
}

// From the right side of one to the left side of the other; back below, where it leads back.
function curve(from, to) {
  const [a, b] = [{ x: from.x + WIDTH, y: from.y }, { x: to.x - 2, y: to.y }];
  const bend = b.x >= a.x ? Math.max(40, (b.x - a.x) / 2) : 90;
  const drop = b.x >= a.x ? 0 : HEIGHT;
  const path = `M${a.x} ${a.y}C${a.x + bend} ${a.y + drop} ${b.x - bend} ${b.y + drop} ${b.x} ${b.y}`;
  return { path, middle: { x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 + drop * 0.75 } };
}

// Keeps the elements of what is still there, so that the focus stays where it is.
function keep(elements, wanted, layer, make) {
  for (const [id, drawn] of elements) {
    if (wanted.has(id)) continue;
    drawn.remove();
    elements.delete(id);
  }
  for (const [id, one] of wanted) {
    if (elements.has(id)) continue;
    elements.set(id, make(one));
    layer.append(elements.get(id));
  }
}
