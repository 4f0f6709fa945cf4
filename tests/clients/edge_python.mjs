// Python's clients: edge_python.py names them, and runs each by its name.

import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const FILE = join(dirname(fileURLToPath(import.meta.url)), "edge_python.py");

const NAMES = [
  ...["http.client: a kept connection", "requests: a kept connection", "requests over TLS: a kept connection"],
  ...["httpx: HTTP/1.1, kept connections", "httpx: HTTP/2 over TLS", "httpx: HTTP/2 with prior knowledge"],
  ...["grpcio in clear text", "grpcio over TLS", "grpcio at a unix socket"],
];

export const cases = NAMES.map((name) => [
  `Python, ${name}`,
  async (stage) => {
    const { clear, tls, socket, token, soak } = stage;
    const where = JSON.stringify({ clear, tls, socket, token, soak, ca: stage.path("ca.pem") });
    try {
      await stage.run(stage.python, [FILE, name], where);
    } catch (error) {
      throw new Error(error.stderr || error.message);
    }
  },
]);
