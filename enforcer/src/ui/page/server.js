// Talking to `enforcer ui`. Every request is a POST of our own origin, with a cookie that scripts cannot
// read and a key that other origins cannot.

const KEY = "enforcer-key";

// The server does not know this browser (any more).
export class NoSession extends Error {}

async function post(path, body, signal) {
  const headers = { [KEY]: localStorage.getItem(KEY) ?? "" };
  const response = await fetch(path, { method: "POST", body, headers, signal, cache: "no-store" });
  if (response.ok) return response;
  const words = (await response.text()).trim();
  if (response.status === 401) throw new NoSession(words);
  const error = new Error(words || `the server answered ${response.status}`);
  // What is asked is wrong: asking again is no use.
  error.final = response.status === 400;
  throw error;
}

// Changes a code for a session.
export async function login(code) {
  const response = await post("/api/login", code);
  localStorage.setItem(KEY, await response.text());
}

// One question, one answer.
export async function ask(path, body = "") {
  const answer = await (await post(path, body)).json();
  if (answer.error) throw new Error(answer.error);
  return answer;
}

// Lines of JSON as they come, handed over in the portions in which they arrive.
export async function lines(path, body, signal, take) {
  const response = await post(path, body, signal);
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const texts = (rest + value).split("\n");
    rest = texts.pop();
    if (texts.length) take(texts.map((text) => JSON.parse(text)));
  }
}
