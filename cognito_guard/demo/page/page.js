// The demo's page: signs in with code and PKCE, calls the routes, tries bad tokens. What others wrote is only ever shown as text.

const KEY = "cognito-guard-demo"; // in sessionStorage while the browser is at the login page: state, nonce, verifier
const about = await (await fetch("/demo/about.json")).json();
const home = `${location.origin}/`;
const GONE = "The gateway does not answer. Has the demo ended?";
let token = null; // kept here only: a reload forgets it

const at = (id) => document.getElementById(id);

function made(name, attributes = {}, ...inside) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "onclick") element.addEventListener("click", value);
    else element.setAttribute(key, value);
  }
  element.append(...inside);
  return element;
}

const code = (text) => made("code", {}, text);
const chips = (names) => made("span", { class: "chips" }, ...names.map((name) => made("span", { class: "chip" }, name)));

function failed(text) {
  at("failure").textContent = text;
  at("failure").hidden = false;
}

function copyButton(what, text, label = "Copy") {
  const button = made("button", { class: "plain little", "aria-label": `Copy ${what}` }, label);
  button.addEventListener("click", () => copy(button, text));
  return button;
}

async function copy(button, text) {
  const before = button.textContent;
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  } catch {
    button.textContent = "Not allowed";
  }
  setTimeout(() => { button.textContent = before; }, 1500);
}

// signing in

function base64url(octets) {
  return btoa(String.fromCharCode(...new Uint8Array(octets))).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

const random = () => base64url(crypto.getRandomValues(new Uint8Array(32)));

// for showing, and for the nonce: the gateway verifies, this page does not
function claimsOf(jwt) {
  const octets = Uint8Array.from(atob(jwt.split(".")[1].replaceAll("-", "+").replaceAll("_", "/")), (letter) => letter.charCodeAt(0));
  return JSON.parse(new TextDecoder().decode(octets));
}

async function signIn(user) {
  const request = { state: random(), nonce: random(), verifier: random() };
  sessionStorage.setItem(KEY, JSON.stringify(request));
  const challenge = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(request.verifier));
  const unwanted = [...document.getElementsByName("scope")].filter((box) => !box.checked).map((box) => box.value);
  location.assign(`${about.pool.url}/oauth2/authorize?${new URLSearchParams({
    response_type: "code",
    client_id: about.pool.client,
    redirect_uri: home,
    scope: about.pool.scopes.filter((scope) => !unwanted.includes(scope)).join(" "),
    state: request.state,
    nonce: request.nonce,
    code_challenge: base64url(challenge),
    code_challenge_method: "S256",
    prompt: "login", // whoever signed in before: this is about that user
    login_hint: user,
  })}`);
}

async function comeBack() {
  const told = new URLSearchParams(location.search);
  const request = JSON.parse(sessionStorage.getItem(KEY));
  if (!told.has("code") && !told.has("error")) return;
  sessionStorage.removeItem(KEY);
  history.replaceState(null, "", "/"); // a code belongs into no history
  if (request === null || told.get("state") !== request.state) {
    throw new Error("The answer of the login page belongs to no sign-in that began here (state). Sign in again.");
  }
  if (told.has("error")) throw new Error(`The user pool said: ${told.get("error_description") ?? told.get("error")}.`);
  const answer = await fetch(`${about.pool.url}/oauth2/token`, {
    method: "POST",
    credentials: "omit",
    body: new URLSearchParams({
      grant_type: "authorization_code",
      client_id: about.pool.client,
      redirect_uri: home,
      code: told.get("code"),
      code_verifier: request.verifier,
    }),
  });
  const issued = await answer.json();
  if (!answer.ok) throw new Error(`The token endpoint said: ${issued.error_description ?? issued.error}.`);
  const claims = claimsOf(issued.id_token);
  if (claims.nonce !== request.nonce || claims.iss !== about.pool.issuer || claims.aud !== about.pool.client) {
    throw new Error("The ID token is not for this sign-in (nonce, iss or aud). Sign in again.");
  }
  token = issued.access_token;
}

function signOut() {
  token = null;
  location.assign(`${about.pool.url}/logout?${new URLSearchParams({ client_id: about.pool.client, logout_uri: home })}`);
}

// calling

