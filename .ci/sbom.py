#!/usr/bin/env python3
"""Writes the software bill of materials of scopegate for Linux, as CycloneDX 1.6 in JSON: what is linked, what only takes part in the build
(`scope: excluded`), and the C libraries that two crates hold. The same revision always gives the same file.

    sbom.py OUTPUT
"""
import json
import os
import pathlib
import re
import subprocess
import sys
import time
import tomllib
import uuid
from urllib.parse import quote

import crates

# Each library in C, by the crate that holds it: its name, where the version is said, its licence, and what scanners know it as.
BUNDLED = {
    "aws-lc-sys": ("aws-lc", "aws-lc/include/openssl/base.h", r'AWSLC_VERSION_NUMBER_STRING "(.*?)"', None, None,
                   "https://github.com/aws/aws-lc"),
    "libsqlite3-sys": ("sqlite", "sqlite3/sqlite3.h", r'SQLITE_VERSION +"(.*?)"', "blessing", "cpe:2.3:a:sqlite:sqlite:{}:*:*:*:*:*:*:*",
                       "https://sqlite.org/"),
}


def main():
    output = pathlib.Path(sys.argv[1])
    output.parent.mkdir(parents=True, exist_ok=True)
    document = bill(crates.of_targets("normal,no-proc-macro"), crates.of_targets("normal,build"), crates.metadata(), crates.locked())
    output.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n")
    linked = sum(component["scope"] == "required" for component in document["components"])
    print(f"{output}: {linked} linked crates, {len(document['components']) - linked} of the build")


def bill(linked, built, metadata, lock):
    packages = sorted((package for package in metadata["packages"] if crates.key(package) in built), key=crates.key)
    own = tomllib.loads((crates.ROOT / "Cargo.toml").read_text())["package"]
    root, = [package for package in metadata["packages"] if crates.key(package) == (own["name"], own["version"])]
    revision, moment = revision_and_moment()
    name = " ".join(["scopegate", root["version"], revision, (crates.ROOT / "Cargo.lock").read_text()])
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, name)}",
        "version": 1,
        "metadata": {**({"timestamp": moment} if moment else {}), "lifecycles": [{"phase": "build"}], "component": own_component(root, revision)},
        "components": [component(package, crates.key(package) in linked, lock) for package in packages],
        "dependencies": dependencies(root, packages, metadata),
    }


def own_component(package, revision):
    return {
        "type": "application", "bom-ref": purl(package), "name": package["name"], "version": package["version"],
        "description": package["description"], "licenses": [{"expression": package["license"]}], "purl": purl(package),
        "properties": [{"name": "scopegate:revision", "value": revision}],
    }


def component(package, is_linked, lock):
    shown = {
        "type": "library", "bom-ref": purl(package), "name": package["name"], "version": package["version"],
        "scope": "required" if is_linked else "excluded",
        "hashes": [{"alg": "SHA-256", "content": lock[crates.key(package)]["checksum"]}],
        "licenses": [{"expression": crates.normal(package["license"])}], "purl": purl(package),
    }
    if package["repository"]:
        shown["externalReferences"] = [{"type": "vcs", "url": package["repository"]}]
    if package["name"] in BUNDLED:
        shown["components"] = [bundled(package)]
    return shown


def bundled(package):
    name, file, version, licence, cpe, website = BUNDLED[package["name"]]
    text = (pathlib.Path(package["manifest_path"]).parent / file).read_text()
    version = re.search(version, text).group(1)
    return {
        "type": "library", "bom-ref": f"{purl(package)}#{name}", "name": name, "version": version, "scope": "required",
        "licenses": [{"license": {"id": licence}}] if licence else [{"expression": crates.normal(package["license"])}],
        **({"cpe": cpe.format(version)} if cpe else {}), "externalReferences": [{"type": "website", "url": website}],
    }


def dependencies(root, packages, metadata):
    """Who needs whom, of what is listed; tests need more."""
    refs = {package["id"]: purl(package) for package in [root, *packages]}
    by_ref = {}
    for node in metadata["resolve"]["nodes"]:
        if node["id"] in refs:
            needed = {refs[needed["pkg"]] for needed in node["deps"] if needed["pkg"] in refs
                      and any(kind["kind"] != "dev" for kind in needed["dep_kinds"])}
            by_ref[refs[node["id"]]] = sorted(needed)
    for package in packages:
        if package["name"] in BUNDLED:
            held = f"{purl(package)}#{BUNDLED[package['name']][0]}"
            by_ref[purl(package)] = sorted([*by_ref[purl(package)], held])
            by_ref[held] = []
    return [{"ref": ref, "dependsOn": needed} for ref, needed in sorted(by_ref.items())]


def purl(package):
    return f"pkg:cargo/{quote(package['name'], safe='')}@{quote(package['version'], safe='')}"


def revision_and_moment():
    """Of the release, not of the run: as `scopegate --version` has it, and SOURCE_DATE_EPOCH or the time of the commit."""
    revision = os.environ.get("SCOPEGATE_REVISION") or git("rev-parse", "--verify", "--short=12", "HEAD") or "unknown"
    seconds = os.environ.get("SOURCE_DATE_EPOCH") or git("log", "-1", "--format=%ct")
    return revision, time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(int(seconds))) if seconds else None


def git(*arguments):
    if not (crates.ROOT / ".git").exists():
        return ""
    return subprocess.run(["git", *arguments], cwd=crates.ROOT, stdout=subprocess.PIPE, text=True).stdout.strip()


if __name__ == "__main__":
    main()
