// What users do, with the pages as they are served: their Content-Security-Policy in force, and mostly without any script.

import assert from "node:assert/strict";

import { redeem, startCallback } from "./server.mjs";
import { addReporting, answered, asks, choosePassword, heading, logIn, PASSWORD, SCOPES, settle, ticks } from "./steps.mjs";

const WITHOUT_SCRIPT = { javaScriptEnabled: false };

export const scenarios = [
  ["from the one-time password to a token that lacks the scope that was unticked", firstVisit],
  ["what was approved is not asked again, and what was refused is", askedOnce],
  ["denying everything tells the client so", denied],
  ["allowing nothing is said, and not taken for an answer", nothingTicked],
  ["approvals are listed, removed one by one and altogether, and the next token lacks them", approvals],
  ["logging out ends the session", logout],
  ["everything can be done with the keyboard alone", keyboard],
  ["another account can be used, and the choice of one is asked where the client wants it", accounts],
  ["a wrong password is said without saying what was wrong", wrongPassword],
  ["a password is changed of the user's own accord", passwordChange],
  ["names and states that look like HTML are text", injection],
  ["no other site can frame a page", framing],
  ["no other site can send a form", foreignForm],
  ["an answer reaches a client on any loopback address and port", loopback],
  ["an answer reaches a client that sends its visitor on to another origin", onward],
  ["an answer reaches an application on the device", onDevice],
  ["a trusted client asks nobody", trusted],
  ["what cannot be answered is shown and leads nowhere", shown],
];

async function firstVisit(stage) {
  addReporting(stage);
  const page = await fresh(stage, WITHOUT_SCRIPT);
  const request = asks(stage);
  await page.goto(request.url);
  await heading(page, "Log in");
  await page.getByText("to go on to Reporting").waitFor();
  await logIn(page, stage.server.password);
  await heading(page, "Choose a password of your own");
  await page.getByLabel("New password", { exact: true }).fill(PASSWORD);
  await page.getByLabel("New password, once more").fill(`${PASSWORD}!`);
  await page.getByRole("button", { name: "Set the password" }).click();
  await page.getByRole("alert").getByText("not typed the same way twice").waitFor();
  await page.getByLabel("New password", { exact: true }).fill(stage.server.password);
  await page.getByLabel("New password, once more").fill(stage.server.password);
  await page.getByRole("button", { name: "Set the password" }).click();
  await page.getByRole("alert").getByText("the one until now").waitFor();
  await choosePassword(page);
  await heading(page, "Reporting asks for access");
  await page.getByText(new URL(stage.callback.uri).host).waitFor();
  // Only what reaches the user's own data comes ticked.
  assert.deepEqual(await ticks(page), [["apps:read", true], ["automations", true], ["admin.automations", false]]);
  await page.getByRole("group", { name: "The whole tenant" }).getByLabel("Manage all automations of the tenant").check();
  await page.getByLabel("See your apps").uncheck();
  await page.getByRole("button", { name: "Allow" }).click();
  const told = await answered(stage, page, request);
  const token = await redeem(stage.server.issuer, request, told.get("code"));
  assert.equal(token.scope, "admin.automations automations");
}

async function askedOnce(stage) {
  addReporting(stage);
  const page = await fresh(stage, WITHOUT_SCRIPT);
  await settle(stage, page);
  await allow(stage, page, asks(stage, { scope: "automations" }));
  const again = asks(stage, { scope: "automations" });
  await page.goto(again.url);
  await answered(stage, page, again);
  const more = asks(stage, { scope: "automations apps:read" });
  await page.goto(more.url);
  await heading(page, "Reporting asks for access");
  assert.deepEqual(await ticks(page), [["apps:read", true]]);
  await page.getByRole("button", { name: "Deny" }).click();
  const told = await answered(stage, page, more);
  assert.equal((await redeem(stage.server.issuer, more, told.get("code"))).scope, "automations", "what stood before stands");
  const consent = asks(stage, { scope: "automations", prompt: "consent" });
  await page.goto(consent.url);
  await page.getByRole("heading", { name: "What you allowed before" }).waitFor();
  await page.getByRole("button", { name: "Allow" }).click();
  assert.ok((await answered(stage, page, consent)).get("code"));
}

async function denied(stage) {
  addReporting(stage);
  const page = await fresh(stage, WITHOUT_SCRIPT);
  await settle(stage, page);
  const request = asks(stage);
  await page.goto(request.url);
  await page.getByRole("button", { name: "Deny" }).click();
  const told = await answered(stage, page, request);
  assert.equal(told.get("error"), "access_denied");
  assert.equal(told.get("code"), null);
}

