"""The training steps of `cargo xtask bench host` in JAX, compiled: both networks, both updates, Adam."""
import common

config, sizes, threads, seconds, _ = common.arguments()
common.limit_xla(threads)

import jax
from jax import lax
from jax import numpy as jnp

batch = sizes["batch"]
wasserstein = config == "wgangp28"
NHWC = ("NHWC", "HWIO", "NHWC")


def normal(key, *dims):
    fan_in = dims[0] if len(dims) == 2 else dims[0] * dims[1] * dims[2]
    return jax.random.normal(key, dims) * fan_in**-0.5


def norm(x, scale, shift):
    mean = x.mean((0, 1, 2))
    away = x - mean
    return away * (scale * lax.rsqrt((away * away).mean((0, 1, 2)) + 1e-5)) + shift


def leaky(x, slope):
    return jnp.where(x > 0, x, slope * x)


def mlp(widths, slope):
    keys = jax.random.split(jax.random.key(len(widths)), len(widths))
    weights = [(normal(k, i, o), jnp.zeros(o)) for k, i, o in zip(keys, widths, widths[1:])]

    def apply(weights, x):
        for w, b in weights[:-1]:
            x = leaky(x @ w + b, slope)
        return x @ weights[-1][0] + weights[-1][1]

    return weights, apply


def generator(latent, widths, channels, side):
    keys, small = jax.random.split(jax.random.key(1), 9), side >> len(widths)
    weights = [(normal(keys[8], latent, small * small * widths[0]), jnp.zeros(small * small * widths[0]))]
    for k, i, o in zip(keys, widths, widths[1:] + [channels]):
        weights.append((jnp.ones(i), jnp.zeros(i), normal(k, 4, 4, i, o), jnp.zeros(o)))

    def apply(weights, z):
        x = (z @ weights[0][0] + weights[0][1]).reshape(-1, small, small, widths[0])
        for scale, shift, w, b in weights[1:]:
            x = leaky(norm(x, scale, shift), 0.0)
            x = lax.conv_transpose(x, w, (2, 2), [(2, 2), (2, 2)], dimension_numbers=NHWC) + b
        return jnp.tanh(x)

    return weights, apply


def discriminator(widths, channels, side):
    keys, small = jax.random.split(jax.random.key(2), 9), side >> len(widths)
    weights = [(normal(keys[8], small * small * widths[-1], 1), jnp.zeros(1))]
    for k, i, o in zip(keys, [channels] + widths, widths):
        weights.append((normal(k, 4, 4, i, o), jnp.zeros(o), jnp.ones(o), jnp.zeros(o)))

    def apply(weights, x):
        for n, (w, b, scale, shift) in enumerate(weights[1:]):
            x = lax.conv_general_dilated(x, w, (2, 2), [(1, 1), (1, 1)], dimension_numbers=NHWC) + b
            x = leaky(norm(x, scale, shift) if n > 0 and not wasserstein else x, 0.2)
        return x.reshape(x.shape[0], -1) @ weights[0][0] + weights[0][1]

    return weights, apply


if "mlp" in sizes:
    latent = sizes["mlp"][0][0]
    (g_weights, G), (d_weights, D) = mlp(sizes["mlp"][0], 0.0), mlp(sizes["mlp"][1], 0.2)
    real = jax.random.normal(jax.random.key(3), (batch, sizes["mlp"][1][0]))
else:
    latent, widths, channels, side = sizes["latent"], sizes["widths"], sizes["channels"], sizes["side"]
    (g_weights, G), (d_weights, D) = generator(latent, widths, channels, side), discriminator(widths[::-1], channels, side)
    real = jax.random.normal(jax.random.key(3), (batch, side, side, channels)).clip(-1, 1)


def adam(weights, gradients, moments, t):
    b1, b2, rate = 0.5, 0.999, 2e-4
    mean = jax.tree.map(lambda m, g: b1 * m + (1 - b1) * g, moments[0], gradients)
    square = jax.tree.map(lambda v, g: b2 * v + (1 - b2) * g * g, moments[1], gradients)
    c1, c2 = 1 / (1 - b1**t), 1 / (1 - b2**t)
    new = jax.tree.map(lambda w, m, v: w - rate * m * c1 / (jnp.sqrt(v * c2) + 1e-8), weights, mean, square)
    return new, (mean, square)


def discriminator_loss(d, fake, key):
    if not wasserstein:
        return jax.nn.softplus(-D(d, real)).mean() + jax.nn.softplus(D(d, fake)).mean()
    between = fake + jax.random.uniform(key, (batch, 1, 1, 1)) * (real - fake)
    slope = jax.grad(lambda x: D(d, x).sum())(between)
    penalty = (jnp.sqrt((slope**2).sum((1, 2, 3)) + 1e-12) - 1.0) ** 2
    return D(d, fake).mean() - D(d, real).mean() + 10.0 * penalty.mean()


def generator_loss(g, d, z):
    scores = D(d, G(g, z))
    return -scores.mean() if wasserstein else jax.nn.softplus(-scores).mean()


def whole(state):
    g, g_moments, d, d_moments, t, key = state
    for n in range(sizes["discriminator_steps"]):
        key, a, b = jax.random.split(key, 3)
        fake = lax.stop_gradient(G(g, jax.random.normal(a, (batch, latent))))
        d, d_moments = adam(d, jax.grad(discriminator_loss)(d, fake, b), d_moments, t * sizes["discriminator_steps"] + n)
    key, a = jax.random.split(key)
    gradients = jax.grad(generator_loss)(g, d, jax.random.normal(a, (batch, latent)))
    g, g_moments = adam(g, gradients, g_moments, t)
    return g, g_moments, d, d_moments, t + 1, key


def zeros(weights):
    return jax.tree.map(jnp.zeros_like, weights), jax.tree.map(jnp.zeros_like, weights)


state = (g_weights, zeros(g_weights), d_weights, zeros(d_weights), jnp.float32(1), jax.random.key(4))
compiled = jax.jit(whole, donate_argnums=0)


def step():
    global state
    state = jax.block_until_ready(compiled(state))


common.measure("jax " + jax.__version__, config, sizes, threads, seconds, step)
