// How the pages look: accessible by axe-core's rules, nothing cut off on a narrow screen, and a picture of each for people to judge.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

import { addReporting, answered, asks, choosePassword, logIn, PASSWORD } from "./steps.mjs";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

export const WINDOWS = {
  light: { viewport: { width: 1000, height: 760 }, colorScheme: "light" },
  dark: { viewport: { width: 1000, height: 760 }, colorScheme: "dark" },
  phone: { viewport: { width: 390, height: 760 }, colorScheme: "light", deviceScaleFactor: 2, isMobile: true, hasTouch: true },
  "phone-dark": { viewport: { width: 390, height: 760 }, colorScheme: "dark", deviceScaleFactor: 2, isMobile: true, hasTouch: true },
  // 1280 pixels at four times the size (WCAG 2.2, 1.4.10).
  narrow: { viewport: { width: 320, height: 560 }, colorScheme: "light" },
};

export const looks = Object.entries(WINDOWS).map(([name, settings]) => [
  `every page looks right: ${name}`,
  (stage) => everyPage(stage, name, settings),
]);

async function everyPage(stage, window, settings) {
  addReporting(stage);
  const long = "Quarterly Reporting and Consolidation for the Northern and Southern Regions";
  stage.server.addClient({ id: "long", name: long, redirectUris: [stage.callback.uri], scopes: ["apps:read", "admin.roles"] });
  // axe-core is a script in the page, which the pages' own policy would stop.
  const page = await (await stage.context({ ...settings, bypassCSP: true })).newPage();
  // `shown` is on this page and not on the one before, where a button has led here.
  const look = async (name, shown) => {
    await shown?.waitFor();
    await lookAt(stage, page, `${name}-${window}`);
  };
  const alert = (text) => page.getByRole("alert").filter({ hasText: text });
  const status = (text) => page.getByRole("status").filter({ hasText: text });
  const titled = (text) => page.getByRole("heading", { level: 1, name: text });
  const at = (path) => page.goto(`${stage.server.issuer}${path}`);
  const all = { scope: "openid automations apps:read admin.automations offline_access" };
  const first = asks(stage, all);

  await page.goto(first.url);
  await look("login");
  await logIn(page, "wrong");
  await look("login-wrong", alert("is wrong"));
  await logIn(page, stage.server.password);
  await look("password-forced", titled("Choose a password of your own"));
  await choosePassword(page);
  await look("consent", titled("Reporting asks for access"));
  await page.goto(asks(stage, { scope: "admin.automations" }).url);
  await look("consent-admin");
  await page.getByRole("button", { name: "Allow" }).click();
  await look("consent-nothing-ticked", alert("Nothing is ticked"));
  await page.goto(first.url);
  await page.getByLabel("Manage all automations of the tenant").check();
  await page.getByRole("button", { name: "Allow" }).click();
  await answered(stage, page, first);
  const second = asks(stage, { client_id: "long", scope: "apps:read admin.roles" });
  await page.goto(second.url);
  await look("consent-long");
  await page.getByRole("button", { name: "Allow" }).click();
  await answered(stage, page, second);
  await page.goto(asks(stage, { ...all, prompt: "consent" }).url);
  await look("consent-again");
  await page.goto(asks(stage, { ...all, prompt: "select_account" }).url);
  await look("account");
  await at("/");
  await look("home");
  await at("/approvals");
  await look("approvals");
  await page.getByRole("button", { name: "Remove “See your apps” from Reporting" }).click();
  await look("approvals-removed", status("Removed"));
  for (const name of ["Reporting", long]) {
    await page.getByRole("button", { name: `Remove all access of ${name}` }).click();
    await status(`${name} has no access any more`).waitFor();
  }
  await look("approvals-none");
  await at("/password");
  await look("password");
  await at("/nowhere");
  await look("not-found");
  await page.goto(asks(stage, { client_id: "nobody" }).url);
  await look("unknown-client");
  await at("/logout");
  await look("logout");
  await page.getByRole("button", { name: "Log out" }).click();
  await look("logged-out", titled("You are logged out"));
  await at("/login");
  for (let attempt = 0; attempt < 12; attempt += 1) {
    const answer = page.waitForResponse((response) => response.request().method() === "POST");
    await logIn(page, PASSWORD.slice(1), "somebody");
    await (await answer).finished();
  }
  await look("too-many-attempts", alert("too many attempts"));
}

export async function lookAt(stage, page, name) {
  // With its style sheet.
  await page.waitForLoadState("load");
  if (stage.screenshots) await page.screenshot({ path: join(stage.screenshots, `${name}.png`), fullPage: true });
  await page.evaluate(AXE);
  const { violations } = await page.evaluate(() => globalThis.axe.run());
  const found = violations.map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.map((node) => node.html).join(" | ")}`);
  assert.deepEqual(found, [], name);
  const [needed, there] = await page.evaluate(() => [document.documentElement.scrollWidth, window.innerWidth]);
  assert.ok(needed <= there, `${name} is ${needed} wide where ${there} are there`);
  const small = await page.evaluate(() => {
    const targets = [...document.querySelectorAll("main button, main input:not([type=hidden], [hidden]), nav a")];
    const sizes = targets.map((target) => [target.closest("label") ?? target, target]);
    return sizes.filter(([area]) => area.getBoundingClientRect().height < 24).map(([, target]) => target.outerHTML);
  });
  assert.deepEqual(small, [], `${name}: targets of less than 24 pixels (WCAG 2.2, 2.5.8)`);
}
