"""What callgrind writes: instructions by function and source file, and calls from function to function."""
import collections
import re

NAMED = re.compile(r"\((\d+)\)(?: (.*))?")
# A path in cargo's registry: `…/registry/src/…/hyper-1.12.0/src/…`.
CRATE = re.compile(r"/registry/src/[^/]+/([A-Za-z0-9_-]+?)-\d+\.\d+")
STANDARD = re.compile(r"/rustc/|/rust/deps/|(^|/)library/(core|alloc|std)/")
# The first word of each path in a symbol: `hyper` and `tokio` in `<hyper::Body as tokio::Read>::read`.
FIRST = re.compile(r"(?<![\w:$])([a-z][a-z0-9_]*)(?=::)")
STANDARD_CRATES = {"core", "alloc", "std", "hashbrown"}
ALLOCATIONS = {"malloc", "calloc", "realloc", "posix_memalign", "aligned_alloc", "memalign"}
# The C library takes another of these on another processor.
CHOSEN = re.compile(r"__(mem|str|stp|wmem|wcs)\w*_(sse|avx|evex|erms|ssse|no_vzeroupper)")


class Counts:
    """The instructions of one dump, each where it was executed."""

    def __init__(self, path):
        self.own = collections.Counter()        # (object, source file, function) -> instructions
        self.calls = collections.Counter()      # (caller, called) -> calls
        with open(path, encoding="utf-8", errors="replace") as lines:
            self.read(lines)

    def read(self, lines):
        names = {"ob": {}, "fl": {}, "fn": {}}

        def name(kind, text):
            number, given = NAMED.match(text).groups()
            return names[kind].setdefault(number, given) if given is None else names[kind].update({number: given}) or given

        binary = file = function = called = ""
        inclusive = False
        for line in lines:
            key, is_key, value = line.rstrip("\n").partition("=")
            if not is_key:
                fields = line.split()
                if len(fields) == 2 and fields[0][0] in "+-*0123456789":
                    # The line after `calls=` has what was called in it, which counts there.
                    if not inclusive:
                        self.own[binary, file, function] += int(fields[1])
                    inclusive = False
            elif key == "ob":
                binary = name("ob", value)
            elif key in ("fl", "fi", "fe"):
                file = name("fl", value)
            elif key == "fn":
                function = name("fn", value)
            elif key == "cfn":
                called = name("fn", value)
            elif key in ("cob", "cfi", "cfl"):
                name("ob" if key == "cob" else "fl", value)
            elif key == "calls":
                self.calls[function, called] += int(value.split()[0])
                inclusive = True

    def total(self):
        return sum(self.own.values())

    def allocations(self):
        return sum(count for (_, called), count in self.calls.items() if called in ALLOCATIONS)

    def has_symbols(self):
        """Whether valgrind knew the C library's functions, without which their instructions are told apart wrongly."""
        return any(CHOSEN.match(function) for _, _, function in self.own)

    def chosen(self):
        """Instructions in what is chosen for the processor when the program runs: cryptography, and the C library's copies."""
        return sum(count for place, count in self.own.items() if CHOSEN.match(place[2]) or crate_of(*place) == "aws_lc")

    def by_crate(self):
        result = collections.Counter()
        for place, count in self.own.items():
            result[crate_of(*place)] += count
        return result

    def by_function(self, crate):
        """Whole functions whose name is the crate's, with everything that was inlined into them."""
        result = collections.Counter()
        for (_, _, function), count in self.own.items():
            if next(iter(FIRST.findall(function)), None) == crate:
                result[function] += count
        return result


def crate_of(binary, file, function):
    """Whose an instruction is: of the crate whose source it was made from, also where that was inlined elsewhere. The standard library's
    is of the first crate that its symbol names, for which it was made."""
    if "aws_lc" in function or "/aws-lc/" in file or "/aws-lc-sys-" in file:
        return "aws_lc"
    if binary.rsplit("/", 1)[-1].startswith(("libc.so", "libc-", "ld-linux", "libm.so", "libgcc")):
        return "libc"
    if found := CRATE.search(file):
        return found[1].replace("-", "_")
    if file.endswith(".rs") and not STANDARD.search(file):
        return "scopegate"
    return next((crate for crate in FIRST.findall(function) if crate not in STANDARD_CRATES), "std")
