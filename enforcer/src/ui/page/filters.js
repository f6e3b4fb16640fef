// The filters of `enforcer flows`, as `OPTION=VALUE`. What a value means the daemon says, which also finds
// the mistakes.

import { button, el } from "./dom.js";

// Option and an example of a value.
export const OPTIONS = {
  namespace: "prod, from:prod, kube-*",
  pod: "web, from:prod/web, to:prod/db, prod/",
  workload: "Deployment/api, from:api",
  label: "app=api, from:app in (a,b)",
  service: "prod/api",
  ip: "10.0.0.1, to:10.0.0.0/8, not:…",
  port: "443, 8000-8100, not:53",
  protocol: "TCP, UDP, ICMP",
  verdict: "denied, allowed, audit",
  kind: "opened, denied, audited, closed",
  reason: "policy-denied",
  policy: "prod/db",
  direction: "ingress, egress",
  node: "n1, to:n2",
  identity: "7",
};

const SINCE = [["", "all that is kept"], ["5", "last 5 minutes"], ["15", "last 15 minutes"], ["60", "last hour"]];

export class Filters {
  // Texts such as "pod=from:web", in the order in which they were given.
  terms = [];
  minutes = "";
  changed = () => {};

  constructor() {
    this.what = el("select", { "aria-label": "Filter by", onchange: () => this.#hint() },
      Object.keys(OPTIONS).map((option) => el("option", {}, option)));
    this.value = el("input", { "aria-label": "Value", spellcheck: "false", autocomplete: "off", size: 28 });
    this.since = el("select", { "aria-label": "Time", onchange: () => this.#since() },
      SINCE.map(([minutes, words]) => el("option", { value: minutes }, words)));
    this.chips = el("ul", { class: "chips", "aria-label": "Filters" });
    this.problem = el("p", { class: "problem", role: "alert" });
    this.what.value = "pod";
    const form = el("form", { class: "bar" }, this.what, this.value, el("button", {}, "Add filter"), this.since,
      button("Denied only", () => this.#toggle("verdict=denied"), { id: "denied-only" }), this.chips);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (this.value.value.trim()) this.add(`${this.what.value}=${this.value.value.trim()}`);
    });
    this.element = el("div", { class: "filters" }, form, this.problem);
    this.#hint();
    this.#draw();
  }

  // What the records that are asked for are.
  query() {
    const since = this.minutes && new Date(Date.now() - this.minutes * 60000).toISOString();
    return { filter: this.terms, ...(since && { since }) };
  }

  get isEmpty() {
    return !this.terms.length && !this.minutes;
  }

  add(term) {
    if (!this.terms.includes(term)) this.set([...this.terms, term]);
    this.value.value = "";
  }

  set(terms) {
    this.terms = terms;
    this.#draw();
    this.changed();
  }

  #toggle(term) {
    const without = this.terms.filter((one) => one !== term);
    this.set(without.length < this.terms.length ? without : [...this.terms, term]);
  }

  #since() {
    this.minutes = this.since.value;
    this.changed();
  }

  #hint() {
    this.value.placeholder = OPTIONS[this.what.value];
  }

  #draw() {
    const chip = (term) => el("li", {}, el("span", {}, term),
      button("×", () => this.set(this.terms.filter((one) => one !== term)), { "aria-label": `Remove ${term}` }));
    this.chips.replaceChildren(...this.terms.map(chip));
    const denied = this.element?.querySelector("#denied-only");
    denied?.setAttribute("aria-pressed", String(this.terms.includes("verdict=denied")));
  }
}
