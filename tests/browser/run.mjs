// Drives the authorization server's pages in a real browser.
//
//   node run.mjs [--binary PATH] [--chromium PATH] [--screenshots FOLDER] [--only WORD]

import { mkdirSync } from "node:fs";
import { parseArgs } from "node:util";

import { chromium } from "playwright-core";

import { demo } from "./demo.mjs";
import { looks } from "./looks.mjs";
import { scenarios } from "./scenarios.mjs";
import { startCallback, startServer } from "./server.mjs";

const { values: options } = parseArgs({
  options: {
    binary: { type: "string", default: "../../target/debug/scopegate" },
    chromium: { type: "string", default: "/usr/bin/chromium" },
    screenshots: { type: "string" },
    only: { type: "string", default: "" },
  },
});
if (options.screenshots) mkdirSync(options.screenshots, { recursive: true });

const browser = await chromium.launch({
  executablePath: options.chromium,
  // As root there is no sandbox, and every page is ours or of this machine.
  args: process.getuid?.() === 0 ? ["--no-sandbox"] : [],
});
let passed = 0;
let failed = 0;
for (const [name, run] of [...scenarios, ...looks, ...demo]) {
  if (!name.includes(options.only)) continue;
  const server = await startServer(options.binary);
  const callback = await startCallback();
  const contexts = [];
  const stage = {
    binary: options.binary,
    server,
    callback,
    screenshots: options.screenshots,
    context: async (settings) => {
      const context = await browser.newContext({ locale: "en-GB", ...settings });
      context.setDefaultTimeout(10_000);
      contexts.push(context);
      return context;
    },
  };
  try {
    await run(stage);
    passed += 1;
    console.log(`ok      ${name}`);
  } catch (error) {
    failed += 1;
    console.log(`FAILED  ${name}\n${error.stack}`);
  }
  for (const context of contexts) await context.close();
  await callback.stop();
  await server.stop();
}
await browser.close();
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);