async function call(method, path, sent) {
  const answer = await fetch(path, {
    method,
    cache: "no-store",
    credentials: "omit",
    headers: sent === null ? {} : { Authorization: `Bearer ${sent}` },
  });
  const text = await answer.text();
  let body = null;
  try {
    body = JSON.parse(text);
  } catch {
    // shown as it is
  }
  return { status: answer.status, phrase: answer.statusText, text, body, code: answer.ok ? null : body?.code, challenge: answer.headers.get("www-authenticate") };
}

const pill = (answer) => made("span", { class: `pill ${answer.status < 400 ? "good" : "bad"}` }, `${answer.status} ${answer.phrase}`);

function result(answer) {
  const shown = made("div", { class: `result ${answer.status < 400 ? "good" : "bad"}` });
  const reason = about.reasons[answer.code];
  if (answer.status < 400) {
    shown.append(made("p", {}, pill(answer), code(answer.body === null ? answer.text : JSON.stringify(answer.body))));
    return shown;
  }
  shown.append(made("p", {}, pill(answer), code(answer.code ?? "")));
  if (reason) {
    shown.append(
      made("p", {}, sentence(reason.meaning)),
      made("details", {}, made("summary", {}, "Why, and what to do"), made("p", {}, sentence(reason.why)), made("p", {}, sentence(reason.advice))),
    );
  }
  if (answer.challenge) shown.append(made("dl", {}, made("dt", {}, "WWW-Authenticate"), made("dd", {}, code(answer.challenge))));
  return shown;
}

const sentence = (text) => text[0].toUpperCase() + text.slice(1) + (text.endsWith(".") ? "" : ".");

function chosen() {
  return document.querySelector("input[name=send]:checked").value === "mine" ? token : null;
}

function routeRow(route) {
  const row = made("li", { "data-route": `${route.method} ${route.path}` });
  const place = made("div", { class: "answer", role: "status" });
  const button = made("button", { class: "plain little", "aria-label": `Call ${route.method} ${route.path}` }, "Call");
  button.addEventListener("click", async () => {
    const answer = await call(route.method, route.path, chosen()).catch(() => null);
    place.replaceChildren(answer === null ? made("p", { class: "result bad" }, GONE) : result(answer));
  });
  row.append(
    made("div", { class: "asked" }, made("code", {}, made("span", { class: "method" }, route.method), ` ${route.path}`), made("span", { class: "soft small" }, route.demands)),
    button,
    place,
  );
  return row;
}

// bad tokens

let tried = new Map();

async function loadBad() {
  const catalogue = await (await fetch("/demo/bad-tokens.json", { cache: "no-store" })).json();
  const rows = catalogue.tokens.map(badRow);
  at("bad").replaceChildren(...rows.map((row) => row.element));
  tried = new Map(rows.map((row) => [row.name, row]));
  at("left-out").textContent = `${catalogue.left_out} more are left out here: a browser would not send them, or not quickly.`;
  if (at("code").childElementCount === 0) {
    at("code").append(made("option", { value: "" }, `all ${rows.length}`));
    for (const name of [...new Set(rows.map((row) => row.code))].sort()) {
      at("code").append(made("option", { value: name }, `${name} (${rows.filter((row) => row.code === name).length})`));
    }
  }
  filterBad();
}

function filterBad() {
  const wanted = at("code").value;
  for (const row of tried.values()) row.element.hidden = wanted !== "" && row.code !== wanted;
}

function badRow(bad) {
  const answered = made("td", { class: "answer" });
  const attempt = made("button", { class: "plain little", "aria-label": `Try ${bad.name}` }, "Try");
  const element = made(
    "tr",
    { "data-bad": bad.name },
    made("th", { scope: "row" }, code(bad.name), made("span", {}, bad.why)),
    made("td", { class: "wanted" }, code(bad.code)),
    answered,
    made("td", {}, made("div", { class: "actions" }, attempt, copyButton(bad.name, bad.token))),
  );
  const row = { name: bad.name, code: bad.code, element, answer: null, try: null };
  row.try = async () => {
    const answer = await call("GET", "/orders", bad.token);
    row.answer = answer;
    answered.replaceChildren(made("span", { class: `pill ${answer.code === bad.code ? "good" : "bad"}` }, answer.code === bad.code ? `${answer.status} \u2713` : `${answer.status} ${answer.code ?? answer.phrase}`));
    return answer;
  };
  attempt.addEventListener("click", async () => {
    const answer = await row.try().catch(() => null);
    at("bad-said").textContent = answer === null ? GONE : `${bad.name}: ${answer.status} ${answer.code}`;
    if (answer === null) return;
    for (const shown of document.querySelectorAll("tr.told")) shown.remove();
    element.after(made("tr", { class: "told" }, made("td", { colspan: "4" }, result(answer))));
    element.nextSibling.scrollIntoView({ block: "nearest" });
  });
  return row;
}

