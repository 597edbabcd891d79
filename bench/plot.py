#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""plot.py - the plots and the tables of docs/BENCHMARKS.md, from the recorded
samples docs/bench/*.tsv.

  bench/plot.py [DOCS]           write docs/bench/*.svg, and the tables anew
  bench/plot.py --check [DOCS]   write nothing; fail where a file would change

Samples are lines `benchmark<TAB>case<TAB>metric<TAB>unit<TAB>value`, a case is
SITUATION/VARIANT, and lines of the same names are rounds. In BENCHMARKS.md,
what stands between `<!-- plot NAME -->` (a plot and its table), `<!-- table
NAME -->` or `<!-- machine FILE -->` and `<!-- end -->` is made here.
"""
import os
import re
import statistics
import sys
from xml.sax.saxutils import escape

# name: file, benchmark, metric, title, situations that are left out (a regex)
CHARTS = {
    "alloc-cpu": ("micro", "alloc", "CPU per replace",
                  "Replacing an item, ns of CPU", ""),
    "alloc-tail": ("micro", "alloc", "p99.9 of a replace",
                   "Replacing an item, p99.9, ns", ""),
    "alloc-rss": ("micro", "alloc", "RSS per live byte",
                  "Resident bytes per live byte", ""),
    "alloc-peak": ("micro", "alloc", "peak RSS per live byte",
                   "While all sizes shift: peak resident bytes per live byte",
                   ""),
    "debug-alloc": ("micro", "debug_alloc", "CPU per replace",
                    "What the debug allocator costs, ns of CPU", ""),
    "pool-cpu": ("micro", "pool", "CPU per get and put",
                 "An object taken and put back, ns of CPU", ""),
    "pool-rss": ("micro", "pool", "RSS per object, 1 in 10 left",
                 "After nine of ten have left: bytes per object", ""),
    "arena-cpu": ("micro", "arena", "CPU per request",
                  "Parsing a request and keeping it, ns of CPU", ""),
    "arena-memory": ("micro", "arena", "memory per request",
                     "Memory to keep a request, bytes", ""),
    "extents": ("micro", "extents", "CPU per replace",
                "Replacing a large value, us of CPU", ""),
    "extents-rss": ("micro", "extents", "RSS per live byte",
                    "Large values: resident bytes per live byte", ""),
    "compaction": ("micro", "compaction", "RSS per raw byte, after",
                   "Afterwards: resident bytes per byte of key and value", ""),
    "index": ("micro", "index", "CPU per GET",
              "10 M keys in the keyspace: ns of CPU per GET", ""),
    "lines": ("micro", "index", "CPU per look-up",
              "10 M keys in bare lines: ns of CPU per look-up", ""),
    "backing": ("micro", "backing", "CPU",
                "Memory from the kernel and back, us of CPU per MiB", ""),
    "backing-read": ("micro", "backing", "CPU per read",
                     "Random reads of 1 KiB chunks, ns", ""),
    "hit-ratio": ("micro", "hit_ratio", "misses of GETs",
                  "Traces through the keyspace: misses, %", ""),
    "interning-bytes": ("micro", "interning", "rss",
                        "Bytes per item in memory, values of 32 B", ""),
    "interning-cpu": ("micro", "interning", "get",
                      "A look-up in the CPU's caches, ns of CPU", ""),
    "compare-p1": ("compare", "compare", "server CPU per request",
                   "One request at a time: us of server CPU per request",
                   "_p(10|50)_|_64k|_1m"),
    "compare-p50": ("compare", "compare", "server CPU per request",
                    "Pipelined: us of server CPU per request",
                    "_p1_"),
    "compare-large": ("compare", "compare", "server CPU per request",
                      "Large values: us of server CPU per request",
                      "_(32|1k)_"),
    "compare-memory": ("compare", "compare", "RSS beyond key and value",
                       "Bytes per item beyond key and value",
                       " of (65536|1048576) B"),
}

# Tables of several metrics: name: file, benchmark, metrics.
METRICS = {
    "compaction-cost": ("micro", "compaction", [
        "RSS per raw byte, before", "items lost", "moved",
        "CPU per MiB moved", "CPU per SET", "peak RSS of the limit"]),
}

# Ours first, the plain alternatives after it, what is no rival in grey.
COLOURS = ["#4c8dd6", "#e08a1e", "#3aa57a", "#c76aa0", "#d1603d", "#8b7fd1"]
GREY = "#8a9099"
GREY_VARIANTS = ("null",)

STYLE = """
.back { fill: #ffffff } .text { fill: #1f2328 } .faint { fill: #59636e }
.grid { stroke: #d1d9e0 } .spread { stroke: #1f2328 }
@media (prefers-color-scheme: dark) {
.back { fill: #0d1117 } .text { fill: #f0f6fc } .faint { fill: #9198a1 }
.grid { stroke: #3d444d } .spread { stroke: #f0f6fc }
}
text { font: 12px sans-serif } .title { font-size: 14px; font-weight: bold }
"""


# ---- samples ----------------------------------------------------------------

class Samples:
    """Values of one file by (benchmark, metric), situation and variant."""

    def __init__(self, path):
        self.values, self.remarks, self.units = {}, [], {}
        if not os.path.exists(path):
            return
        with open(path, encoding="utf-8") as f:
            for number, line in enumerate(f, 1):
                self.take(path, number, line.rstrip("\n"))

    def take(self, path, number, line):
        if line.startswith("#"):
            self.remarks.append(line[1:].strip())
            return
        words = line.split("\t")
        try:
            benchmark, case, metric, unit, text = words
            value = float(text)
        except ValueError:
            sys.exit("%s:%d: no sample: %s" % (path, number, line))
        situation, slash, variant = case.rpartition("/")
        if not slash:
            situation, variant = case, ""
        group = self.values.setdefault((benchmark, metric), {})
        group.setdefault(situation, {}).setdefault(variant, []).append(value)
        self.units[benchmark, metric] = unit

    def of(self, benchmark, metric, left_out):
        group = self.values.get((benchmark, metric), {})
        return {s: v for s, v in group.items()
                if not (left_out and re.search(left_out, s))}


def variants_of(groups):
    return list(dict.fromkeys(v for g in groups.values() for v in g))


def number(value):
    """Three digits at least, never an exponent."""
    return ("%.0f" if value >= 100 else "%.1f" if value >= 10 else
            "%.2f") % value


# ---- plots ------------------------------------------------------------------

LABELS, BARS, VALUES = 190, 420, 110 # widths; labels may need more
ROW, GAP, TOP = 18, 12, 40


def round_up(value):
    """The next 1, 2, 2.5 or 5 times a power of ten."""
    value = max(value, 0.001)
    power = 10.0 ** (len(str(int(value))) - 1) if value >= 1 else 0.1
    while power > value:
        power /= 10
    for step in (1, 2, 2.5, 5, 10):
        if step * power >= value:
            return step * power
    return 10 * power


def bar(left, y, colour, values, scale):
    median = statistics.median(values)
    end = left + median * scale
    out = '<rect x="%d" y="%d" width="%.1f" height="%d" fill="%s"/>\n' % (
        left, y, max(median * scale, 1), ROW - 4, colour)
    lo, hi = left + min(values) * scale, left + max(values) * scale
    if hi - lo >= 1:
        out += ('<path class="spread" d="M%.1f %.1fH%.1f"/>\n' % (
            lo, y + (ROW - 4) / 2, hi))
    return out + '<text class="text" x="%.1f" y="%d">%s</text>\n' % (
        max(end, hi) + 5, y + ROW - 7, number(median))


def grid(left, height):
    out = ""
    for i in range(5):
        x = left + BARS * i / 4
        out += '<path class="grid" d="M%.1f %dV%d"/>\n' % (x, TOP + 16, height)
    return out


def legend(left, variants, colours):
    x, out = left, ""
    for variant in variants:
        out += ('<rect x="%d" y="%d" width="10" height="10" fill="%s"/>'
                '<text class="faint" x="%d" y="%d">%s</text>\n' % (
                    x, TOP - 9, colours[variant], x + 14, TOP,
                    escape(variant)))
        x += 14 + 7 * len(variant) + 16
    return out, x


def plot(title, groups):
    variants = variants_of(groups)
    rivals = [v for v in variants if v not in GREY_VARIANTS]
    colours = {v: GREY for v in variants}
    colours.update({v: COLOURS[i % len(COLOURS)]
                    for i, v in enumerate(rivals)})
    left = max(LABELS, 7 * max(len(s) for s in groups) + 16)
    scale = BARS / round_up(max(max(x) for g in groups.values()
                                for x in g.values()))
    y, body = TOP + 20, ""
    for situation, group in groups.items():
        middle = y + len(group) * ROW / 2 + 2
        body += ('<text class="text" x="%d" y="%.1f" text-anchor="end">%s'
                 '</text>\n' % (left - 8, middle, escape(situation)))
        for variant in variants:
            if variant in group:
                body += bar(left, y, colours[variant], group[variant], scale)
                y += ROW
        y += GAP
    names, width = legend(left, variants, colours)
    width = max(width, left + BARS + VALUES)
    return ('<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" '
            'viewBox="0 0 %d %d" role="img">\n<title>%s</title>\n'
            '<style>%s</style>\n'
            '<rect class="back" width="100%%" height="100%%"/>\n'
            '<text class="text title" x="10" y="20">%s</text>\n%s%s%s</svg>\n'
            % (width, y, width, y, escape(title), STYLE, escape(title), names,
               grid(left, y - GAP), body))


# ---- tables -----------------------------------------------------------------

def cell(values):
    if not values:
        return ""
    text = number(statistics.median(values))
    if len(values) > 1 and number(min(values)) != number(max(values)):
        text += " (%s-%s)" % (number(min(values)), number(max(values)))
    return text


def table(groups):
    variants = variants_of(groups)
    lines = ["| | " + " | ".join(v or "value" for v in variants) + " |",
             "|---|" + "---|" * len(variants)]
    for situation, group in groups.items():
        lines.append("| %s | %s |" % (situation, " | ".join(
            cell(group.get(v)) for v in variants)))
    return "\n".join(lines) + "\n"


def metrics_table(samples, benchmark, metrics):
    lines = ["| | | |", "|---|---|---|"]
    for metric in metrics:
        for situation, group in samples.of(benchmark, metric, "").items():
            for variant, values in group.items():
                lines.append("| %s, %s | %s | %s %s |" % (
                    situation, variant, metric, cell(values),
                    samples.units[benchmark, metric]))
    return "\n".join(lines) + "\n" if len(lines) > 2 else None


def machine(samples):
    return "".join("- %s\n" % r for r in samples.remarks) or "- not recorded\n"


def fill_in(text, samples, tables):
    def made(match):
        kind, name = match[1], match[2]
        if kind == "machine":
            body = machine(samples[name])
        elif kind == "plot" and name in tables:
            body = "![%s](bench/%s.svg)\n\n%s" % (
                CHARTS[name][3], name, tables[name])
        elif name in tables:
            body = tables[name]
        elif name in CHARTS or name in METRICS:
            body = "Not recorded.\n"
        else:
            sys.exit("BENCHMARKS.md: there is no table " + name)
        return "<!-- %s %s -->\n\n%s\n<!-- end -->" % (kind, name, body)
    return re.sub(r"<!-- (plot|table|machine) ([a-z0-9-]+) -->.*?<!-- end -->",
                  made, text, flags=re.S)


# ---- all of it --------------------------------------------------------------

def make_all(docs):
    """What each file is to hold, by path; None: it is to be absent."""
    folder = os.path.join(docs, "bench")
    samples = {name: Samples(os.path.join(folder, name + ".tsv"))
               for name in ("micro", "compare")}
    files, tables = {}, {}
    for name, (source, benchmark, metric, title, left_out) in CHARTS.items():
        groups = samples[source].of(benchmark, metric, left_out)
        path = os.path.join(folder, name + ".svg")
        files[path] = plot(title, groups) if groups else None
        if groups:
            tables[name] = table(groups)
    for name, (source, benchmark, metrics) in METRICS.items():
        made = metrics_table(samples[source], benchmark, metrics)
        if made:
            tables[name] = made
    page = os.path.join(docs, "BENCHMARKS.md")
    with open(page, encoding="utf-8") as f:
        files[page] = fill_in(f.read(), samples, tables)
    return files


def content(path):
    if not os.path.exists(path):
        return None
    with open(path, encoding="utf-8") as f:
        return f.read()


def main():
    arguments = [a for a in sys.argv[1:] if a != "--check"]
    docs = arguments[0] if arguments else os.path.join(
        os.path.dirname(os.path.abspath(__file__)), "..", "docs")
    files = make_all(docs)
    stale = [p for p, text in files.items() if content(p) != text]
    if "--check" in sys.argv:
        for path in stale:
            print("%s does not follow from the recorded samples; "
                  "run bench/plot.py" % path)
        sys.exit(1 if stale else 0)
    for path in stale:
        if files[path] is None:
            os.unlink(path)
        else:
            with open(path, "w", encoding="utf-8") as f:
                f.write(files[path])
        print("wrote " + path)


if __name__ == "__main__":
    main()
