// Who talks to whom, from flow records: kept pod by pod, shown by namespace, workload or pod.

// So many of what one thing consists of are drawn; the least busy others become one.
const CHILDREN = 30;
const NAMESPACES = 60;
// Up to so many workloads namespaces are open from the beginning.
const OPEN = 40;

const cut = (text) => text.split("/");

// Where a side of a record stands: from what holds it to itself.
function path({ pod, workload, node, address }) {
  if (pod) {
    const [namespace, name] = cut(pod);
    const space = { id: `namespace ${namespace}`, kind: "namespace", name: namespace, terms: [`namespace=SIDE:${namespace}`] };
    const self = { id: `pod ${pod}`, kind: "pod", name, namespace, terms: [`pod=SIDE:${pod}`], pod };
    if (!workload) return [space, self];
    const [, owner] = cut(workload);
    const group = {
      id: `workload ${namespace} ${workload}`, kind: "workload", name: owner, namespace, workload,
      terms: [`namespace=SIDE:${namespace}`, `workload=SIDE:${workload}`],
    };
    return [space, group, self];
  }
  if (node) {
    const all = { id: "nodes", kind: "nodes", name: "nodes", terms: ["node=SIDE:*", "namespace=not:SIDE:*"] };
    return [all, { id: `node ${node}`, kind: "node", name: node, terms: [`node=SIDE:${node}`, "namespace=not:SIDE:*"] }];
  }
  const all = { id: "outside", kind: "outside", name: "outside the cluster", terms: ["namespace=not:SIDE:*", "node=not:SIDE:*"] };
  return [all, { id: `ip ${address}`, kind: "address", name: address, terms: [`ip=SIDE:${address}`], address }];
}

export class Graph {
  // By the ends of a connection: who, and how often what became of it.
  #pairs = new Map();
  #open = new Map();
  #wasLarge = false;

  add(record) {
    this.#count(record, 1);
  }

  remove(record) {
    this.#count(record, -1);
  }

  #count(record, sign) {
    // What is on its way to a service has another record with its real destination; the end of a flow
    // has one of its beginning.
    if (record.reason === "deferred" || record.kind === "closed" || !record.source.address) return;
    const from = path(record.source);
    const to = path(record.destination);
    const key = `${from.at(-1).id} > ${to.at(-1).id}`;
    let pair = this.#pairs.get(key);
    if (!pair) this.#pairs.set(key, (pair = { from, to, records: 0, in: 0, out: 0, denied: 0, audit: 0, ports: new Map() }));
    pair.records += sign;
    // Both ends tell of a connection.
    if (record.verdict === "allowed") pair[record.direction === "ingress" ? "in" : "out"] += sign;
    else pair[record.verdict] += sign * record.count;
    if (record.verdict === "denied" && sign > 0) pair.last = record;
    const port = record.protocol + (record.destination.port ? ` ${record.destination.port}` : "");
    const of = pair.ports.get(port) ?? { allowed: 0, denied: 0, audit: 0 };
    of[record.verdict] += sign * (record.verdict === "allowed" ? 1 : record.count);
    pair.ports.set(port, of);
    if (pair.records === 0) this.#pairs.delete(key);
  }

  isOpen(id) {
    const chosen = this.#open.get(id);
    return chosen ?? (id.startsWith("namespace ") && !this.#wasLarge);
  }

  toggle(id) {
    this.#open.set(id, !this.isOpen(id));
  }

  // Everything by namespace again.
  close() {
    this.#open.clear();
    this.#wasLarge = true;
  }

  // What is to be drawn: { nodes: Map, edges: Map }, in the order of their names.
  view() {
    if (!this.#wasLarge && this.#workloads() > OPEN) this.#wasLarge = true;
    const shown = (steps) => {
      const at = steps.findIndex((step) => !this.isOpen(step.id));
      return { node: steps.at(at), parent: steps.at(at) === steps[0] ? undefined : steps[steps.indexOf(steps.at(at)) - 1] };
    };
    const ends = [];
    const weights = new Map();
    for (const pair of this.#pairs.values()) {
      const [from, to] = [shown(pair.from), shown(pair.to)];
      ends.push([pair, from, to]);
      for (const { node, parent } of [from, to]) {
        const weight = weights.get(node.id) ?? { node, parent, denied: 0, records: 0 };
        weight.denied += pair.denied;
        weight.records += pair.records;
        weights.set(node.id, weight);
      }
    }
    const joined = rest(weights);
    const nodes = new Map();
    const edges = new Map();
    const place = ({ node, parent }) => {
      const drawn = joined.get(node.id) ?? node;
      if (!nodes.has(drawn.id)) nodes.set(drawn.id, { ...drawn, parent: parent?.id, inside: tally() });
      return nodes.get(drawn.id);
    };
    for (const [pair, from, to] of ends) {
      const [a, b] = [place(from), place(to)];
      if (a === b) {
        sum(a.inside, pair);
        continue;
      }
      const id = `${a.id} > ${b.id}`;
      if (!edges.has(id)) edges.set(id, { id, from: a, to: b, ...tally() });
      sum(edges.get(id), pair);
    }
    return { nodes: sorted(nodes), edges: sorted(edges) };
  }

  #workloads() {
    const all = new Set();
    for (const { from, to } of this.#pairs.values()) {
      for (const steps of [from, to]) if (steps[0].kind === "namespace") all.add(steps[1].id);
      if (all.size > OPEN) break;
    }
    return all.size;
  }
}

const tally = () => ({ allowed: 0, denied: 0, audit: 0, ports: new Map(), last: undefined });

function sum(into, pair) {
  into.allowed += Math.max(pair.in, pair.out);
  into.denied += pair.denied;
  into.audit += pair.audit;
  if (pair.last && !(into.last?.time > pair.last.time)) into.last = pair.last;
  for (const [port, counts] of pair.ports) {
    const of = into.ports.get(port) ?? { allowed: 0, denied: 0, audit: 0 };
    for (const name of Object.keys(of)) of[name] += counts[name];
    into.ports.set(port, of);
  }
}

// For those of a parent that are too many: what is drawn in their place.
function rest(weights) {
  const families = new Map();
  for (const weight of weights.values()) {
    const family = weight.parent?.id ?? "";
    families.set(family, [...(families.get(family) ?? []), weight]);
  }
  const joined = new Map();
  for (const [family, members] of families) {
    const most = family ? CHILDREN : NAMESPACES;
    if (members.length <= most) continue;
    members.sort((a, b) => b.denied - a.denied || b.records - a.records || (a.node.id < b.node.id ? -1 : 1));
    const others = members.slice(most);
    const parent = others[0].parent;
    const name = `${others.length} more${parent ? ` of ${parent.name}` : ""}`;
    for (const { node } of others) joined.set(node.id, { id: `rest ${family}`, kind: "rest", name, terms: parent?.terms ?? [] });
  }
  return joined;
}

const sorted = (map) => new Map([...map].sort(([a], [b]) => (a < b ? -1 : 1)));