async function nothingTicked(stage) {
  addReporting(stage);
  const page = await fresh(stage, WITHOUT_SCRIPT);
  await settle(stage, page);
  await page.goto(asks(stage, { scope: "admin.automations" }).url);
  await page.getByRole("button", { name: "Allow" }).click();
  await page.getByRole("alert").getByText("Nothing is ticked").waitFor();
  assert.equal(stage.callback.count(), 0);
}

async function approvals(stage) {
  addReporting(stage);
  const page = await fresh(stage, WITHOUT_SCRIPT);
  await settle(stage, page);
  const first = asks(stage);
  await page.goto(first.url);
  await page.getByLabel("Manage all automations of the tenant").check();
  await page.getByRole("button", { name: "Allow" }).click();
  await answered(stage, page, first);
  await page.goto(stage.server.issuer);
  await page.getByRole("main").getByRole("link", { name: "Applications with access" }).click();
  const section = page.getByRole("region", { name: "Reporting" });
  assert.equal(await section.getByRole("listitem").count(), SCOPES.length);
  await section.getByRole("button", { name: "Remove “See your apps” from Reporting" }).click();
  await page.getByRole("status").getByText("Removed: “See your apps” from Reporting.").waitFor();
  assert.equal(await section.getByRole("listitem").count(), SCOPES.length - 1);
  const second = asks(stage, { scope: "" });
  await page.goto(second.url);
  const told = await answered(stage, page, second);
  assert.equal((await redeem(stage.server.issuer, second, told.get("code"))).scope, "admin.automations automations");
  await page.goto(`${stage.server.issuer}/approvals`);
  await page.getByRole("button", { name: "Remove all access of Reporting" }).click();
  await page.getByRole("status").getByText("Reporting has no access any more.").waitFor();
  await page.getByText("No application has access.").waitFor();
  const third = asks(stage, { scope: "" });
  await page.goto(third.url);
  assert.equal((await answered(stage, page, third)).get("error"), "invalid_scope");
}

async function logout(stage) {
  const page = await fresh(stage, WITHOUT_SCRIPT);
  await settle(stage, page);
  const before = await page.context().cookies();
  await page.getByRole("navigation").getByRole("link", { name: "Log out" }).click();
  await page.getByRole("button", { name: "Log out" }).click();
  await heading(page, "You are logged out");
  await page.context().addCookies(before);
  await page.goto(`${stage.server.issuer}/approvals`);
  await heading(page, "Log in");
}

async function keyboard(stage) {
  addReporting(stage);
  const page = await fresh(stage, WITHOUT_SCRIPT);
  const request = asks(stage);
  await page.goto(request.url);
  await heading(page, "Log in");
  // The cursor stands in the first field already.
  await page.keyboard.type("admin");
  await page.keyboard.press("Tab");
  await page.keyboard.type(stage.server.password);
  await page.keyboard.press("Enter");
  await heading(page, "Choose a password of your own");
  await tabTo(page, page.getByLabel("New password", { exact: true }));
  await page.keyboard.type(PASSWORD);
  await page.keyboard.press("Tab");
  await page.keyboard.type(PASSWORD);
  await page.keyboard.press("Enter");
  await heading(page, "Reporting asks for access");
  await tabTo(page, page.getByLabel("See your apps"));
  await page.keyboard.press("Space");
  assert.deepEqual(await ticks(page), [["apps:read", false], ["automations", true], ["admin.automations", false]]);
  await tabTo(page, page.getByRole("button", { name: "Allow" }));
  await page.keyboard.press("Enter");
  const told = await answered(stage, page, request);
  assert.equal((await redeem(stage.server.issuer, request, told.get("code"))).scope, "automations");
  await page.goto(`${stage.server.issuer}/approvals`);
  await tabTo(page, page.getByRole("button", { name: "Remove “Manage your automations” from Reporting" }));
  await page.keyboard.press("Enter");
  await page.getByText("No application has access.").waitFor();
  await tabTo(page, page.getByRole("link", { name: "Log out" }));
  await page.keyboard.press("Enter");
  await tabTo(page, page.getByRole("button", { name: "Log out" }));
  await page.keyboard.press("Space");
  await heading(page, "You are logged out");
}

async function accounts(stage) {
  addReporting(stage);
  const page = await fresh(stage, WITHOUT_SCRIPT);
  await settle(stage, page);
  await allow(stage, page, asks(stage, { scope: "automations" }));
  const choice = asks(stage, { scope: "automations", prompt: "select_account" });
  await page.goto(choice.url);
  await heading(page, "Choose an account");
  await page.getByRole("button", { name: "Go on as Administrator" }).click();
  assert.ok((await answered(stage, page, choice)).get("code"));
  const other = asks(stage, { scope: "apps:read" });
  await page.goto(other.url);
  await page.getByRole("link", { name: "Use another account" }).click();
  await heading(page, "Log in");
  await logIn(page, PASSWORD);
  await heading(page, "Reporting asks for access");
  const login = asks(stage, { scope: "automations", prompt: "login" });
  await page.goto(login.url);
  await heading(page, "Log in");
  await logIn(page, PASSWORD);
  assert.ok((await answered(stage, page, login)).get("code"));
  const old = asks(stage, { scope: "automations", max_age: "0" });
  await page.waitForTimeout(1_100);
  await page.goto(old.url);
  await heading(page, "Log in");
  await logIn(page, PASSWORD);
  assert.ok((await answered(stage, page, old)).get("code"));
}

