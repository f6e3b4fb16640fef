// Flow records: kept here as they come, with an honest count of those that were missed.

import { lines, NoSession } from "./server.js";

// How many are kept in the page.
export const LIMIT = 20000;

const RETRY_MS = 1000;

export class Records {
  #query;
  #stop;
  #generation = 0;
  // Oldest first.
  items = [];
  missed = 0;
  // How many had to go, because there is room for LIMIT.
  dropped = 0;
  // undefined: not tried yet; "": live; else why there is nothing.
  trouble = undefined;
  // The query itself is wrong.
  wrong = "";
  added = () => {};
  removed = () => {};
  changed = () => {};
  lostSession = () => {};

  // Follows a query: { filter: ["pod=from:web"], since: "2026-…" }, from the oldest that is kept on.
  start(query) {
    this.stop();
    for (const one of this.items) this.removed(one);
    Object.assign(this, { items: [], missed: 0, dropped: 0, trouble: undefined, wrong: "" });
    this.#query = query;
    this.changed();
    this.resume();
  }

  // A hidden page follows nothing: browsers allow a host few connections at a time.
  stop() {
    this.#generation += 1;
    this.#stop?.abort();
    this.#stop = undefined;
  }

  // Goes on where it was, and learns what it missed meanwhile.
  resume() {
    if (this.#stop || !this.#query || this.wrong) return;
    this.#stop = new AbortController();
    this.#follow(this.#generation, this.#stop.signal);
  }

  async #follow(generation, signal) {
    const current = () => generation === this.#generation;
    while (current()) {
      const after = this.items.at(-1)?.sequence;
      const query = JSON.stringify({ ...this.#query, after, follow: true });
      try {
        const answer = lines("/api/flows", query, signal, (portion) => current() && this.#take(portion));
        // Without a word from the daemon it is live too: there may be nothing to tell.
        setTimeout(() => current() && this.trouble === undefined && this.#say(""), 300);
        await answer;
        if (current()) this.#say("the daemon ended; waiting for the next one");
      } catch (error) {
        if (!current()) return;
        if (error instanceof NoSession) return this.lostSession();
        if (error.final) this.wrong = error.message;
        this.#say(error.message);
        if (error.final) return;
      }
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      if (current() && this.trouble) this.trouble = undefined;
    }
  }

  #say(trouble) {
    this.trouble = trouble;
    this.changed();
  }

  #take(portion) {
    this.trouble = "";
    for (const line of portion) {
      if (line.error) {
        this.trouble = line.error;
      } else if (line.missed !== undefined) {
        this.missed += line.missed;
      } else {
        this.items.push(line);
        this.added(line);
      }
    }
    const surplus = this.items.length - LIMIT;
    if (surplus > 0) {
      for (const one of this.items.splice(0, surplus)) this.removed(one);
      this.dropped += surplus;
    }
    this.changed();
  }
}
