"""YAML that is meant to do harm: what expands, nests, repeats, or is simply too much."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

_HEAD = "input: {features: 4}\nlayers:\n"


def trick(rng: Random) -> str:
    """One of the tricks, at a size that is most often small and sometimes as large as a config may be."""
    size = rng.choice((3, 10, 30, 100, 300)) if rng.random() < 0.97 else rng.choice((1000, 3000, 20_000, 60_000))
    return rng.choice(TRICKS)(rng, size)


def _bomb(rng: Random, size: int) -> str:
    fan, names = rng.randint(2, 12), [f"x{number}" for number in range(min(size, 40))]
    lines = ["x: &x [1]" if rng.random() < 0.5 else "x: &x {a: 1}"]
    before = "x"
    for name in names:
        lines.append(f"{name}: &{name} [{', '.join([f'*{before}'] * fan)}]")
        before = name
    return "\n".join(lines) + "\n" + _HEAD + f"  - *{before}\n"


def _shared_layers(rng: Random, size: int) -> str:
    alias = ", ".join(["*l"] * size)
    return f"{_HEAD}  - block: &b [&l {{dense: 4, repeat: {rng.choice((1, 3, 1000))}}}, {alias}]\n" + (
        "  - block: *b\n" * rng.choice((1, 2, 30))
    )


def _nested(rng: Random, size: int) -> str:
    opened, closed = rng.choice((("[", "]"), ("{a: ", "}"), ("- ", ""), ("? ", ""), ("a:\n ", ""), ("{block: [", "]}")))
    return rng.choice(("", _HEAD + "  - ")) + opened * size + "1" + closed * rng.choice((size, size - 1, 0))


def _nested_layers(rng: Random, size: int) -> str:
    kind, depth = rng.choice(("block", "residual")), min(size, 64)
    repeat = rng.choice((1, 2, 200_000, 10**6))
    layer = f"{{dense: {rng.choice((1, 4))}, repeat: {repeat}}}"
    for _ in range(depth):
        layer = f"{{block: [{layer}]}}" if kind == "block" else f"{{residual: {{layers: [{layer}]}}}}"
        if rng.random() < 0.1:
            layer = layer[:-1] + ", repeat: 2}"
    return _HEAD + f"  - {layer}\n"


def _merge(rng: Random, size: int) -> str:
    keys = ", ".join(f"k{number}: {number}" for number in range(min(size, 50)))
    return f"base: &base {{{keys}}}\n{_HEAD}  - <<: *base\n    dense: 4\n  - {{<<: [*base, *base], dense: 4}}\n"


def _number(rng: Random, size: int) -> str:
    digits = rng.choice(("9", "0", "1_0", "0x1f", "0o7", "1.", "e1", "-", "+", "²", "\u0661")) * size
    start = rng.choice(("", "1", "-1", "0x", "+.", "1e", "-0"))
    field = rng.choice(("dense: {0}", "dense: 4\n    repeat: {0}", "dropout: {0}", "dense: {{width: 4, bias: {0}}}"))
    return _HEAD + "  - " + field.format((start + digits)[: size + 2]) + "\n"


def _words(rng: Random, size: int) -> str:
    word = rng.choice(("a", "relu", "\U0001f600", "\\", "'", '"', "`", "|", "<b>", "\u202e", "%s")) * size
    text = rng.choice((word, f"'{word}'", f'"{word}"', f"|\n      {word}\n", f"? {word}\n"))
    field = rng.choice(
        ("name: {0}", "dense: {{width: 4, init: {0}}}", "{0}: 4", "dense: {{width: 4, {0}: 1}}", "norm: {0}")
    )
    return _HEAD + "  - " + field.format(text) + "\n"


def _many(rng: Random, size: int) -> str:
    line = rng.choice(
        (
            "  - dense: 4\n",
            "  - {dense: {width: 4, activation: {name: elu, alpha: 1.%d}, init: {name: he, gain: auto}}}\n",
            "  - residual: {layers: [{norm: layer}, {dense: 4}]}\n",
            "  - {norm: batch, name: n%d}\n",
            "# comment %d\n",
            "\n",
            "  - &a%d {dense: 4}\n",
            "k%d: 1\n",
            "  - {dropout: 0.1}\n  - dense: %d\n",
        )
    )
    lines = (line % number if "%d" in line else line for number in range(min(size, 200_000 // len(line))))
    return _HEAD + "".join(lines) + rng.choice(("", "  - dense: 4\n"))


def _wide(rng: Random, size: int) -> str:
    init = rng.choice(("he", "orthogonal", "identity", "lsuv", "{name: sparse, sparsity: 0.5}", "siren", "gpt2"))
    widths = [rng.choice((1, 10**5, 10**8, 10**9)) for _ in range(min(size, 20))]
    return f"input: {{features: {rng.choice((1, 10**8))}}}\ndefaults: {{init: {init}}}\nlayers:\n" + "".join(
        f"  - dense: {width}\n" for width in widths
    )


def _probe(rng: Random, size: int) -> str:
    huge = (0, 1, 10**6, 10**7, 10**9, 2**63 - 1, 2**63, -1, 1.5, "1e3")
    keys = rng.sample(("batch", "trials", "seed", "threads", "engine", "dtype", "gradient"), 3)
    return _HEAD + "  - dense: 4\nprobe: {" + ", ".join(f"{key}: {rng.choice(huge)}" for key in keys) + "}\n"


def _streams(rng: Random, size: int) -> str:
    mark = rng.choice(
        ("---\n", "...\n", "%YAML 1.1\n", "%YAML 9.9\n", "%TAG !e! tag:e\n", "%X y\n", "\ufeff", "\t", "\r")
    )
    return mark * min(size, 5000) + _HEAD + "  - dense: 4\n" + mark * rng.choice((0, 1))


TRICKS: tuple[Callable[[Random, int], str], ...] = (
    *(_bomb, _shared_layers, _nested, _nested_layers, _merge, _number),
    *(_words, _many, _wide, _probe, _streams),
)
