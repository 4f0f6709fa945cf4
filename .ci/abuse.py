#!/usr/bin/env python3
"""Which failed rows of abuse.py count against a change.

usage: .ci/abuse.py REPORT

Waiting times do not: attackers, good client and gateway share the cores of whatever machine this is.
"""
import json
import sys


def counts(row):
    return not row["ok"] and not row["why"].startswith("99th percentile")


def main():
    with open(sys.argv[1], encoding="utf-8") as report:
        rows = json.load(report)["rows"]
    failed = [f"{row['id']}: {row['why']}" for row in rows if counts(row)]
    print("\n".join(failed) or f"nothing that counts among {len(rows)} rows")
    sys.exit(1 if failed or not rows else 0)


if __name__ == "__main__":
    main()