async function wrongPassword(stage) {
  const page = await fresh(stage, WITHOUT_SCRIPT);
  await page.goto(`${stage.server.issuer}/login`);
  await logIn(page, "wrong");
  const known = await page.getByRole("alert").innerText();
  assert.match(await page.title(), /^Error: /);
  await logIn(page, "wrong", "nobody");
  assert.equal(await page.getByRole("alert").innerText(), known);
}

async function passwordChange(stage) {
  const page = await fresh(stage, WITHOUT_SCRIPT);
  await settle(stage, page);
  const another = await fresh(stage, WITHOUT_SCRIPT);
  await another.goto(`${stage.server.issuer}/login`);
  await logIn(another, PASSWORD);
  await heading(another, "Hello, Administrator");
  await page.getByRole("main").getByRole("link", { name: "Change your password" }).click();
  await page.getByLabel("Password until now").fill("wrong");
  await page.getByLabel("New password", { exact: true }).fill("seven green old ladders");
  await page.getByLabel("New password, once more").fill("seven green old ladders");
  await page.getByRole("button", { name: "Change the password" }).click();
  await page.getByRole("alert").getByText("The password until now is wrong.").waitFor();
  await page.getByLabel("Password until now").fill(PASSWORD);
  await page.getByLabel("New password", { exact: true }).fill("seven green old ladders");
  await page.getByLabel("New password, once more").fill("seven green old ladders");
  await page.getByRole("button", { name: "Change the password" }).click();
  await heading(page, "Your password is changed");
  await page.goto(stage.server.issuer);
  await heading(page, "Hello, Administrator");
  await another.goto(stage.server.issuer);
  await heading(another, "Log in");
}

async function injection(stage) {
  const name = `<img src=x onerror="document.title='run'"> & "Sons' {{ 7*7 }}`;
  addReporting(stage, { name });
  // With scripts on, and without the policy that would stop them: only escaping is left.
  const page = await fresh(stage, { bypassCSP: true });
  const state = `"><script>document.title='run'</script>`;
  const request = asks(stage, { state, login_hint: `"><b>admin` });
  await page.goto(request.url);
  await page.getByText(name).waitFor();
  assert.equal(await page.getByLabel("Login").inputValue(), `"><b>admin`);
  await logIn(page, stage.server.password);
  await choosePassword(page);
  await page.getByRole("heading", { level: 1, name: `${name} asks for access` }).waitFor();
  assert.equal(await page.locator("img, script, b").count(), 0);
  await page.getByRole("button", { name: "Allow" }).click();
  await answered(stage, page, request);
  await page.goto(`${stage.server.issuer}/approvals`);
  await page.getByRole("heading", { level: 2, name }).waitFor();
  assert.equal(await page.locator("img, script, b").count(), 0);
}

async function framing(stage) {
  addReporting(stage);
  const page = await fresh(stage, {});
  await settle(stage, page);
  for (const path of ["/", "/login", "/approvals", "/logout", "/password", new URL(asks(stage).url)]) {
    const target = new URL(path, stage.server.issuer).href;
    stage.callback.serve("/frame", `<!doctype html><iframe src="${target.replaceAll("&", "&amp;")}"></iframe>`);
    await page.goto(`${stage.callback.origin}/frame`);
    const frame = await (await page.waitForSelector("iframe")).contentFrame();
    await frame.waitForLoadState();
    assert.equal(await frame.locator("main").count(), 0, target);
  }
}

async function foreignForm(stage) {
  addReporting(stage);
  const page = await fresh(stage, {});
  await settle(stage, page);
  await allow(stage, page, asks(stage, { scope: "automations" }));
  const stranger = await startCallback();
  for (const [action, fields] of [["/logout", {}], ["/approvals", { client: "reporting" }]]) {
    const inputs = Object.entries(fields).map(([name, value]) => `<input name="${name}" value="${value}">`);
    const form = `<form method="post" action="${stage.server.issuer}${action}">${inputs.join("")}</form>`;
    stranger.serve("/attack", `<!doctype html>${form}<script>document.forms[0].submit()</script>`);
    const answer = page.waitForResponse((response) => response.url() === `${stage.server.issuer}${action}`);
    await page.goto(`${stranger.origin}/attack`, { waitUntil: "commit" });
    assert.equal((await answer).status(), 403, action);
    await heading(page, "This page was too old");
  }
  await stranger.stop();
  await page.goto(`${stage.server.issuer}/approvals`);
  await page.getByRole("region", { name: "Reporting" }).waitFor();
}

