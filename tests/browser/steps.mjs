// What a user does, in words that the scenarios use.

import assert from "node:assert/strict";

import { authorizationRequest } from "./server.mjs";

/** What the administrator's password becomes. */
export const PASSWORD = "quiet lamp forty river";
export const SCOPES = ["automations", "apps:read", "admin.automations"];

/** The client of most scenarios. */
export function addReporting(stage, more = {}) {
  const client = {
    id: "reporting",
    name: "Reporting",
    redirectUris: [stage.callback.uri],
    scopes: [...SCOPES, "offline_access", "openid"],
    ...more,
  };
  stage.server.addClient(client);
  return client;
}

export function asks(stage, parameters = {}) {
  return authorizationRequest(stage.server.issuer, {
    client_id: "reporting",
    redirect_uri: stage.callback.uri,
    scope: SCOPES.join(" "),
    ...parameters,
  });
}

export async function logIn(page, password, login = "admin") {
  await page.getByLabel("Login").fill(login);
  await page.getByLabel("Password").fill(password);
  await page.getByRole("button", { name: "Log in" }).click();
}

export async function choosePassword(page) {
  await heading(page, "Choose a password of your own");
  await page.getByLabel("New password", { exact: true }).fill(PASSWORD);
  await page.getByLabel("New password, once more").fill(PASSWORD);
  await page.getByRole("button", { name: "Set the password" }).click();
}

/** Logs in for the first time, and comes to the overview. */
export async function settle(stage, page) {
  await page.goto(`${stage.server.issuer}/login`);
  await logIn(page, stage.server.password);
  await choosePassword(page);
  await heading(page, "Hello, Administrator");
}

export async function heading(page, text) {
  await page.getByRole("heading", { level: 1, name: text }).waitFor();
}

export async function ticks(page) {
  const boxes = await page.getByRole("checkbox").all();
  return Promise.all(boxes.map(async (box) => [await box.getAttribute("value"), await box.isChecked()]));
}

/** Waits until the client has been answered; what it was told. */
export async function answered(stage, page, request) {
  await page.waitForURL((url) => url.href.startsWith(stage.callback.origin));
  const told = stage.callback.last();
  assert.equal(told.get("state"), request.state, "the state comes back");
  assert.equal(told.get("iss"), stage.server.issuer, "the response says whose it is");
  return told;
}
