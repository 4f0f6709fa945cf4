#!/usr/bin/env python3
"""Checks every crate that is linked, by some target and feature, or in tests, against deny.toml: licences, bans, sources, yanked
versions. Needs nothing but cargo and Python 3.11.

The keys mean what they mean to cargo-deny. One that is not enforced here is a fault: nobody shall rely on it.
"""
import json
import os
import pathlib
import re
import subprocess
import sys
import tomllib
import zlib

import crates

# What of deny.toml is understood, by table.
KEYS = {
    "graph": {"all-features"},
    "licenses": {"include-dev", "allow", "exceptions", "clarify", "unused-allowed-license", "unused-license-exception"},
    "bans": {"multiple-versions", "multiple-versions-include-dev", "wildcards", "deny", "skip"},
    "sources": {"unknown-registry", "unknown-git", "allow-registry", "allow-git"},
    # The advisories themselves are for cargo-deny: their database is no part of the registry.
    "advisories": {"yanked", "ignore"},
}
# What is understood of a crate's name and version.
SPEC = re.compile(r"[A-Za-z0-9_-]+(@\d+(\.\d+){0,2}|:<\d+\.\d+\.\d+)?")
ENTRIES = {"deny": {"crate", "reason", "wrappers"}, "skip": {"crate", "reason"}, "exceptions": {"crate", "allow"},
           "clarify": {"crate", "expression", "license-files"}, "ignore": {"id", "reason"}}
# All that is looked at here is looked at by cargo-deny only if it is told to.
EVERYTHING = [("graph", "all-features"), ("licenses", "include-dev"), ("bans", "multiple-versions-include-dev")]
# Here a warning would be read by nobody.
DENIED = [("bans", "multiple-versions"), ("bans", "wildcards"), ("sources", "unknown-registry"), ("sources", "unknown-git"),
          ("advisories", "yanked"), ("licenses", "unused-allowed-license"), ("licenses", "unused-license-exception")]


def main():
    policy = tomllib.loads((crates.ROOT / "deny.toml").read_text())
    metadata = crates.metadata()
    linked = crates.tree("--all-features", "--target", "all", "--edges", "all")
    packages = [package for package in metadata["packages"] if crates.key(package) in linked]
    own = [package for package in metadata["packages"] if package["id"] in metadata["workspace_members"]]
    index, looked = index_of(packages)
    faults = sorted(faults_of(policy, packages, own, crates.locked(), index))
    for fault in faults:
        print(f"error: {fault}", file=sys.stderr)
    if not faults:
        print(f"{len(packages)} dependencies: licences, bans and sources as deny.toml wants them; none yanked, {looked}")
    return 1 if faults else 0


def faults_of(policy, packages, own, lock, index):
    """Everything that is wrong with the policy, or with the packages under it. `index` says of a name and version whether the registry
    has it, and yanked."""
    yield from faults_of_policy(policy)
    yield from faults_of_licences(policy["licenses"], packages)
    yield from faults_of_bans(policy["bans"], packages, own)
    yield from faults_of_sources(policy["sources"], packages, lock)
    yield from faults_of_index(packages, index)


def faults_of_policy(policy):
    for table, keys in policy.items():
        for key in sorted(set(keys) - KEYS.get(table, set())):
            yield f"deny.toml: `{table}.{key}` is not enforced"
        for name, wanted in ENTRIES.items():
            for entry in keys.get(name, []):
                for key in sorted(set(entry) - wanted):
                    yield f"deny.toml: `{table}.{name}[].{key}` is not enforced"
                if not SPEC.fullmatch(entry.get("crate", "any")):
                    yield f"deny.toml: `{entry['crate']}` is none of `name`, `name@1.2` and `name:<1.2.3`"
                if "reason" in wanted and not entry.get("reason"):
                    yield f"deny.toml: `{table}.{name}` has an entry without a reason: {entry}"
    for table, key in DENIED:
        if policy.get(table, {}).get(key) != "deny":
            yield f"deny.toml: `{table}.{key}` is not `deny`"
    for table, key in EVERYTHING:
        if policy.get(table, {}).get(key) is not True:
            yield f"deny.toml: `{table}.{key}` is not `true`"


def faults_of_licences(policy, packages):
    seen, excepted = set(), set()
    clarified = {entry["crate"]: entry for entry in policy.get("clarify", [])}
    for package in packages:
        name, expression = title(package), package["license"] or ""
        if entry := clarified.pop(package["name"], None):
            expression = entry["expression"]
            yield from faults_of_clarification(package, entry)
        allowed = set(policy["allow"])
        sets = crates.alternatives(expression)
        seen.update(*sets)
        for number, exception in enumerate(policy.get("exceptions", [])):
            if is_meant(package, exception["crate"]):
                if any(licences <= allowed for licences in sets):
                    continue
                excepted.add(number)
                allowed |= set(exception["allow"])
        if not any(licences <= allowed for licences in sets):
            yield f"{name}: licence `{expression}` is not allowed"
    for licence in sorted(set(policy["allow"]) - seen):
        yield f"deny.toml: nothing has the allowed licence `{licence}`"
    for number, exception in enumerate(policy.get("exceptions", [])):
        if number not in excepted:
            yield f"deny.toml: the exception for `{exception['crate']}` is not needed"
    for name in clarified:
        yield f"deny.toml: `{name}`, which is clarified, is not linked"


