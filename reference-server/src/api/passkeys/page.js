"use strict";

// The access token, while the page is open.
let token = null;

const element = (id) => document.getElementById(id);

function tell(state, text) {
  const result = element("result");
  result.dataset.state = state;
  result.textContent = text;
}

async function call(method, path, body) {
  const headers = {};
  if (token) headers.authorization = `Bearer ${token}`;
  if (body) headers["content-type"] = "application/json";
  const answer = await fetch(`/api/v1${path}`, { method, headers, body: body && JSON.stringify(body) });
  const text = await answer.text();
  const json = text ? JSON.parse(text) : null;
  if (!answer.ok) throw new Error(json?.errors?.[0]?.message ?? json?.detail ?? json?.title ?? answer.status);
  return json;
}

const post = (path, body) => call("POST", path, body);

async function prove(options) {
  const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(options);
  return (await navigator.credentials.get({ publicKey })).toJSON();
}

async function signInWithPasskey() {
  const begun = await post("/mfa/webauthn/authenticate/begin", {});
  return post("/mfa/webauthn/authenticate/finish", { assertion: await prove(begun.options) });
}

async function signInWithPassword(form) {
  const { username, password, code } = Object.fromEntries(new FormData(form));
  const first = await post("/auth/login", { username, password });
  if (!first.mfa_required) return first;
  const answer = { challenge: first.challenge };
  if (code) {
    Object.assign(answer, { method: /^\D*(\d\D*){6}$/.test(code) ? "totp" : "backup_code", code });
  } else if (first.webauthn) {
    Object.assign(answer, { method: "webauthn", assertion: await prove(first.webauthn) });
  } else {
    throw new Error("a code of your authenticator app, or a backup code, is due");
  }
  return post("/auth/login/mfa", answer);
}

async function addPasskey(form) {
  const name = new FormData(form).get("name");
  const begun = await post("/mfa/webauthn/register/begin", { name });
  const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(begun.options);
  const credential = (await navigator.credentials.create({ publicKey })).toJSON();
  return post("/mfa/webauthn/register/finish", { credential });
}

async function showDevices() {
  const { items } = await call("GET", "/mfa/devices");
  const list = element("devices");
  list.replaceChildren(...items.map((device) => {
    const line = document.createElement("li");
    const used = device.last_used_at ? `last used ${device.last_used_at}` : "not used yet";
    line.textContent = `${device.name} (${device.method}), ${used}`;
    return line;
  }));
}

async function enter(tokens) {
  token = tokens.access_token;
  const me = await call("GET", "/auth/me");
  element("signed-out").hidden = true;
  element("signed-in").hidden = false;
  await showDevices();
  return `signed in as ${me.username ?? me.name}`;
}

// Runs an action and tells how it ended.
async function act(action) {
  tell("working", "…");
  try {
    tell("done", await action());
  } catch (error) {
    tell("refused", error.message);
  }
}

element("with-passkey").addEventListener("click", () =>
  act(async () => enter(await signInWithPasskey())));

element("with-password").addEventListener("submit", (event) => {
  event.preventDefault();
  act(async () => enter(await signInWithPassword(event.target)));
});

element("add").addEventListener("submit", (event) => {
  event.preventDefault();
  act(async () => {
    const added = await addPasskey(event.target);
    await showDevices();
    return `added ${added.name}`;
  });
});

element("sign-out").addEventListener("click", () =>
  act(async () => {
    await post("/auth/logout", {});
    token = null;
    element("signed-in").hidden = true;
    element("signed-out").hidden = false;
    element("with-password").reset();
    return "signed out";
  }));
