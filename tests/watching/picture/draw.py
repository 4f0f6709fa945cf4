"""Draws the dashboard as it is at a running Prometheus: draw.py --prometheus URL --seconds 300 --output dashboard.png. README.md says with what."""
import argparse
import json
import os
import subprocess
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
DASHBOARD = os.path.join(HERE, "..", "..", "..", "deploy", "grafana", "scopegate.json")


def draw(prometheus, seconds, output, until=None, rate="10s", width=1720, modules=HERE, step=None):
    """Takes the picture of the last `seconds` before `until`."""
    with open(DASHBOARD) as file:
        dashboard = json.load(file)
    with tempfile.TemporaryDirectory() as folder:
        script = os.path.join(folder, "page.js")
        subprocess.run([os.path.join(modules, "node_modules/.bin/esbuild"), os.path.join(HERE, "page.jsx"), "--bundle", "--minify", f"--outfile={script}",
                        "--loader:.svg=text", "--define:process.env.NODE_ENV=\"production\"", "--log-level=error"],
                       check=True, env={**os.environ, "NODE_PATH": os.path.join(modules, "node_modules")})
        now = until or time.time()
        told = {"dashboard": dashboard, "prometheus": prometheus, "from": now - seconds, "to": now, "step": step or max(1, seconds // 240), "rateInterval": rate, "width": width}
        page = os.path.join(folder, "page.html")
        with open(page, "w") as file:
            file.write(f"<!doctype html><meta charset=utf-8><link rel=stylesheet href=page.css><style>*,*::before,*::after{{box-sizing:border-box}}body{{margin:0;background:#111217;font-family:Inter,Roboto,'DejaVu Sans',sans-serif}}</style>"
                       f"<div id=page></div><script>window.global=window;window.process={{env:{{}}}};window.watching={json.dumps(told)}</script><script src=page.js></script>")
        height = 56 + 38 * max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in dashboard["panels"]) + 8
        subprocess.run(["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--allow-file-access-from-files", f"--window-size={width},{height}",
                        "--virtual-time-budget=20000", "--enable-logging=stderr", f"--user-data-dir={folder}/profile", f"--screenshot={os.path.abspath(output)}", "file://" + page],
                       check=True, timeout=180, stderr=open(os.path.join(folder, "chromium.log"), "w"))
        with open(os.path.join(folder, "chromium.log")) as file:
            print("".join(line for line in file if "CONSOLE" in line)[:4000], end="")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--prometheus", required=True)
    parser.add_argument("--seconds", type=int, default=300)
    parser.add_argument("--until", type=float)
    parser.add_argument("--rate", default="10s")
    parser.add_argument("--modules", default=HERE, help="the folder that has node_modules")
    parser.add_argument("--output", required=True)
    options = parser.parse_args()
    draw(options.prometheus, options.seconds, options.output, options.until, options.rate, modules=options.modules)
