#!/usr/bin/env python3
"""What traces cost: one build without the section `traces`, and with it at several shares, beside each other.

usage: benches/traces.py --bench FOLDER [--samples 0,0.01,1] -- run --scopegate PATH -s S1,S2,S5 -r 5 --out traces.jsonl
usage: benches/traces.py --bench FOLDER -- counts --scopegate PATH -s S1,S2
usage: benches/traces.py --bench FOLDER --plain PATH -- run --scopegate PATH -s S2

FOLDER holds the benchmark (`bench.py`) with its scenarios; what follows `--` goes to it. PATH is a build with `--features otel`; `--plain`
adds one without, as the contender `scopegate+plain`. Spans go to a collector of this program, which takes them and throws them away;
it runs on the core of the load clients.
"""
import argparse
import os
import pathlib
import socket
import subprocess
import sys

COLLECTOR = """
import socket, sys, threading
listener = socket.socket(fileno=int(sys.argv[1]))
def serve(connection):
    stream = connection.makefile("rb")
    while stream.readline():
        length = 0
        for line in iter(stream.readline, b"\\r\\n"):
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        stream.read(length)
        connection.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 0\\r\\n\\r\\n")
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bench", required=True, type=pathlib.Path, metavar="FOLDER")
    parser.add_argument("--samples", default="0,0.01,1", help="shares of traces that are recorded (default %(default)s)")
    parser.add_argument("--plain", type=os.path.abspath, metavar="PATH", help="a build without the feature")
    parser.add_argument("command", nargs="+", help="of bench.py, with its options")
    options = parser.parse_args()
    sys.path.insert(0, str(options.bench.resolve()))
    sys.dont_write_bytecode = True
    import bench
    import contenders

    listener = socket.create_server(("127.0.0.1", 0))
    collector = subprocess.Popen([sys.executable, "-c", COLLECTOR, str(listener.fileno())], pass_fds=[listener.fileno()])
    base = contenders.CONTENDERS["scopegate"]
    known = {"scopegate": base}
    if options.plain:
        known["scopegate+plain"] = contender(contenders, base, "a build without the feature", program=options.plain)
    for sample in options.samples.split(","):
        section = f"traces: {{otlp: 'http://127.0.0.1:{listener.getsockname()[1]}', sample: {sample}}}\n"
        known[f"scopegate+{float(sample):.0%}"] = contender(contenders, base, f"of {sample} of the traces spans", section)
    contenders.CONTENDERS.clear()
    contenders.CONTENDERS.update(known)
    arguments = options.command
    if not {"-c", "--contenders"} & set(arguments):
        arguments = [*arguments, "-c", ",".join(known)]
    sys.argv = ["bench.py", *arguments]
    try:
        return bench.main()
    finally:
        collector.kill()
        collector.wait()


def contender(contenders, base, about, section="", program=None):
    """The product with a section more in its gateway file, or another build of it."""

    def launch(job):
        launched = contenders.scopegate(job)
        file = pathlib.Path(launched.argv[-1])
        file.write_text(file.read_text() + section)
        if program:
            launched.argv[0] = program
        return launched

    return contenders.Contender(about, launch, "", base.serves, checks=base.checks)


if __name__ == "__main__":
    sys.exit(main())
