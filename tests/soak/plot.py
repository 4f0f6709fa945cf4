"""A picture of a run, as SVG: memory, connections and requests a second over time, with a mark for each injection."""
import html

WIDTH, LEFT, RIGHT, HEIGHT, GAP, TOP = 900, 64, 16, 120, 44, 60
COLOURS = {"death": "#c62828", "death and move": "#c62828", "planned move": "#f9a825", "hand-over": "#6a1b9a",
           "good policy": "#2e7d32", "broken policy": "#ef6c00", "good certificate": "#00838f", "broken certificate": "#ad1457"}
POINTS = 450


def thinned(rows, key, scale):
    """At most `POINTS` points, each the largest of its stretch."""
    step = max(1, len(rows) // POINTS)
    stretches = [rows[start:start + step] for start in range(0, len(rows), step)]
    return [(stretch[0]["at"], max((row[key] or 0) for row in stretch) * scale) for stretch in stretches]


def ceiling(value):
    """A round number that is not below `value`."""
    size = 1.0
    while size * 10 < value:
        size *= 10
    return next(size * factor for factor in (1, 2, 3, 4, 5, 6, 8, 10) if size * factor >= value)


def panel(number, title, lines, end):
    top = TOP + number * (HEIGHT + GAP)
    highest = ceiling(max([1.0, *(y for _, _, points in lines for _, y in points)]))
    across = WIDTH - LEFT - RIGHT
    parts = [f'<text x="{LEFT}" y="{top - 8}" class="t">{html.escape(title)}</text>']
    for share in (0, 0.5, 1):
        y = top + HEIGHT * (1 - share)
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.0f}" y2="{y:.0f}" class="g"/>'
                     f'<text x="{LEFT - 6}" y="{y + 4:.0f}" class="n" text-anchor="end">{highest * share:g}</text>')
    for index, (name, colour, points) in enumerate(lines):
        where = " ".join(f"{LEFT + x / end * across:.1f},{top + HEIGHT * (1 - y / highest):.1f}" for x, y in points)
        parts.append(f'<polyline points="{where}" fill="none" stroke="{colour}" stroke-width="1.2"/>')
        if len(lines) > 1:
            parts.append(f'<text x="{WIDTH - RIGHT - 130 * (len(lines) - index)}" y="{top - 8}" fill="{colour}">{html.escape(name)}</text>')
    return parts


def picture(rows, disturbances, title):
    """`disturbances`: `(kind, second)`. The SVG as text."""
    end = max(row["at"] for row in rows) or 1
    height = TOP + 3 * (HEIGHT + GAP) + 40
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="system-ui, sans-serif" font-size="11">',
             "<style>.t{font-weight:600;font-size:12px}.g{stroke:#ddd}.n{fill:#555}</style>",
             f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>',
             f'<text x="{LEFT}" y="22" font-size="15" font-weight="600">{html.escape(title)}</text>']
    across, bottom = WIDTH - LEFT - RIGHT, TOP + 3 * (HEIGHT + GAP) - GAP
    for number, kind in enumerate(dict.fromkeys(kind for kind, _ in disturbances)):
        places = sorted({round(LEFT + at / end * across) for other, at in disturbances if other == kind})
        marks = "".join(f"M{x} {bottom + 4}v10" for x in places)
        parts.append(f'<path d="{marks}" stroke="{COLOURS.get(kind, "#888")}"/>'
                     f'<text x="{LEFT + number % 7 * 118}" y="{bottom + 46 + number // 7 * 14}" fill="{COLOURS.get(kind, "#888")}">{kind}</text>')
        if kind == "hand-over":
            marks = "".join(f"M{x} {TOP}V{bottom}" for x in places)
            parts.append(f'<path d="{marks}" stroke="#6a1b9a" stroke-dasharray="3 3"/>')
    parts += panel(0, "resident memory, MiB", [("serving", "#1565c0", thinned(rows, "rss", 1 / (1 << 20))),
                                               ("handed over, draining", "#6a1b9a", thinned(rows, "draining", 1 / (1 << 20)))], end)
    parts += panel(1, "clients", [("connections", "#2e7d32", thinned(rows, "connections", 1)),
                                  ("requests in flight", "#ef6c00", thinned(rows, "in_flight", 1))], end)
    parts += panel(2, "requests a second (highest of each stretch)", [("requests", "#1565c0", thinned(rows, "requests", 1))], end)
    for share in (0, 0.25, 0.5, 0.75, 1):
        anchor = "end" if share == 1 else "middle"
        parts.append(f'<text x="{LEFT + share * across:.0f}" y="{bottom + 28}" class="n" text-anchor="{anchor}">{end * share:.0f} s</text>')
    return "\n".join([*parts, "</svg>", ""])
