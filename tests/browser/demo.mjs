// `scopegate demo`: its page, walked through from the first step to the last.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";

import { lookAt, WINDOWS } from "./looks.mjs";
import { logIn } from "./steps.mjs";

export const demo = [
  ["the demo's story, without a script", (stage) => walk(stage, { javaScriptEnabled: false }, async () => {})],
  ...Object.entries(WINDOWS).map(([window, settings]) => [
    `the demo's page looks right: ${window}`,
    // axe-core is a script in the page, which the page's own policy would stop.
    (stage) => walk(stage, { ...settings, bypassCSP: true }, (page, name) => lookAt(stage, page, `demo-${name}-${window}`)),
  ]),
];

/** Starts the demo on free ports; resolves when it says where its page is. */
async function startDemo(binary) {
  const options = ["page", "gateway", "admin", "authorization-server", "api"];
  const child = spawn(binary, ["demo", ...options.flatMap((option) => [`--${option}`, "127.0.0.1:0"])], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ended = new Promise((resolve) => child.once("exit", resolve));
  let said = "";
  await new Promise((resolve, reject) => {
    ended.then((code) => reject(new Error(`the demo ended with ${code}`)));
    child.stdout.on("data", (data) => {
      said += data;
      if (said.includes("Ctrl-C")) resolve();
    });
  });
  return {
    address: said.match(/open this\s+(\S+)/)[1],
    stop: async () => {
      child.kill("SIGINT");
      assert.equal(await ended, 0);
    },
  };
}

async function walk(stage, settings, look) {
  const running = await startDemo(stage.binary);
  try {
    await story(running.address, await (await stage.context(settings)).newPage(), look);
    await ben(running.address, await (await stage.context(settings)).newPage(), look);
  } finally {
    await running.stop();
  }
}

async function story(address, page, look) {
  await page.goto(address);
  await look(page, "begin");
  await page.getByRole("button", { name: "Ask for these" }).click();
  await logIn(page, await passwordOf(page, address, "ada"), "ada");
  await page.getByRole("button", { name: "Allow" }).click();
  await says(page, "A new token. Its scope is “automations”.");
  await look(page, "token");

  await call(page, "List automations", "200", "Scopegate-Access: user");
  await call(page, "Read Ben’s payroll", "404", "a rule of the API’s own");
  await call(page, "Read the tenant’s usage", "403", "insufficient_scope");
  await look(page, "refused");

  await page.getByLabel("Manage all automations of the tenant").check();
  await page.getByRole("button", { name: "Ask for these" }).click();
  await page.getByLabel("Manage all automations of the tenant").check();
  await page.getByRole("button", { name: "Allow" }).click();
  await says(page, "A new token. Its scope is “admin.automations automations”.");
  await call(page, "Read the tenant’s usage", "200", "Scopegate-Access: admin");
  await look(page, "granted");

  await page.getByRole("link", { name: "Applications with access" }).click();
  await page.getByRole("button", { name: "Remove “Manage all automations of the tenant” from Web console" }).click();
  await says(page, "Removed");
  await page.goto(address);
  await eventually(async () => {
    await press(page, "Read the tenant’s usage");
    return (await verdict(page)).includes("revoked");
  });
  await page.getByRole("button", { name: "Ask for nothing new" }).click();
  await says(page, "A new token. Its scope is “automations”.");
  await call(page, "List automations", "200", "Scopegate-Access: user");
}

async function ben(address, page, look) {
  await page.goto(address);
  await page.getByLabel("Manage all automations of the tenant").check();
  await page.getByRole("button", { name: "Ask as somebody else" }).click();
  await logIn(page, await passwordOf(page, address, "ben"), "ben");
  await page.getByLabel("Manage all automations of the tenant").check();
  await page.getByRole("button", { name: "Allow" }).click();
  await call(page, "Read the tenant’s usage", "403", "role_ceiling");
  await page.getByRole("button", { name: "Let Support permit it" }).click();
  await says(page, "The role is changed.");
  await eventually(async () => {
    await press(page, "Read the tenant’s usage");
    return (await verdict(page)).startsWith("200");
  });
  await page.getByRole("button", { name: "No longer permit it" }).click();
  await says(page, "The role is changed.");
  await look(page, "role");
}

/** What the page shows beside a login, read in a window of its own. */
async function passwordOf(page, address, login) {
  const other = await page.context().newPage();
  await other.goto(address);
  const row = other.getByRole("row").filter({ has: other.getByText(login, { exact: true }) });
  const password = await row.locator("code").nth(1).textContent();
  await other.close();
  return password;
}

async function says(page, text) {
  await page.getByRole("status").filter({ hasText: text }).waitFor();
}

async function press(page, name) {
  const button = page.getByRole("button", { name });
  await button.click();
  await page.getByRole("heading", { level: 3, name }).waitFor();
}

async function verdict(page) {
  return (await page.locator(".verdict").textContent()).trim();
}

async function call(page, name, status, word) {
  await press(page, name);
  const told = await verdict(page);
  assert.ok(told.startsWith(status) && told.includes(word), `${name}: ${told}`);
}

/** Within the five seconds that are promised. */
async function eventually(condition) {
  const end = Date.now() + 5000;
  while (!(await condition())) assert.ok(Date.now() < end, "not within five seconds");
}
