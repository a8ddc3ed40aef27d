"""The floor of the explicit engine: the time of its matrix products and of its draws, and nothing else.

Products: X W^T and delta W by BLAS on all threads, and the Gram matrices X X^T and delta delta^T that the variance of
the weight gradient takes. Draws: as many normals or uniforms as there are weights, on all threads. Memory is in hand.
"""

import argparse
import time

import numpy as np
from threadpoolctl import threadpool_limits

from varprobe.engine.blocks import threads
from varprobe.engine.streams import Role, Streams


def main() -> None:
    parser = argparse.ArgumentParser()
    for name in ("width", "depth", "batch", "trials", "threads", "rounds"):
        parser.add_argument(name, type=int)
    parser.add_argument("init")
    said = parser.parse_args()
    rng = np.random.default_rng(0)
    x, delta = (rng.standard_normal((said.batch, said.width), dtype=np.float32) for _ in range(2))
    weights = np.empty((1, said.width, said.width), np.float32)
    out, square = np.empty_like(x), np.empty((said.batch, said.batch), np.float32)
    streams = Streams(0, [0], Role.WEIGHTS, 0)
    draw = streams.uniform if said.init == "xavier-uniform" else streams.normal
    with threads(said.threads):
        draw(weights)
        for _ in range(said.rounds):
            products = draws = 0.0
            for _ in range(said.depth * said.trials):
                with threadpool_limits(said.threads, user_api="blas"):
                    started = time.perf_counter()
                    np.matmul(x, weights[0].T, out=out)
                    np.matmul(delta, weights[0], out=out)
                    np.matmul(x, x.T, out=square)
                    np.matmul(delta, delta.T, out=square)
                    products += time.perf_counter() - started
                with threadpool_limits(1, user_api="blas"):
                    started = time.perf_counter()
                    draw(weights)
                    draws += time.perf_counter() - started
            print(products, draws, flush=True)


if __name__ == "__main__":
    main()
