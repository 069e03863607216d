"""The configurations of `cargo xtask bench host`, and the timing that both peers share."""
import argparse
import json
import os
import resource
import statistics
import time

# Networks: widths of the generator from its first image on, channels of the image, side, batch.
CONFIGS = {
    "bimodal1d": {"mlp": ([1, 16, 1], [1, 32, 16, 1]), "batch": 128},
    "ring2d": {"mlp": ([2, 128, 128, 2], [2, 128, 128, 1]), "batch": 512},
    "dcgan28": {"widths": [128, 64], "channels": 1, "side": 28, "latent": 64, "batch": 64},
    "dcgan64": {"widths": [512, 256, 128, 64], "channels": 3, "side": 64, "latent": 128, "batch": 16},
    "wgangp28": {"widths": [128, 64], "channels": 1, "side": 28, "latent": 64, "batch": 64, "discriminator_steps": 5},
    # Examples of SimpleChains.jl, without a discriminator.
    "lenet5": {"batch": 576, "discriminator_steps": 0},
    "tinymlp": {"batch": 10_000, "discriminator_steps": 0},
}
ROUNDS = 7


def parsed():
    parser = argparse.ArgumentParser()
    parser.add_argument("--config", required=True, choices=sorted(CONFIGS))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--variant", default="", choices=["", "compiled", "channels-last"])
    parser.add_argument("--learn", metavar="FOLDER")
    parser.add_argument("--epochs", type=int, default=10)
    return parser.parse_args()


def arguments():
    """The configuration's name, its sizes, the number of threads, the seconds to measure and the variant of the peer."""
    given = parsed()
    sizes = {"discriminator_steps": 1, **CONFIGS[given.config]}
    return given.config, sizes, given.threads, given.seconds, given.variant


def learning():
    """The folder of examples to learn and the number of epochs; None if steps are measured."""
    given = parsed()
    return (given.learn, given.epochs) if given.learn else None


def limit_xla(threads):
    """Limits JAX, which must not be imported yet, to the CPU and to this number of threads."""
    # XLA takes its threads from the cores that the process may use; they must be chosen before it starts.
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    # Flags that limit the instruction set stay.
    eigen = f"--xla_cpu_multi_thread_eigen={'true' if threads > 1 else 'false'}"
    os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {eigen}".strip()
    os.environ["JAX_PLATFORMS"] = "cpu"


def measure(peer, config, sizes, threads, seconds, step):
    """Times `step`, which must not return before its work is done, and prints a row of JSON."""
    for _ in range(3):
        step()
    start = time.perf_counter()
    step()
    count = max(1, int(seconds / ROUNDS / (time.perf_counter() - start)))
    cpu, wall = [], []
    for _ in range(ROUNDS):
        start, started = time.perf_counter(), time.process_time()
        for _ in range(count):
            step()
        wall.append(1e3 * (time.perf_counter() - start) / count)
        cpu.append(1e3 * (time.process_time() - started) / count)
    median = statistics.median(wall)
    print(json.dumps({
        "peer": peer,
        "config": config,
        "threads": threads,
        "cpu_ms": statistics.median(cpu),
        "wall_ms": median,
        "spread": max(wall) / min(wall),
        "samples_per_s": sizes["batch"] * (sizes["discriminator_steps"] + 1) / median * 1e3,
        "rss_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }))
