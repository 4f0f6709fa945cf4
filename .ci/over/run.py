#!/usr/bin/env python3
"""Runs a suite that speaks HTTP/1.1 in clear text against a gateway that listens with TLS, or speaks HTTP/2 over TLS.

usage: .ci/over/run.py tls|http2 SUITE.py --binary GATEWAY [options of the suite]

The answers must be those of HTTP/1.1 in clear text, but for the rows of `KNOWN`, which ask for something that only HTTP/1.1 has: one
of them that passes after all is told as well.
"""
import argparse
import json
import os
import shlex
import stat
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))

ABSOLUTE = "HTTP/2 has no absolute form: `:scheme` and `:authority` say what it says, and `:path` is a path"
# Rows that another answer is right for, and why, by protocol and suite.
KNOWN = {
    ("http2", "paths.py"): {
        "allowed: http://api.test/items/1": ABSOLUTE,
        "denied: http://api.test/admin/secret": ABSOLUTE,
        "denied: http://api.test/%61dmin/secret": ABSOLUTE,
    },
}


def launcher(folder, protocol, binary):
    """A command that starts the gateway behind a relay, to be given to a suite as its binary."""
    path = os.path.join(folder, "gateway")
    words = [sys.executable, os.path.join(HERE, "relay.py"), protocol, os.path.abspath(binary)]
    with open(path, "w", encoding="utf-8") as file:
        file.write(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n')
    os.chmod(path, stat.S_IRWXU)
    return path


def judge(rows, known):
    """What counts: failures that are not known, and known ones that are none."""
    failed = [f"{row['id']}: {row['why']}" for row in rows if not row["ok"] and row["id"] not in known]
    return failed + [f"{row['id']}: passes, though it is known to fail" for row in rows if row["ok"] and row["id"] in known]


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("protocol", choices=["tls", "http2"])
    options.add_argument("suite")
    options.add_argument("--binary", required=True)
    args, more = options.parse_known_args()
    with tempfile.TemporaryDirectory(prefix="over-") as folder:
        report = os.path.join(folder, "report.json")
        binary = launcher(folder, args.protocol, args.binary)
        command = [sys.executable, args.suite, *more, "--show", "0", "--json", report, "--binary", binary]
        ended = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
        if not os.path.exists(report):
            sys.exit(f"{ended.stdout}{args.suite} ended with {ended.returncode}")
        with open(report, encoding="utf-8") as file:
            rows = json.load(file)["rows"]
    known = KNOWN.get((args.protocol, os.path.basename(args.suite)), {})
    wrong = judge(rows, known)
    for row in rows:
        if row["id"] in known and not row["ok"]:
            print(f"differs: {row['id']} ({known[row['id']]})")
    for fault in wrong[:20]:
        print(f"FAIL {fault}"[:400])
    differ = sum(row["id"] in known and not row["ok"] for row in rows)
    print(f"{sum(row['ok'] for row in rows)} passed, {len(wrong)} failed, {differ} differ as they must")
    sys.exit(1 if wrong or not rows else 0)


if __name__ == "__main__":
    main()
