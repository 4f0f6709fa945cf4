"""The crates of this package as cargo knows them, and the licence expressions in which they say what may be done with them."""
import json
import pathlib
import re
import subprocess
import tomllib

ROOT = pathlib.Path(__file__).resolve().parent.parent
# What the image and the released binaries are made for.
TARGETS = ["x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu"]


def cargo(command, *options):
    return subprocess.run(["cargo", command, *options], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout


def metadata():
    return json.loads(cargo("metadata", "--locked", "--all-features", "--format-version", "1"))


def tree(*options):
    """Names and versions of what a build with `options` needs, our own package left out. `cargo metadata` alone counts features in
    that only tests ask for."""
    lines = cargo("tree", "--locked", "--prefix", "none", "--format", "{p}", *options).splitlines()
    found = {tuple(line.split()[:2]) for line in lines if line}
    own = tomllib.loads((ROOT / "Cargo.toml").read_text())["package"]
    return {(name, version.removeprefix("v")) for name, version in found} - {(own["name"], own["version"])}


def of_targets(edges):
    return set().union(*(tree("--edges", edges, "--target", target) for target in TARGETS))


def packages(wanted):
    """The packages of `wanted`, in order."""
    return sorted((package for package in metadata()["packages"] if key(package) in wanted), key=key)


def key(package):
    return package["name"], package["version"]


def locked():
    """What Cargo.lock holds, by name and version."""
    return {key(package): package for package in tomllib.loads((ROOT / "Cargo.lock").read_text())["package"]}


def normal(expression):
    """With the `OR` that the old `/` stands for."""
    return re.sub(r"\s*/\s*", " OR ", expression)


def alternatives(expression):
    """The sets of licences that each satisfy an SPDX expression, in its order; none for what is no expression."""
    tokens = re.findall(r"[()]|[^\s()]+", normal(expression))

    def either():
        sets = both()
        while tokens[:1] == ["OR"]:
            tokens.pop(0)
            sets = sets + both()
        return sets

    def both():
        sets = one()
        while tokens[:1] == ["AND"]:
            tokens.pop(0)
            right = one()
            sets = [left | further for left in sets for further in right]
        return sets

    def one():
        token = tokens.pop(0)
        if token == "(":
            sets = either()
            if tokens.pop(0) != ")":
                raise IndexError
            return sets
        if token in {")", "AND", "OR", "WITH"}:
            raise IndexError
        if tokens[:1] == ["WITH"]:
            token = f"{token} WITH {tokens[1]}"
            del tokens[:2]
        return [frozenset([token])]

    try:
        sets = either()
    except IndexError:
        return []
    return [] if tokens else sets
