// Why a connection is allowed or denied: the answer of `enforcer trace`, step by step.

import { el } from "./dom.js";
import { ask } from "./server.js";

const PROTOCOLS = ["TCP", "UDP", "SCTP", "ICMP"];
const SIGNS = { allow: "✓", deny: "✕", differs: "≠" };
const KINDS = { allow: "allowed", deny: "denied", differs: "audit" };

export class Why {
  #world;
  #drawn;

  constructor(world) {
    this.#world = world;
    this.#build();
  }

  #from;
  #to;
  #protocol;
  #port;
  #list;
  #answer;

  #build() {
    const input = (label, attributes) => {
      const field = el("input", { spellcheck: "false", autocomplete: "off", ...attributes });
      return [field, el("label", {}, label, field)];
    };
    let labels = [];
    const add = (field) => {
      labels.push(field[1]);
      return field[0];
    };
    this.#from = add(input("From", { id: "why-from", list: "ends", required: true, size: 34, placeholder: "namespace/pod or address" }));
    this.#to = add(input("To", { id: "why-to", list: "ends", required: true, size: 34, placeholder: "namespace/pod, svc/namespace/name, address" }));
    this.#protocol = el("select", { id: "why-protocol" }, PROTOCOLS.map((name) => el("option", {}, name)));
    labels.push(el("label", {}, "Protocol", this.#protocol));
    this.#port = add(input("Port", { id: "why-port", type: "number", min: 0, max: 65535, size: 6 }));
    this.#list = el("datalist", { id: "ends" });
    this.#answer = el("div", { class: "answer", id: "answer", "aria-live": "polite" });
    const form = el("form", { class: "bar" }, labels, el("button", {}, "Ask"), this.#list);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#ask();
    });
    this.element = el("section", { class: "why" },
      el("p", {}, "Judges a new connection by the policies of both ends, wherever their pods are, as the kernel would."),
      form, this.#answer);
  }

  draw() {
    const { overview } = this.#world;
    if (this.#drawn === overview.revision) return;
    this.#drawn = overview.revision;
    const ends = [...overview.pods.map(({ pod }) => pod), ...overview.services.map((name) => `svc/${name}`)];
    this.#list.replaceChildren(...ends.map((value) => el("option", { value })));
  }

  // Asks about the connection of a record.
  about({ source, destination, protocol }) {
    const end = ({ pod, service, address }) => (service ? `svc/${service}` : pod ?? address ?? "");
    this.#from.value = end(source);
    this.#to.value = end(destination);
    this.#protocol.value = PROTOCOLS.find((one) => protocol.startsWith(one)) ?? "TCP";
    this.#port.value = destination.port ?? "";
    this.#ask();
  }

  async #ask() {
    this.#answer.replaceChildren(el("p", {}, "Asking …"));
    const question = {
      from: this.#from.value.trim(), to: this.#to.value.trim(), protocol: this.#protocol.value,
      port: this.#port.value === "" ? null : Number(this.#port.value),
    };
    try {
      this.#show(await ask("/api/trace", JSON.stringify(question)));
    } catch (error) {
      this.#answer.replaceChildren(el("p", { class: "problem" }, `No answer: ${error.message}`));
    }
  }

  // The words are those of the command line, a paragraph for each step.
  #show({ answer, text }) {
    const [head, ...steps] = text.trim().split("\n\n");
    const verdicts = answer.backends
      ? [undefined, ...answer.backends.map((one) => one.verdict)]
      : [answer.egress.verdict, answer.ingress.verdict];
    this.#answer.replaceChildren(step("h2", head, answer.verdict),
      el("ol", {}, steps.map((words, index) => el("li", {}, step("h3", words, verdicts[index])))));
  }
}

function step(tag, paragraph, verdict) {
  const [first, ...others] = paragraph.split("\n");
  const sign = verdict ? `${SIGNS[verdict]} ` : "";
  return el("div", { class: `step ${KINDS[verdict] ?? ""}` }, el(tag, {}, sign + first.trim()),
    others.length ? el("pre", {}, others.map((line) => line.replace(/^ {2}/, "")).join("\n")) : null);
}
