#!/usr/bin/env python3
"""Holds a bill of materials to the schema of CycloneDX, which `cyclonedx-python-lib[json-validation]` carries, and to what the schema cannot
say: every reference leads somewhere, and everything is reached from the program.

    check_sbom.py FILE
"""
import json
import sys

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator


def main():
    text = open(sys.argv[1], encoding="utf-8").read()
    # The first line says what; behind it comes the schema.
    faults = [str(fault).splitlines()[0] for fault in JsonStrictValidator(SchemaVersion.V1_6).validate_str(text, all_errors=True) or []]
    document = json.loads(text)
    faults += list(faults_of_references(document))
    for fault in faults:
        print(f"error: {fault}", file=sys.stderr)
    if not faults:
        print(f"{sys.argv[1]}: valid CycloneDX {document['specVersion']}, {len(document['components'])} components, all reached")
    return 1 if faults else 0


def faults_of_references(document):
    root = document["metadata"]["component"]["bom-ref"]
    components = [root]
    for component in document["components"]:
        components += [component["bom-ref"], *(held["bom-ref"] for held in component.get("components", []))]
    edges = {entry["ref"]: entry["dependsOn"] for entry in document["dependencies"]}
    if len(set(components)) != len(components):
        yield "a `bom-ref` stands twice"
    for ref in sorted(set(components) ^ set(edges)):
        yield f"`{ref}` is a component without dependencies, or the reverse"
    reached, unread = set(), [root]
    while unread:
        ref = unread.pop()
        if ref not in reached:
            reached.add(ref)
            unread += edges.get(ref, [])
    for ref in sorted(set(components) ^ reached):
        yield f"`{ref}` is not reached from `{root}`, or is no component"


if __name__ == "__main__":
    sys.exit(main())
