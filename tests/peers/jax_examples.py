"""The published examples of SimpleChains.jl in JAX, compiled: the training steps of `cargo xtask bench host`."""
import common

config, sizes, threads, seconds, _ = common.arguments()
common.limit_xla(threads)

import jax
from jax import lax
from jax import numpy as jnp

batch = sizes["batch"]
lenet = config == "lenet5"


def normal(key, *dims):
    taps = dims[0] * dims[1] if len(dims) == 4 else 1
    return jax.random.normal(key, dims) * (2 / (taps * (dims[-2] + dims[-1]))) ** 0.5, jnp.zeros(dims[-1])


def output(weights, x):
    for n, (w, b) in enumerate(weights):
        if w.ndim == 4:
            x = lax.conv_general_dilated(x, w, (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC")) + b
        else:
            x = x.reshape(batch, -1) @ w + b
        if n + 1 < len(weights):
            x = jax.nn.relu(x) if lenet else jnp.tanh(x)
        if w.ndim == 4:
            x = lax.reduce_window(x, -jnp.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")
    return x


def loss(weights, inputs, targets):
    seen = output(weights, inputs)
    if lenet:
        return -(jax.nn.log_softmax(seen) * targets).sum(1).mean()
    return ((seen - targets) ** 2).mean()


def step_of(state, inputs, targets):
    weights, mean, square, t = state
    gradients = jax.grad(loss)(weights, inputs, targets)
    mean = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, mean, gradients)
    square = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, square, gradients)
    rate, c1, c2 = 3e-4 if lenet else 1e-3, 1 / (1 - 0.9**t), 1 / (1 - 0.999**t)
    weights = jax.tree.map(lambda w, m, v: w - rate * m * c1 / (jnp.sqrt(v * c2) + 1e-8), weights, mean, square)
    return weights, mean, square, t + 1


keys = jax.random.split(jax.random.key(1), 7)
if lenet:
    layers = [(5, 5, 1, 6), (5, 5, 6, 16), (256, 120), (120, 84), (84, 10)]
    inputs = jax.random.uniform(keys[5], (batch, 28, 28, 1))
    targets = jax.nn.one_hot(jax.random.randint(keys[6], (batch,), 0, 10), 10)
else:
    layers = [(4, 32), (32, 16), (16, 4)]
    inputs = jax.random.normal(keys[5], (batch, 4))
    targets = jax.vmap(jax.scipy.linalg.expm)(inputs.reshape(-1, 2, 2)).reshape(-1, 4)
weights = [normal(key, *dims) for key, dims in zip(keys, layers)]
zeros = [jax.tree.map(jnp.zeros_like, weights) for _ in range(2)]
state = (weights, *zeros, jnp.float32(1))
compiled = jax.jit(step_of, donate_argnums=0)


def step():
    global state
    state = jax.block_until_ready(compiled(state, inputs, targets))


common.measure("jax " + jax.__version__, config, sizes, threads, seconds, step)
