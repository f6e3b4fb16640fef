// What the daemon says of its node, and the pods and policies of the cluster: asked for every few seconds.

import { ask, NoSession } from "./server.js";

const INTERVAL_MS = 2000;

export class World {
  // The answer to `enforcer status`, where a daemon answers.
  status = undefined;
  overview = { revision: 0, pods: [], policies: [], services: [] };
  // Why there is no status, and why there is no overview.
  trouble = { status: "", overview: "" };
  changed = () => {};
  lostSession = () => {};
  #timer;
  #turn = 0;

  // The pods of a node of the map.
  podsOf({ kind, name, namespace, workload, pod }) {
    const { pods } = this.overview;
    if (kind === "namespace") return pods.filter((one) => one.pod.startsWith(`${name}/`));
    if (kind === "pod") return pods.filter((one) => one.pod === pod);
    if (kind !== "workload") return [];
    return pods.filter((one) => one.workload === workload && one.pod.startsWith(`${namespace}/`));
  }

  async look() {
    this.stop();
    const turn = this.#turn;
    const before = JSON.stringify([this.status, this.trouble]);
    const [status, overview] = await Promise.allSettled([
      ask("/api/status"),
      ask("/api/overview", String(this.overview.revision)),
    ]);
    if (turn !== this.#turn) return;
    const reasons = [status.reason, overview.reason];
    if (reasons.some((reason) => reason instanceof NoSession)) return this.lostSession();
    this.status = status.value;
    this.trouble = { status: status.reason?.message ?? "", overview: overview.reason?.message ?? "" };
    const news = overview.value && overview.value.same === undefined;
    if (news) this.overview = overview.value;
    if (news || before !== JSON.stringify([this.status, this.trouble])) this.changed();
    this.#timer = setTimeout(() => this.look(), INTERVAL_MS);
  }

  stop() {
    this.#turn += 1;
    clearTimeout(this.#timer);
  }
}
