// Runs real HTTP, WebSocket and gRPC clients through the gateway: curl, h2load, openssl, Node, Python, Chromium.
//
//   node edge.mjs [--binary PATH] [--python PATH] [--chromium PATH] [--only WORD]
//
// Python needs the packages of requirements.txt; h2load is Debian's nghttp2-client.

import { parseArgs } from "node:util";

import { cases as browser } from "./edge_browser.mjs";
import { cases as commands } from "./edge_commands.mjs";
import { cases as node } from "./edge_node.mjs";
import { cases as python } from "./edge_python.mjs";
import { startGateway } from "./edge_stage.mjs";

/** A client that hangs is a failure. */
function withinTwoMinutes(work) {
  const late = new Promise((_, reject) => setTimeout(() => reject(new Error("it hangs")), 120_000).unref());
  return Promise.race([work, late]);
}

const { values: options } = parseArgs({
  options: {
    binary: { type: "string", default: "../../target/debug/scopegate" },
    python: { type: "string", default: "python3" },
    chromium: { type: "string", default: "/usr/bin/chromium" },
    only: { type: "string", default: "" },
  },
});
let passed = 0;
let failed = 0;
const stage = await startGateway(options);
try {
  for (const [name, run] of [...commands, ...node, ...python, ...browser]) {
    if (!name.includes(options.only)) continue;
    try {
      const seen = await withinTwoMinutes(run(stage));
      passed += 1;
      console.log(`ok      ${name}${seen === undefined ? "" : ` (${seen})`}`);
    } catch (error) {
      failed += 1;
      console.log(`FAILED  ${name}\n${error.stack}`);
    }
  }
} finally {
  await stage.stop();
}
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed === 0 && passed > 0 ? 0 : 1);
