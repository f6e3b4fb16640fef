// The service map. What is allowed is a solid line, what is denied a dashed one with ✕ and a number.

import { Camera } from "./camera.js";
import { button, count, drawer, el, several, svg } from "./dom.js";
import { HEIGHT, WIDTH, layout } from "./layout.js";
import { EdgeList, Panel, canOpen, kindOf } from "./talk.js";
import { wayOf } from "./ways.js";

// So many edges are drawn, those with denials first; more are in the list.
const EDGES = 400;
const PAUSE_MS = 400;
const LETTERS = 24;
const SMALL_LETTERS = 34;

export class ServiceMap {
  #graph;
  #world;
  #layout = { places: new Map(), ways: new Map() };
  #shape = "";
  #chosen;
  #nodes = new Map();
  #edges = new Map();
  #camera;
  #panel;
  #list;

  constructor(graph, world, showFlows, why) {
    this.#graph = graph;
    this.#world = world;
    this.draw = drawer(() => this.#draw(), PAUSE_MS);
    this.#panel = new Panel((id) => this.#toggle(id), showFlows, why);
    this.#list = new EdgeList((id) => this.#choose(id));
    this.#build();
  }

  #edgeLayer = svg("g", {});
  #nodeLayer = svg("g", {});
  #summary = el("p", { class: "summary", id: "map-summary", role: "status" });

  #build() {
    const tip = (kind) => svg("marker", {
      id: `tip-${kind}`, class: kind, viewBox: "0 0 8 8", refX: 7, refY: 4, markerWidth: 8, markerHeight: 8,
      markerUnits: "userSpaceOnUse", orient: "auto",
    }, svg("path", { d: "M0 0L8 4L0 8z" }));
    const scene = svg("g", {}, this.#edgeLayer, this.#nodeLayer);
    const picture = svg("svg", {
      class: "picture", tabindex: "0", role: "group", "aria-label": "Service map; + and - zoom, 0 fits, arrows move",
    }, svg("defs", {}, ["allowed", "denied", "audit"].map(tip)), scene);
    this.#camera = new Camera(picture, scene, ".node, .edge");
    const tools = el("div", { class: "bar" },
      button("+", () => this.#camera.nearer(), { "aria-label": "Zoom in" }),
      button("−", () => this.#camera.farther(), { "aria-label": "Zoom out" }),
      button("Fit", () => this.#camera.fit()),
      button("By namespace", () => this.#collapse()), this.#summary);
    const legend = el("p", { class: "legend" },
      el("span", { class: "allowed" }, "── allowed"), " ", el("span", { class: "denied" }, "╌✕╌ denied"), " ",
      el("span", { class: "audit" }, "┄!┄ audit: would be denied"));
    this.element = el("section", { class: "map" }, tools,
      el("div", { class: "beside" }, el("div", { class: "canvas" }, picture, legend),
        el("aside", {}, this.#panel.element, this.#list.element)));
  }

  #draw() {
    if (!this.element.isConnected) return;
    const { nodes, edges } = this.#graph.view();
    this.#place(nodes, edges);
    const byWeight = [...edges.values()].sort((a, b) =>
      b.denied - a.denied || b.audit - a.audit || b.allowed - a.allowed || (a.id < b.id ? -1 : 1));
    this.#drawNodes(nodes);
    this.#drawEdges(byWeight.slice(0, EDGES));
    this.#list.draw(byWeight, this.#chosen);
    this.#summary.textContent = summary(nodes, byWeight);
    const chosen = nodes.get(this.#chosen);
    this.#panel.show(chosen ?? edges.get(this.#chosen), chosen && this.#about(chosen).words);
  }

  // Another picture only where there is something new in it: numbers move nothing.
  #place(nodes, edges) {
    const shape = [...nodes.keys(), ...edges.keys()].join("\n");
    if (shape === this.#shape) return;
    this.#shape = shape;
    this.#layout = layout([...nodes.keys()], [...edges.values()].map(({ from, to }) => [from.id, to.id]));
    const { left, right, top, bottom } = this.#layout.bounds;
    this.#camera.extent({ left: left - 20, right: right + 20, top: top - HEIGHT, bottom: bottom + HEIGHT });
  }

  #drawNodes(nodes) {
    keep(this.#nodes, nodes, this.#nodeLayer, (node) => this.#node(node));
    for (const [id, node] of nodes) {
      const { x, y } = this.#layout.places.get(id);
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

  // The first click or Enter chooses, the second opens.
  #node(node) {
    const act = () => (this.#chosen === node.id && canOpen(node) ? this.#toggle(node.id) : this.#choose(node.id));
    const key = (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      act();
    };
    return svg("g",
      { class: "node", "data-kind": node.kind, tabindex: "0", role: "button", "data-id": node.id, onclick: act, onkeydown: key },
      svg("title", {}), svg("rect", { y: -HEIGHT / 2, width: WIDTH, height: HEIGHT, rx: 6 }),
      svg("text", { x: 10, y: -3 }, short(node.name, LETTERS)), svg("text", { class: "under", x: 10, y: 13 }));
  }

  // The second line of a node, and all of it in words.
  #about(node) {
    const pods = this.#world.podsOf(node);
    const isolated = pods.filter((pod) => pod.ingress.length || pod.egress.length).length;
    const parts = [node.kind === "namespace" ? "namespace" : node.namespace ?? ""];
    if (pods.length) parts.push(several(pods.length, "pod"), `${count(isolated)} isolated`);
    const text = parts.filter((part) => part).join(" · ");
    const inside = node.inside.allowed + node.inside.denied
      ? `; within it ${several(node.inside.allowed, "connection")} allowed, ${several(node.inside.denied, "packet")} denied` : "";
    return { text: short(text, SMALL_LETTERS), words: `${node.kind} ${node.name}; ${text}${inside}` };
  }

  #drawEdges(edges) {
    keep(this.#edges, new Map(edges.map((edge) => [edge.id, edge])), this.#edgeLayer, ({ id }) => svg("g",
      { "data-id": id, onclick: () => this.#choose(id) }, svg("path", { class: "reach" }),
      svg("path", { class: "passes" }), svg("path", { class: "stopped" }), svg("text", { class: "mark" })));
    for (const edge of edges) this.#drawEdge(this.#edges.get(edge.id), edge);
  }

  #drawEdge(drawn, edge) {
    const kind = kindOf(edge);
    const { path, beside, middle } = wayOf(this.#layout, edge);
    drawn.setAttribute("class", `edge ${kind}${this.#chosen === edge.id ? " chosen" : ""}`);
    const [reach, passes, stopped, mark] = drawn.children;
    const draw = (line, d, tip) => {
      line.setAttribute("d", d);
      if (d) line.setAttribute("marker-end", `url(#tip-${tip})`);
      else line.removeAttribute("marker-end");
    };
    reach.setAttribute("d", path);
    draw(passes, edge.allowed ? path : "", "allowed");
    // Where some of it is allowed, what is not has a line of its own.
    draw(stopped, kind === "allowed" ? "" : edge.allowed ? beside : path, kind);
    const packets = edge.denied || edge.audit;
    mark.textContent = packets ? `${edge.denied ? "✕" : "!"} ${count(packets)}` : "";
    mark.setAttribute("x", middle.x);
    mark.setAttribute("y", middle.y - 5);
  }

  #choose(id) {
    this.#chosen = id;
    this.#draw();
  }

  #toggle(id) {
    this.#graph.toggle(id);
    this.#choose(undefined);
  }

  #collapse() {
    this.#graph.close();
    this.#choose(undefined);
    this.#camera.fit();
  }
}

function summary(nodes, edges) {
  if (!nodes.size) return "No flows yet. Pods that no policy isolates make no records.";
  const denied = edges.filter((edge) => edge.denied).length;
  const words = [several(nodes.size, "node"), several(edges.length, "edge")];
  if (denied) words.push(`${count(denied)} with denials`);
  if (edges.length > EDGES) words.push(`the ${count(EDGES)} that matter most are drawn`);
  return words.join(", ");
}

const short = (text, letters) => (text.length > letters ? `${text.slice(0, letters - 1)}…` : text);

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
