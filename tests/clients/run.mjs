// Runs real OAuth and OpenID Connect clients against the authorization server, each case with a server of its own.
//
//   node run.mjs [--binary PATH] [--only WORD]

import { parseArgs } from "node:util";

import { cases as oauth4webapi } from "./oauth4webapi.mjs";
import { cases as openidClient } from "./openid_client.mjs";
import { startServer } from "./server.mjs";

const { values: options } = parseArgs({
  options: {
    binary: { type: "string", default: "../../target/debug/scopegate" },
    only: { type: "string", default: "" },
  },
});
let passed = 0;
let failed = 0;
for (const [name, run] of [...openidClient, ...oauth4webapi]) {
  if (!name.includes(options.only)) continue;
  const server = await startServer(options.binary);
  try {
    await run(server);
    passed += 1;
    console.log(`ok      ${name}`);
  } catch (error) {
    failed += 1;
    console.log(`FAILED  ${name}\n${error.stack}`);
    if (error.cause) console.log(error.cause);
  }
  await server.stop();
}
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);
