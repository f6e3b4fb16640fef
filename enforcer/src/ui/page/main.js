// The page: one stream of records for all views, one view in sight.

import { button, count, drawer, el } from "./dom.js";
import { Filters } from "./filters.js";
import { Flows } from "./flows.js";
import { Graph } from "./graph.js";
import { askForCode, codeOfAddress } from "./login.js";
import { ServiceMap } from "./map.js";
import { Hits, Policies } from "./policies.js";
import { Records } from "./records.js";
import { login, NoSession } from "./server.js";
import { Why } from "./why.js";
import { World } from "./world.js";

const main = document.querySelector("#view");
const state = document.querySelector("#state");
const tabs = document.querySelector("#tabs");

const records = new Records();
const world = new World();
const graph = new Graph();
const hits = new Hits();
const filters = new Filters();

const showFlows = (terms) => {
  go("flows");
  filters.set(terms);
};
const askWhy = (record) => {
  go("why");
  views.why.about(record);
};
const views = {
  map: new ServiceMap(graph, world, showFlows, askWhy),
  flows: new Flows(records, filters, askWhy),
  policies: new Policies(world, hits, showFlows),
  why: new Why(world),
};

function go(name) {
  location.hash = name;
  show();
}

function show() {
  const name = location.hash.slice(1) in views ? location.hash.slice(1) : "map";
  for (const tab of tabs.children) {
    if (tab.hash === `#${name}`) tab.setAttribute("aria-current", "page");
    else tab.removeAttribute("aria-current");
  }
  const { element } = views[name];
  if (main.firstElementChild !== element) main.replaceChildren(element);
  views[name].draw();
}

function draw() {
  for (const view of Object.values(views)) view.draw();
  drawState();
}

// What matters at three in the morning, in one line.
const drawState = drawer(() => {
  const { status, trouble } = world;
  const words = [];
  if (trouble.status) words.push(el("strong", { class: "denied" }, "✕ no daemon"), ` ${trouble.status}`);
  else if (status) {
    const problems = status.problems.length + status.faults.length;
    words.push(status.in_force ? el("span", { class: "allowed" }, "✓ in force") : el("strong", { class: "denied" }, "✕ NOT in force"));
    if (status.mode === "audit") words.push(el("strong", { class: "audit" }, "! audit: nothing is dropped"));
    if (problems) words.push(button(`${count(problems)} problems`, () => go("policies"), { class: "denied" }));
    if (status.node) words.push(`node ${status.node}`);
  }
  words.push(records.trouble === "" ? el("span", { class: "live" }, "● live") : el("span", { class: "denied" }, "○ no records now"));
  if (records.missed) words.push(el("span", { class: "audit" }, `${count(records.missed)} records missed`));
  state.replaceChildren(...words.flatMap((word) => [word, " "]));
});

function start() {
  if (document.hidden) return;
  records.resume();
  views.flows.resume();
  world.look();
}

function pause() {
  records.stop();
  views.flows.pause();
  world.stop();
}

let asking = false;
async function letIn(words) {
  if (asking) return;
  asking = true;
  pause();
  await askForCode(main, words);
  asking = false;
  show();
  start();
}

for (const source of [records, views.flows, world]) source.lostSession = () => letIn("");
records.added = (record) => {
  graph.add(record);
  hits.add(record);
};
records.removed = (record) => {
  graph.remove(record);
  hits.remove(record);
};
records.changed = draw;
world.changed = draw;

const code = codeOfAddress();
show();
try {
  if (code !== undefined) await login(code);
  records.start({});
  world.look();
} catch (error) {
  records.start({});
  letIn(error instanceof NoSession ? error.message : `The server does not answer: ${error.message}`);
}
window.addEventListener("hashchange", () => {
  // A link of `enforcer ui` in a tab that has the page already.
  const next = codeOfAddress();
  if (next !== undefined) login(next).then(() => location.reload(), () => {});
  else if (!asking) show();
});
document.addEventListener("visibilitychange", () => (document.hidden ? pause() : start()));
