// What policies do: whom they isolate, what each rule lets through, how often it did.

import { button, count, drawer, el, several } from "./dom.js";

// So many rows of each table are shown; the search narrows what is meant.
const ROWS = 100;
const PAUSE_MS = 500;

// Hits of rules and policies, from the records that the page has.
export class Hits {
  #counts = new Map();

  add(record) {
    this.#count(record, 1);
  }

  remove(record) {
    this.#count(record, -1);
  }

  #count(record, sign) {
    if (record.kind === "opened" && record.allowed_by) {
      this.#raise(`${record.allowed_by.policy} ${record.allowed_by.rule}`, sign, record.time);
    } else if (record.reason === "policy-denied") {
      for (const policy of record.policies) this.#raise(`${policy} denied`, sign * record.count, record.time);
    }
  }

  #raise(key, by, time) {
    const of = this.#counts.get(key) ?? { count: 0 };
    of.count += by;
    if (by > 0) of.last = time;
    this.#counts.set(key, of);
  }

  of(policy, rule) {
    return this.#counts.get(`${policy} ${rule}`) ?? { count: 0 };
  }

  denied(policy) {
    return this.of(policy, "denied");
  }
}

export class Policies {
  #world;
  #hits;
  #showFlows;
  #open = new Set();

  constructor(world, hits, showFlows) {
    this.#world = world;
    this.#hits = hits;
    this.#showFlows = showFlows;
    this.draw = drawer(() => this.#draw(), PAUSE_MS);
    this.#build();
  }

  #search;
  #problems;
  #summary;
  #policies;
  #pods;
  #drawn = "";

  #build() {
    this.#search = el("input", {
      type: "search", "aria-label": "Search policies and pods", placeholder: "name of a policy, pod, node or workload",
      size: 40, spellcheck: "false", oninput: () => this.#draw(),
    });
    this.#problems = el("div", { class: "problems" });
    this.#summary = el("p", { class: "summary", id: "policy-summary", role: "status" });
    this.#policies = el("tbody", {});
    this.#pods = el("tbody", {});
    const table = (caption, columns, body) => el("table", {}, el("caption", {}, caption),
      el("thead", {}, el("tr", {}, columns.map((name) => el("th", { scope: "col" }, name)))), body);
    this.element = el("section", { class: "policies" }, this.#problems,
      el("div", { class: "bar" }, this.#search, this.#summary),
      el("div", { class: "two" },
        table("Policies", ["Policy and rules", "Lets through", "Hits", "Last"], this.#policies),
        table("Pods", ["Pod", "Isolated towards it by", "Isolated from it by"], this.#pods)));
  }

  #draw() {
    if (!this.element.isConnected) return;
    const { overview, status, trouble } = this.#world;
    const wanted = this.#search.value.trim().toLowerCase();
    const isMeant = (...texts) => texts.some((text) => text?.toLowerCase().includes(wanted));
    const policies = overview.policies.filter((one) => isMeant(one.policy, one.subject));
    const names = (places) => places.map((place) => overview.policies[place].policy);
    const pods = overview.pods.filter((one) =>
      isMeant(one.pod, one.workload, one.node, ...names(one.ingress), ...names(one.egress)));
    const unenforced = new Map((status?.endpoints ?? [])
      .filter((one) => one.not_enforced).map((one) => [one.pod, one.not_enforced]));
    this.#summary.textContent = summary(overview, trouble.overview);
    this.#drawProblems(status, unenforced);
    const rows = policies.slice(0, ROWS).flatMap((one) => this.#policy(one));
    const podRows = pods.slice(0, ROWS).map((one) => podRow(one, names, unenforced.get(one.pod)));
    // A table that says the same stays as it is, with selection and focus.
    const drawn = [...rows, ...podRows].map((row) => row.outerHTML).join("") + policies.length + pods.length;
    if (drawn === this.#drawn) return;
    this.#drawn = drawn;
    const focus = document.activeElement?.dataset?.policy;
    this.#policies.replaceChildren(...rows, ...more(policies.length, 4));
    this.#pods.replaceChildren(...podRows, ...more(pods.length, 3));
    if (focus) this.#policies.querySelector(`[data-policy="${CSS.escape(focus)}"]`)?.focus();
  }

  #drawProblems(status, unenforced) {
    const items = [
      ...(status?.faults ?? []),
      ...(status?.problems ?? []),
      ...[...unenforced].map(([pod, why]) => `${pod} is not enforced: ${why}`),
    ];
    const notes = (status?.other_engines ?? []).map((one) => `Another policy engine, which packets must pass too: ${one}`);
    this.#problems.hidden = !items.length && !notes.length;
    const list = (lines, kind) => lines.map((line) => el("li", { class: kind }, line));
    this.#problems.replaceChildren(el("h2", {}, items.length ? several(items.length, "problem") : "Notes"),
      el("ul", {}, list(items.slice(0, ROWS), "problem"), list(notes, "note")),
      ...(items.length > ROWS ? [el("p", {}, `and ${count(items.length - ROWS)} more: enforcer status`)] : []));
  }

  #policy(one) {
    const isOpen = this.#open.has(one.policy);
    const hits = one.rules.map((rule) => this.#hits.of(one.policy, rule.rule));
    const denied = this.#hits.denied(one.policy);
    const directions = [one.ingress && "ingress", one.egress && "egress"].filter(Boolean).join(" and ");
    const toggle = button(`${isOpen ? "▾" : "▸"} ${one.policy}`, () => this.#toggle(one.policy),
      { class: "plain", "aria-expanded": String(isOpen), "data-policy": one.policy });
    const head = el("tr", { class: "policy", "data-name": one.policy },
      el("th", { scope: "row" }, toggle),
      el("td", {}, `isolates ${one.subject} (${several(one.selected, "pod")}) for ${directions || "nothing"}; ${several(one.rules.length, "rule")}`),
      el("td", {}, `${count(hits.reduce((sum, hit) => sum + hit.count, 0))} ✓`, " ",
        el("span", { class: denied.count ? "denied" : "" }, `${count(denied.count)} ✕`)),
      el("td", {}, latest([...hits, denied])));
    if (!isOpen) return [head];
    const rules = one.rules.map((rule, index) => el("tr", { class: "rule" },
      el("td", {}, rule.rule), el("td", {}, rule.allows), el("td", {}, `${count(hits[index].count)} ✓`),
      el("td", {}, latest([hits[index]]))));
    const rest = el("tr", { class: "rule" }, el("td", {}, "everything else"), el("td", {}, "is denied"),
      el("td", { class: denied.count ? "denied" : "" }, `${count(denied.count)} ✕`),
      el("td", {}, latest([denied]), " ", button("Flows", () => this.#showFlows([`policy=${one.policy}`]))));
    return [head, ...rules, rest];
  }

  #toggle(policy) {
    if (!this.#open.delete(policy)) this.#open.add(policy);
    this.#draw();
  }
}

function summary({ pods, policies }, trouble) {
  if (trouble) return `No policies: ${trouble}`;
  const isolated = (direction) => count(pods.filter((pod) => pod[direction].length).length);
  return `${several(policies.length, "policy").replace("policys", "policies")}; of ${several(pods.length, "pod")} `
    + `${isolated("ingress")} isolated for ingress, ${isolated("egress")} for egress`;
}

function podRow(one, names, why) {
  const by = (places) => (one.host_network ? "no policy applies: hostNetwork"
    : places.length ? names(places).join(", ") : el("span", { class: "open" }, "open"));
  const under = [one.workload, one.node && `on ${one.node}`, one.addresses.join(" ")].filter(Boolean).join(" · ");
  return el("tr", { class: why ? "unenforced" : "" },
    el("th", { scope: "row" }, one.pod, el("div", { class: "under" }, under),
      why && el("div", { class: "problem" }, `✕ not enforced: ${why}`)),
    el("td", {}, by(one.ingress)), el("td", {}, by(one.egress)));
}

function latest(hits) {
  const times = hits.map((hit) => hit.last).filter(Boolean).sort();
  return times.length ? times.at(-1).slice(11, 19) : "–";
}

const more = (all, columns) => (all > ROWS
  ? [el("tr", {}, el("td", { colspan: columns, class: "more" }, `${count(all - ROWS)} more: type above to narrow`))] : []);
