// The table of flow records. Only the rows in sight are elements, so that 20,000 records cost as much as 40.

import { button, count, drawer, el, several, verdict } from "./dom.js";
import { Records, LIMIT } from "./records.js";

// The height of a row in style.css.
const ROW = 26;
// Rows above and below those in sight.
const MARGIN = 8;

const COLUMNS = ["Time", "Verdict", "From", "To", "Protocol", "Asked", "Why"];

export class Flows {
  #all;
  #filters;
  // Has its own stream only where there is a filter: the daemon filters.
  #filtered = new Records();
  #chosen;
  #rows = new Map();
  #seen = 0;
  #why;

  constructor(all, filters, why) {
    this.#all = all;
    this.#filters = filters;
    this.#why = why;
    this.draw = drawer(() => this.#draw());
    this.#filtered.changed = this.draw;
    filters.changed = () => this.refilter();
    this.#build();
  }

  set lostSession(lost) {
    this.#filtered.lostSession = lost;
  }

  get #records() {
    return this.#filters.isEmpty ? this.#all : this.#filtered;
  }

  refilter() {
    this.#chosen = undefined;
    this.#body.scrollTop = 0;
    if (this.#filters.isEmpty) this.#filtered.stop();
    else this.#filtered.start(this.#filters.query());
    this.draw();
  }

  pause() {
    this.#filtered.stop();
  }

  resume() {
    if (!this.#filters.isEmpty) this.#filtered.resume();
  }

  #body;
  #sheet;
  #summary;
  #detail;

  #build() {
    const head = el("div", { class: "row head", role: "row" },
      COLUMNS.map((name) => el("span", { role: "columnheader" }, name)));
    this.#sheet = el("div", { class: "sheet", role: "rowgroup" });
    this.#body = el("div", {
      class: "body", tabindex: "0", "aria-label": "Flow records, newest first; arrows and Enter choose one",
      onscroll: this.draw, onkeydown: (event) => this.#key(event),
    }, this.#sheet);
    this.#summary = el("p", { class: "summary", id: "flow-summary", role: "status" });
    this.#detail = el("aside", { class: "detail", hidden: true, "aria-label": "Record" });
    const table = el("div", { class: "table", role: "table", "aria-label": "Flow records" }, head, this.#body);
    this.element = el("section", { class: "flows" }, this.#filters.element, this.#summary,
      el("div", { class: "beside" }, table, this.#detail));
  }

  #draw() {
    if (!this.element.isConnected) return;
    const records = this.#records;
    const { items } = records;
    this.#summary.textContent = summary(records);
    this.#filters.problem.textContent = this.#filters.isEmpty ? "" : records.wrong;
    this.#keepPlace(records);
    this.#sheet.style.height = `${items.length * ROW}px`;
    const first = Math.max(0, Math.floor(this.#body.scrollTop / ROW) - MARGIN);
    const last = Math.min(items.length, Math.ceil((this.#body.scrollTop + this.#body.clientHeight) / ROW) + MARGIN);
    const rows = new Map();
    for (let index = first; index < last; index += 1) {
      const record = items[items.length - 1 - index];
      const key = `${record.node ?? ""} ${record.sequence}`;
      const row = this.#rows.get(key) ?? this.#row(record);
      row.style.top = `${index * ROW}px`;
      row.setAttribute("aria-selected", String(record === this.#chosen));
      rows.set(key, row);
    }
    for (const [key, row] of this.#rows) if (rows.get(key) !== row) row.remove();
    for (const row of rows.values()) if (!row.isConnected) this.#sheet.append(row);
    this.#rows = rows;
  }

  // Who has scrolled down goes on reading where he is, whatever comes above.
  #keepPlace({ items, dropped }) {
    const seen = items.length + dropped;
    const news = seen - this.#seen;
    this.#seen = seen;
    if (news > 0 && this.#body.scrollTop > 0) this.#body.scrollTop += news * ROW;
  }

  #row(record) {
    const cells = [
      record.time.slice(11, 23),
      verdict(record.verdict),
      name(record.source),
      name(record.destination),
      record.protocol + (record.icmp ? ` ${record.icmp.type}/${record.icmp.code}` : ""),
      record.direction,
      reason(record),
    ];
    return el("div", {
      class: `row ${record.verdict}`, role: "row", "data-sequence": record.sequence,
      onclick: () => this.#choose(record),
    }, cells.map((cell) => el("span", { role: "cell", title: typeof cell === "string" ? cell : undefined }, cell)));
  }

  #key(event) {
    const { items } = this.#records;
    const step = { ArrowDown: -1, ArrowUp: 1 }[event.key];
    if (event.key === "Escape") return this.#choose(undefined);
    if (!step || !items.length) return undefined;
    event.preventDefault();
    const at = items.indexOf(this.#chosen);
    const next = at < 0 ? items.length - 1 : Math.min(items.length - 1, Math.max(0, at + step));
    const top = (items.length - 1 - next) * ROW;
    const { scrollTop, clientHeight } = this.#body;
    if (top < scrollTop) this.#body.scrollTop = top;
    if (top + ROW > scrollTop + clientHeight) this.#body.scrollTop = top + ROW - clientHeight;
    return this.#choose(items[next]);
  }

  #choose(record) {
    this.#chosen = record;
    this.#detail.hidden = !record;
    if (record) this.#detail.replaceChildren(...this.#details(record));
    this.draw();
  }

  #details(record) {
    const filter = (term) => button(term, () => this.#filters.add(term), { class: "term", title: "Filter by this" });
    const terms = [
      ...side("from", record.source), ...side("to", record.destination),
      ...(record.destination.port ? [`port=to:${record.destination.port}`] : []),
      ...(record.allowed_by ? [`policy=${record.allowed_by.policy}`] : record.policies.map((one) => `policy=${one}`)),
    ];
    return [
      el("div", { class: "bar" }, verdict(record.verdict),
        button("Why?", () => this.#why(record)), button("Close", () => this.#choose(undefined))),
      el("p", {}, `${name(record.source)} → ${name(record.destination)}`),
      el("p", {}, reason(record)),
      el("h3", {}, "Filter by"), el("p", {}, terms.map(filter)),
      el("h3", {}, "Record"), el("pre", {}, JSON.stringify(record, null, 1)),
    ];
  }
}

function summary({ items, missed, dropped, trouble }) {
  if (trouble) return `No live records: ${trouble}`;
  const words = [several(items.length, "record")];
  if (trouble === undefined) words.push("asking …");
  if (dropped) words.push(`${count(dropped)} older ones left out, as the page keeps ${count(LIMIT)}`);
  if (missed) words.push(`${count(missed)} missed: they were gone before they could be looked at`);
  return words.join(" · ");
}

// Terms for one side of a record.
function side(word, party) {
  if (party.pod) {
    return [`pod=${word}:${party.pod}`, ...(party.workload ? [`workload=${word}:${party.workload}`] : [])];
  }
  if (party.service) return [`service=${word}:${party.service}`];
  return party.address ? [`ip=${word}:${party.address}`] : [];
}

// The name of who has the address, as `enforcer flows` writes it.
export function name({ pod, service, node, address, port }) {
  const text = service ? `service ${service}` : pod ?? (node ? `node ${node}` : address ?? "?");
  const plain = !service && !pod && !node && text.includes(":");
  return (plain && port ? `[${text}]` : text) + (port ? `:${port}` : "");
}

// Why, in short: of a denial first what was lacking.
export function reason({ reason: why, allowed_by: rule, policies, nearest, count: packets }) {
  const words = packets > 1 ? [several(packets, "packet")] : [];
  if (nearest) words.push(nearest.lacks.join("; "), `nearest ${nearest.policy} ${nearest.rule}`);
  else if (!rule || why !== "allowed") words.push(why);
  if (rule) words.push(`by ${rule.policy} ${rule.rule}`);
  else if (policies.length) words.push(`isolated by ${policies.slice(0, 3).join(", ")}${policies.length > 3 ? " …" : ""}`);
  return words.join(" · ");
}
