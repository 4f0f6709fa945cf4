#!/usr/bin/env python3
"""Writes THIRD-PARTY-NOTICES: the licence of every crate that is linked into scopegate on Linux, or whose macros write code into it,
out of the crates' own files. With `--check` it only says whether the file is as it would be written."""
import pathlib
import re
import sys

import crates

FILE = crates.ROOT / "THIRD-PARTY-NOTICES"
# Of several licences the first of these is taken. Apache-2.0 comes first because its text is everybody's, with a file of notices besides.
TAKEN = ["Apache-2.0", "MIT", "ISC", "BSD-3-Clause", "BSD-2-Clause", "Zlib", "Unicode-3.0", "CC0-1.0"]
# What only that licence says, in its own words, and the rest of them says it nowhere.
KNOWN_BY = [
    ("Apache-2.0", "apache license version 2.0"), ("MIT", "permission is hereby granted, free of charge, to any person obtaining a copy of this software and"),
    ("ISC", "permission to use, copy, modify, and/or distribute this software for any"), ("BSD-3-Clause", "neither the name"),
    ("BSD-3-Clause", "may be used to endorse or promote products derived"), ("BSD-2-Clause", "redistribution and use in source and binary forms"),
    ("Zlib", "altered source versions must be plainly marked"), ("Unicode-3.0", "unicode license v3"), ("CC0-1.0", "cc0 1.0 universal"),
    ("Unlicense", "free and unencumbered software released into the public domain"), ("BSL-1.0", "boost software license"),
]
NAMED = re.compile(r"(licen[cs]e|copying|notice|copyright|unlicense)", re.IGNORECASE)
RULE = "=" * 100
INTRODUCTION = """Third-party notices of scopegate

scopegate is compiled together with the crates below, for Linux: those that are linked into the binary, and those whose macros write code
into it. Where a crate offers several licences, the one named here is the one under which it is distributed with scopegate. The pages
of the authorization server and of the demo hold no script, font or style sheet of others.

Written by `make notices` out of the crates' own files; do not edit.
"""
STANDARD_LIBRARY = ("the Rust standard library, in the version of the compiler", "MIT OR Apache-2.0", "https://github.com/rust-lang/rust")


def main():
    written = notices(crates.packages(crates.of_targets("normal")))
    if "--check" not in sys.argv[1:]:
        FILE.write_text(written)
    elif not FILE.is_file() or FILE.read_text() != written:
        print(f"error: {FILE.name} is not up to date: run `make notices`", file=sys.stderr)
        return 1
    else:
        print(f"{FILE.name} is up to date")
    return 0


def notices(packages):
    """The whole file. Each text stands once, above it everything that it is the licence of."""
    # Without the advice below its end, which names us.
    terms, end, _ = (crates.ROOT / "LICENSE-APACHE").read_text().partition("END OF TERMS AND CONDITIONS")
    apache = tidy(terms + end)
    users, shown = {}, {likeness(apache): apache}
    for package in packages:
        title = f"{package['name']} {package['version']}"
        for text in {likeness(text): text for text in texts_of(package, apache)}.values():
            text = shown.setdefault(likeness(text), text)
            users.setdefault(text, []).append((title, crates.normal(package["license"]), package["repository"] or ""))
    users.setdefault(apache, []).append(STANDARD_LIBRARY)
    parts = [INTRODUCTION]
    # The most used first; of those that are used alike, in the order of the crates.
    for text, named in sorted(users.items(), key=lambda item: (-len(item[1]), item[1])):
        rows = [f"  {title}  ({licence})  {place}".rstrip() for title, licence, place in named]
        parts.append("\n".join([RULE, *rows, RULE[:len(RULE) // 2], "", text]))
    return "\n".join(parts)


def texts_of(package, apache):
    folder = pathlib.Path(package["manifest_path"]).parent
    taken = choose(package["license"])
    files = [path for path in sorted(folder.iterdir()) if path.is_file() and NAMED.match(path.name) and path.suffix not in {".html", ".toml"}]
    texts = [tidy(path.read_text(errors="replace")) for path in files]
    wanted = [text for text in texts if kinds(text) & taken or not kinds(text)]
    missing = taken - set().union(*map(kinds, wanted))
    if "Apache-2.0" in missing:
        wanted.append(apache)
    if "MIT" in missing:
        wanted.append(mit(package))
    if missing - {"Apache-2.0", "MIT"}:
        raise SystemExit(f"error: {package['name']} {package['version']} has no text of {', '.join(sorted(missing))}")
    return wanted + bundled(package, folder)


def bundled(package, folder):
    """Of what is compiled into a crate from another language. AWS-LC's texts are all in the crate's own file."""
    if package["name"] != "libsqlite3-sys":
        return []
    header = (folder / "sqlite3/sqlite3.h").read_text()
    blessing = re.search(r"\*\* (The author disclaims copyright.*?)\n\*{10}", header, re.DOTALL).group(1)
    return ["SQLite, which this crate holds:\n\n" + tidy(re.sub(r"^\*\* ?", "", blessing, flags=re.MULTILINE))]


def choose(expression):
    """The licences under which a crate is taken."""
    def rank(licences):
        return len(licences), sorted(TAKEN.index(licence) for licence in licences)
    possible = [licences for licences in crates.alternatives(expression) if licences <= set(TAKEN)]
    if not possible:
        raise SystemExit(f"error: there is no licence to choose in `{expression}`")
    return set(min(possible, key=rank))


def kinds(text):
    """The licences that a text holds."""
    words = re.sub(r"[^a-z0-9.,/]+", " ", text.lower())
    found = {licence for licence, said in KNOWN_BY if said.replace("-", " ") in words}
    return found - {"BSD-2-Clause"} if "BSD-3-Clause" in found else found


def likeness(text):
    """Equal for texts that differ in their lines, marks and case only, or in the Apache licence's advice to authors while it is left as it is."""
    terms, end, advice = text.partition("END OF TERMS AND CONDITIONS")
    if end and (not advice.strip() or re.search(r"copyright [\[{]yyyy[\]}] [\[{]name of copyright owner[\]}]", advice, re.IGNORECASE)) \
            and kinds(text) == {"Apache-2.0"}:
        text = terms + end
    return re.sub(r"[^a-z0-9]+", " ", text.lower().replace("https:", "http:")).strip()


def mit(package):
    """For a crate that names the licence and forgot its text."""
    text = (crates.ROOT / "LICENSE-MIT").read_text()
    owners = ", ".join(re.sub(r" *<.*?>", "", author) for author in package["authors"]) or f"the authors of {package['name']}"
    return tidy(re.sub(r"^Copyright .*$", f"Copyright (c) {owners}", text, flags=re.MULTILINE))


def tidy(text):
    """Without what does not belong to a text: ends of lines of another system, spaces that nobody sees."""
    lines = [line.rstrip() for line in text.replace("\r\n", "\n").replace("\f", "\n").expandtabs().splitlines()]
    return "\n".join(lines).strip("\n") + "\n"


if __name__ == "__main__":
    sys.exit(main())
