#!/usr/bin/env python3
"""Checks every crate that is linked against deny.toml: licences, bans, sources. Needs nothing but cargo and Python 3.11."""
import json
import pathlib
import re
import subprocess
import sys
import tomllib

ROOT = pathlib.Path(__file__).resolve().parent.parent


def main():
    policy = tomllib.loads((ROOT / "deny.toml").read_text())
    packages = foreign_packages()
    faults = [fault for package in packages for fault in faults_of(package, policy)]
    for fault in sorted(faults):
        print(f"error: {fault}", file=sys.stderr)
    if not faults:
        print(f"{len(packages)} dependencies: licences, bans and sources as deny.toml wants them")
    return 1 if faults else 0


def foreign_packages():
    """Every package that some target and feature links, but our own: the lock file lists more than that."""
    linked = set(cargo("tree", "--prefix", "none", "--target", "all", "--edges", "all", "--format", "{p}").splitlines())
    linked = {tuple(line.split()[:2]) for line in linked if line}
    metadata = json.loads(cargo("metadata", "--format-version", "1"))
    return [package for package in metadata["packages"] if package["id"] not in metadata["workspace_members"]
            and (package["name"], f"v{package['version']}") in linked]


def cargo(command, *options):
    return subprocess.run(["cargo", command, "--locked", "--all-features", *options], cwd=ROOT, check=True,
                          stdout=subprocess.PIPE, text=True).stdout


def faults_of(package, policy):
    name = f"{package['name']} {package['version']}"
    if not licence_fits(package["license"] or "", set(policy["licenses"]["allow"])):
        yield f"{name}: licence `{package['license']}` is not allowed"
    for ban in policy["bans"]["deny"]:
        if is_banned(package, ban["crate"]):
            yield f"{name} is banned: {ban['reason']}"
    if package["source"] not in {f"registry+{url}" for url in policy["sources"]["allow-registry"]}:
        yield f"{name}: source `{package['source']}` is not allowed"


def licence_fits(expression, allowed):
    """Whether an SPDX expression (the old `/` is OR) can be satisfied by `allowed`."""
    tokens = re.findall(r"[()]|[^\s()]+", expression.replace("/", " OR "))

    def alternatives():
        fits = all_of()
        while tokens and tokens[0] == "OR":
            tokens.pop(0)
            fits = all_of() or fits
        return fits

    def all_of():
        fits = one()
        while tokens and tokens[0] == "AND":
            tokens.pop(0)
            fits = one() and fits
        return fits

    def one():
        if not tokens:
            return False
        token = tokens.pop(0)
        if token == "(":
            fits = alternatives()
            tokens.pop(0)
            return fits
        if tokens[:1] == ["WITH"]:
            token = f"{token} WITH {tokens[1]}"
            del tokens[:2]
        return token in allowed

    return bool(tokens) and alternatives()


def is_banned(package, ban):
    """A ban is `name` or `name@<version`."""
    name, _, bound = ban.partition("@<")
    return package["name"] == name and (not bound or release(package["version"]) < release(bound))


def release(version):
    return tuple(int(part) for part in re.match(r"\d+\.\d+\.\d+", version).group().split("."))


if __name__ == "__main__":
    sys.exit(main())
