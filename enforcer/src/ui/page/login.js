// The way in: the code of the link, or the same code typed.

import { el } from "./dom.js";
import { login } from "./server.js";

// Takes the code out of the address before anything else happens, so that neither the history nor a
// screenshot has it.
export function codeOfAddress() {
  const found = /^#code=(.+)$/.exec(location.hash);
  if (!found) return undefined;
  history.replaceState(null, "", location.pathname);
  return found[1];
}

// Asks for a code until one is good.
export function askForCode(view, words) {
  return new Promise((resolve) => {
    const problem = el("p", { class: "problem", role: "alert" }, words);
    const input = el("input", {
      id: "code", autocomplete: "off", spellcheck: "false", required: true,
      placeholder: "abcd-efgh-jkmn-pqrs-tuvw",
    });
    const form = el("form", { class: "login" },
      el("h2", {}, "Who are you?"),
      el("p", {}, "Open the link that ", el("code", {}, "enforcer ui"),
        " printed last, or type the code behind its #code=. Each is good for one browser."),
      el("label", { for: "code" }, "Code"), input,
      el("button", { type: "submit" }, "Open"), problem);
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      try {
        await login(input.value);
        resolve();
      } catch (error) {
        problem.textContent = error.message;
        input.select();
      }
    });
    view.replaceChildren(form);
    input.focus();
  });
}