async function tryAll() {
  at("try-all").disabled = true;
  try {
    await tryRows();
  } catch {
    at("bad-said").textContent = GONE;
  }
  at("try-all").disabled = false;
}

async function tryRows() {
  await loadBad(); // minted anew: those of an hour ago have expired as well
  const rows = [...tried.values()].filter((row) => !row.element.hidden);
  const waiting = [...rows];
  let done = 0;
  const worker = async () => {
    for (let row = waiting.shift(); row; row = waiting.shift()) {
      await row.try();
      done += 1;
      at("bad-said").textContent = `${done} of ${rows.length} tried`;
    }
  };
  await Promise.all(Array.from({ length: 6 }, worker));
  const right = rows.filter((row) => row.answer.code === row.code).length;
  at("bad-said").textContent = right === rows.length ? `All ${right} were refused, each with the code that it must get.` : `${right} of ${rows.length} got the code that they must get.`;
}

// the page

function person(user) {
  return made(
    "li",
    { "data-user": user.name },
    made("span", {}, made("b", {}, user.name), chips(user.groups)),
    made("button", { class: "little", "aria-label": `Sign in as ${user.name}`, onclick: () => signIn(user.name) }, "Sign in"),
    made("span", { class: "password small soft" }, "password ", code(user.password), copyButton(`${user.name}'s password`, user.password)),
  );
}

function pairs(list, rows) {
  list.replaceChildren(...rows.flatMap(([name, value]) => [made("dt", {}, name), made("dd", {}, value)]));
}

async function showPrincipal() {
  const me = await call("GET", "/me", token);
  if (me.status !== 200) throw new Error(`The gateway refused the token: ${me.code}.`);
  const claims = claimsOf(token);
  const left = made("span");
  const count = () => {
    const seconds = Math.round(claims.exp - Date.now() / 1000);
    left.textContent = seconds > 0 ? `in ${Math.floor(seconds / 60)} min ${seconds % 60} s` : "expired";
  };
  count();
  setInterval(count, 1000);
  pairs(at("principal"), [
    ["username", made("b", {}, me.body.username)],
    ["groups", me.body.groups.length ? chips(me.body.groups) : "none"],
    ["scopes", chips(me.body.scopes)],
    ["client", code(me.body.client)],
    ["subject", code(me.body.subject)],
    ["expires", left],
  ]);
  at("claims").textContent = JSON.stringify(claims, null, 2);
  at("copy-token").addEventListener("click", () => copy(at("copy-token"), token));
  at("sign-out").addEventListener("click", signOut);
  const mine = document.querySelector("input[name=send][value=mine]");
  mine.disabled = false;
  mine.checked = true;
  at("who-title").textContent = `Signed in as ${me.body.username}`;
  document.title = `${me.body.username} - cognito-guard demo`;
}

at("people").append(...about.users.map(person));
at("routes").append(...about.routes.map(routeRow));
at("settings").textContent = about.settings;
at("call-all").addEventListener("click", () => { for (const button of document.querySelectorAll("#routes button")) button.click(); });
at("try-all").addEventListener("click", tryAll);
at("code").addEventListener("change", filterBad);
pairs(at("where"), [
  ["gateway, and this page", code(about.gateway)],
  ["application behind it", code(about.application)],
  ["user pool", code(about.pool.url)],
  ["issuer", code(about.pool.issuer)],
  ["to have a token explained (type the address: it answers no links)", made("span", { class: "chips" }, code(`${about.admin}/explain`), copyButton("the address", `${about.admin}/explain`))],
]);

if (![about.gateway, about.gateway.replace("127.0.0.1", "localhost")].includes(location.origin)) {
  failed(`To sign in, open ${about.gateway}/: the user pool sends browsers back there only.`);
}
try {
  await comeBack();
  if (token !== null) await showPrincipal();
} catch (error) {
  token = null;
  failed(error.message);
}
at("signed-in").hidden = token === null;
at("signed-out").hidden = token !== null;
await loadBad();
document.documentElement.dataset.ready = "yes";