def faults_of_clarification(package, entry):
    """What was read once must still be what is there. cargo-deny's hash is CRC-32; ours looks at the same."""
    for file in entry["license-files"]:
        path = pathlib.Path(package["manifest_path"]).parent / file["path"]
        if not path.is_file() or zlib.crc32(path.read_bytes()) != file["hash"]:
            yield f"{title(package)}: `{file['path']}` is not the licence that deny.toml clarifies"


def faults_of_bans(policy, packages, own):
    for ban in policy["deny"]:
        wrappers = set(ban.get("wrappers", []))
        for package in packages:
            if is_meant(package, ban["crate"]) and not (wrappers and users(package, packages + own) <= wrappers):
                yield f"{title(package)} is banned: {ban['reason']}"
    for package in packages + own:
        for dependency in package["dependencies"]:
            if dependency["req"] == "*" and (package in own or dependency["kind"] != "dev"):
                yield f"{title(package)}: any version of `{dependency['name']}` will do"
    yield from faults_of_duplicates(policy.get("skip", []), packages)


def faults_of_duplicates(skipped, packages):
    used = set()
    by_name = {}
    for package in packages:
        by_name.setdefault(package["name"], []).append(package)
    for name, versions in sorted(by_name.items()):
        left = list(versions)
        for number, skip in enumerate(skipped):
            if len(versions) > 1 and any(is_meant(package, skip["crate"]) for package in versions):
                used.add(number)
                left = [package for package in left if not is_meant(package, skip["crate"])]
        if len(left) > 1:
            yield f"`{name}` is linked in several versions: {', '.join(sorted(package['version'] for package in left))}"
    for number, skip in enumerate(skipped):
        if number not in used:
            yield f"deny.toml: `{skip['crate']}` is skipped without need"


def faults_of_sources(policy, packages, lock):
    registries = {f"registry+{url}" for url in policy.get("allow-registry", [])}
    repositories = tuple(policy.get("allow-git", []))
    for package in packages:
        source = package["source"] or "a folder"
        is_git = repositories and source.removeprefix("git+").split("?")[0].split("#")[0] in repositories
        if source not in registries and not (source.startswith("git+") and is_git):
            yield f"{title(package)}: source `{source}` is not allowed"
        elif source in registries and not re.fullmatch(r"[0-9a-f]{64}", lock.get(crates.key(package), {}).get("checksum", "")):
            yield f"{title(package)}: Cargo.lock has no checksum"


def faults_of_index(packages, index):
    for package in packages:
        entry = index.get(crates.key(package))
        if entry is None:
            yield f"{title(package)}: the registry's index says nothing of it"
        elif entry["yanked"]:
            yield f"{title(package)} has been yanked from the registry"


def index_of(packages):
    """What the index of crates.io says of the packages' versions, out of cargo's own copy, which cargo is asked to renew first."""
    asked = subprocess.run(["cargo", "update", "--dry-run", "--quiet"], cwd=crates.ROOT, stderr=subprocess.DEVNULL)
    home = pathlib.Path(os.environ.get("CARGO_HOME") or pathlib.Path.home() / ".cargo")
    caches = list(home.glob("registry/index/index.crates.io-*/.cache"))
    index = {}
    for name in {package["name"] for package in packages}:
        for cache in caches:
            index.update(((name, version), entry) for version, entry in cached(cache / folder(name) / name.lower()))
    return index, "by the registry's index" if asked.returncode == 0 else "by the index as it was when last fetched"


def folder(name):
    """Where the index has a crate: https://doc.rust-lang.org/cargo/reference/registry-index.html#index-files."""
    name = name.lower()
    return {1: "1", 2: "2", 3: f"3/{name[:1]}"}.get(len(name), f"{name[:2]}/{name[2:4]}")


def cached(path):
    """The entries of one file of cargo's copy: texts between NULs, among them each version's own line of the index."""
    content = path.read_bytes() if path.is_file() else b""
    for text in content.split(b"\0"):
        if text.startswith(b"{"):
            entry = json.loads(text)
            yield entry["vers"], entry


def title(package):
    return f"{package['name']} {package['version']}"


def users(package, packages):
    return {user["name"] for user in packages for dependency in user["dependencies"] if dependency["name"] == package["name"]}


def is_meant(package, spec):
    """Whether `name`, `name@1`, `name@1.2.3` or `name:<1.2.3` means this package. To cargo-deny `name@<1.2.3` is 1.2.3 and no other."""
    name, sign, wanted = re.fullmatch(r"([^@:]+)([@:]?)(.*)", spec).groups()
    if package["name"] != name or not sign:
        return package["name"] == name
    if sign == ":":
        return release(package["version"]) < release(wanted.removeprefix("<"))
    has, wants = package["version"].split("."), wanted.split(".")
    return has[:len(wants)] == wants


def release(version):
    return tuple(int(part) for part in re.match(r"\d+\.\d+\.\d+", version).group().split("."))


if __name__ == "__main__":
    sys.exit(main())
