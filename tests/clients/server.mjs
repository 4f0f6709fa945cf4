// The built binary with a configuration and a database of its own, administered by its own commands.

import { execFile, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";

export const API = "https://api.example.com";

const POLICY = `scopes:
  automations:       {describe: Manage your automations, admin: admin.automations}
  apps:read:         {describe: See your apps}
  admin.automations: {describe: Manage all automations of the tenant}
`;

/** Starts the server; resolves when it serves. */
export async function startServer(binary) {
  const folder = mkdtempSync(join(tmpdir(), "scopegate-clients-"));
  const file = join(folder, "authorization-server.yaml");
  writeFileSync(join(folder, "policy.yaml"), POLICY);
  writeFileSync(
    file,
    `issuer: http://127.0.0.1:0
address: 127.0.0.1:0
database: database.sqlite
audience: [${API}]
policy: [policy.yaml]
`,
  );
  const child = spawn(binary, ["authorization-server", "--config", file], { stdio: ["ignore", "pipe", "inherit"] });
  const issuer = await new Promise((resolve, reject) => {
    child.once("exit", (code) => reject(new Error(`the server ended with ${code}`)));
    createInterface({ input: child.stdout }).on("line", (line) => {
      if (line.startsWith("{") && JSON.parse(line).msg === "serving") resolve(JSON.parse(line).issuer);
    });
  });
  const run = promisify(execFile);
  return {
    issuer,
    /** Runs `scopegate authorization-server …` against the database of the server that runs. */
    async administer(...words) {
      const { stdout } = await run(binary, ["authorization-server", ...words, "--config", file, "--format", "json"]);
      return JSON.parse(stdout);
    },
    async stop() {
      const ended = new Promise((resolve) => child.once("exit", resolve));
      child.kill("SIGTERM");
      await ended;
      rmSync(folder, { recursive: true });
    },
  };
}