async function loopback(stage) {
  const six = await startCallback("::1").catch(() => undefined);
  const redirectUris = ["http://127.0.0.1/callback", "http://[::1]/callback"];
  addReporting(stage, { redirectUris });
  const page = await fresh(stage, WITHOUT_SCRIPT);
  await settle(stage, page);
  const request = asks(stage, { scope: "automations" });
  await allow(stage, page, request);
  if (six) {
    const asked = asks({ ...stage, callback: six }, { scope: "apps:read" });
    await page.goto(asked.url);
    await page.getByRole("button", { name: "Allow" }).click();
    assert.ok((await answered({ ...stage, callback: six }, page, asked)).get("code"));
    await six.stop();
  }
}

async function onward(stage) {
  const application = await startCallback();
  const on = `${application.origin}/on?to=${encodeURIComponent(stage.callback.uri)}`;
  addReporting(stage, { redirectUris: [on] });
  const page = await fresh(stage, WITHOUT_SCRIPT);
  await settle(stage, page);
  const request = asks(stage, { scope: "automations", redirect_uri: on });
  await page.goto(request.url);
  await page.getByRole("button", { name: "Allow" }).click();
  assert.ok((await answered(stage, page, request)).get("code"));
  // Once more from the login page, with nothing left to ask.
  const again = asks(stage, { scope: "automations", redirect_uri: on, prompt: "login" });
  await page.goto(again.url);
  await logIn(page, PASSWORD);
  assert.ok((await answered(stage, page, again)).get("code"));
  await application.stop();
}

async function onDevice(stage) {
  const redirectUri = "com.example.app:/callback";
  addReporting(stage, { redirectUris: [redirectUri] });
  const page = await fresh(stage, WITHOUT_SCRIPT);
  await settle(stage, page);
  await page.goto(asks(stage, { scope: "automations", redirect_uri: redirectUri }).url);
  await page.getByText("an application on this device (com.example.app)").waitFor();
  // Nobody on this machine takes the scheme; that the browser does not stop the way there is what counts.
  const stopped = [];
  page.on("console", (message) => stopped.push(message.text()));
  const answer = page.waitForResponse((response) => response.url().endsWith("/consent"));
  await page.getByRole("button", { name: "Allow" }).click();
  assert.match((await (await answer).headerValue("location")) ?? "", /^com\.example\.app:\/callback\?code=/);
  await page.waitForTimeout(300);
  assert.deepEqual(stopped.filter((text) => text.includes("Content Security Policy")), []);
}

async function trusted(stage) {
  addReporting(stage, { trusted: true });
  const page = await fresh(stage, WITHOUT_SCRIPT);
  const request = asks(stage, { scope: "automations" });
  await page.goto(request.url);
  await logIn(page, stage.server.password);
  await choosePassword(page);
  const told = await answered(stage, page, request);
  const { scope } = await redeem(stage.server.issuer, request, told.get("code"));
  assert.equal(scope, "admin.automations apps:read automations openid");
}

async function shown(stage) {
  addReporting(stage);
  const page = await fresh(stage, WITHOUT_SCRIPT);
  for (const [parameters, title] of [
    [{ client_id: "nobody" }, "This application is not known here"],
    [{ redirect_uri: `${stage.callback.uri}/../evil` }, "This application is not set up correctly"],
    [{ redirect_uri: "https://evil.example/" }, "This application is not set up correctly"],
  ]) {
    const response = await page.goto(asks(stage, parameters).url);
    assert.equal(response.status(), 400);
    await heading(page, title);
    assert.equal(await page.getByRole("main").getByRole("link").count(), 0);
  }
  await page.goto(`${stage.server.issuer}/nowhere`);
  await heading(page, "There is no such page");
  assert.equal(stage.callback.count(), 0);
}

/** A page of a browser that nobody has used, which fails the scenario when it complains. */
async function fresh(stage, settings) {
  const page = await (await stage.context(settings)).newPage();
  page.on("pageerror", (error) => assert.fail(error));
  return page;
}

async function allow(stage, page, request) {
  await page.goto(request.url);
  await page.getByRole("button", { name: "Allow" }).click();
  return answered(stage, page, request);
}

async function tabTo(page, target) {
  for (let presses = 0; presses < 30; presses += 1) {
    if (await target.evaluate((element) => element === document.activeElement)) return;
    await page.keyboard.press("Tab");
  }
  assert.fail("the keyboard does not reach it");
}
