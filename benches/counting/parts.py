"""The parts of a request: benches/instructions.rs is built, started under callgrind, and told which part to run how often."""
import json
import pathlib
import subprocess

from stage import Failure
from tools import CALLGRIND, Callgrind

RUNS = 1000


def build():
    """The path of the program, from what cargo says it has built."""
    told = subprocess.run(["cargo", "bench", "--no-run", "--locked", "--bench", "instructions", "--message-format", "json-render-diagnostics"],
                          cwd=pathlib.Path(__file__).parent, check=True, stdout=subprocess.PIPE, text=True).stdout
    artifacts = (json.loads(line) for line in told.splitlines())
    return next(artifact["executable"] for artifact in artifacts if artifact.get("target", {}).get("name") == "instructions")


def count(folder):
    """Instructions by part, for each run of it."""
    out = folder / "parts" / "out"
    out.parent.mkdir()
    with subprocess.Popen([*CALLGRIND, f"--callgrind-out-file={out}", build()], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as program:
        names = {}
        for line in program.stdout:
            if line == "ready\n":
                break
            number, _, name = line.strip().partition(" ")
            names[name] = number

        def run(number, times):
            program.stdin.write(f"{number} {times}\n")
            program.stdin.flush()
            if program.stdout.readline() != "done\n":
                raise Failure("the parts ended early")

        callgrind, counted = Callgrind(program.pid, out), {}
        for name, number in names.items():
            run(number, RUNS)
            callgrind.dump()
            run(number, RUNS)
            counts = callgrind.dump()
            chosen = counts.chosen()
            counted[name] = {"instructions": round((counts.total() - chosen) / RUNS), "chosen": round(chosen / RUNS)}
        program.stdin.close()
    return counted
