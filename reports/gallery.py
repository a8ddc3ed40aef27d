"""Makes the gallery beside this file: `python reports/gallery.py`, from anywhere, with varprobe installed.

With `--benchmarks` it measures `benchmarks.md` anew too, which takes ten minutes and needs the extra `torch`.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
GALLERY = ROOT / "reports" / "gallery"
NETWORKS = {"small": "small_tanh", "large": "large_tanh", "xavier": "xavier_tanh"}
# Files -> config and axes.
SWEEPS = {
    ("phase_diagram.png", "phase_diagram.html"): (
        "phase_tanh",
        ("defaults.init.sw=0.6:3:25", "defaults.init.sb=0:1:11"),
    ),
    ("depth_against_gain.png",): (
        "depth_gain",
        ("defaults.init.gain=0.5:2:31", "layers.0.repeat=5,10,20,50"),
    ),
}


def varprobe(*arguments: str) -> None:
    """Runs one command and shows it."""
    print("varprobe", *arguments, flush=True)
    subprocess.run([sys.executable, "-m", "varprobe", *arguments, "--quiet"], check=True, stdout=subprocess.DEVNULL)


def main() -> None:
    """Every picture and page, and the benchmarks where they are asked for."""
    GALLERY.mkdir(exist_ok=True)
    for name, config in NETWORKS.items():
        pages = (f"{GALLERY / name}.{suffix}" for suffix in ("png", "html"))
        varprobe("run", str(ROOT / "configs" / f"{config}.yaml"), *(part for page in pages for part in ("-o", page)))
    configs = [str(ROOT / "configs" / f"{config}.yaml") for config in NETWORKS.values()]
    varprobe("compare", *configs, "-o", str(GALLERY / "side_by_side.png"))
    for files, (config, axes) in SWEEPS.items():
        vary = [part for axis in axes for part in ("--vary", axis)]
        targets = [part for file in files for part in ("-o", str(GALLERY / file))]
        varprobe("sweep", str(ROOT / "configs" / f"{config}.yaml"), *vary, *targets)
    if "--benchmarks" in sys.argv[1:]:
        script = ROOT / "tests" / "benchmarks" / "run.py"
        subprocess.run([sys.executable, str(script), str(ROOT / "reports" / "benchmarks.md")], check=True)


if __name__ == "__main__":
    main()
