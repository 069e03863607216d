"""The training steps of `cargo xtask bench host` in PyTorch: both networks, both updates, Adam.

The networks run eagerly, or with --variant compiled through torch.compile, or with --variant channels-last in that
memory format.
"""
import common
import torch
from torch import nn
from torch.nn import functional as F

config, sizes, threads, seconds, variant = common.arguments()
torch.set_num_threads(threads)
torch.manual_seed(1)
batch = sizes["batch"]
wasserstein = config == "wgangp28"


def mlp(widths, slope):
    layers = []
    for i, o in zip(widths, widths[1:]):
        layers += [nn.Linear(i, o), nn.LeakyReLU(slope) if slope else nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def generator(latent, widths, channels, side):
    small = side >> len(widths)
    layers = [nn.Linear(latent, widths[0] * small * small), nn.Unflatten(1, (widths[0], small, small))]
    for i, o in zip(widths, widths[1:] + [channels]):
        layers += [nn.BatchNorm2d(i), nn.ReLU(), nn.ConvTranspose2d(i, o, 4, 2, 1)]
    return nn.Sequential(*layers, nn.Tanh())


def discriminator(widths, channels, side):
    small = side >> len(widths)
    layers = []
    for n, (i, o) in enumerate(zip([channels] + widths, widths)):
        layers += [nn.Conv2d(i, o, 4, 2, 1)]
        layers += [nn.BatchNorm2d(o)] if n > 0 and not wasserstein else []
        layers += [nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(widths[-1] * small * small, 1))


if "mlp" in sizes:
    latent = sizes["mlp"][0][0]
    G, D = mlp(sizes["mlp"][0], 0.0), mlp(sizes["mlp"][1], 0.2)
    real = torch.randn(batch, sizes["mlp"][1][0])
else:
    latent, widths, channels, side = sizes["latent"], sizes["widths"], sizes["channels"], sizes["side"]
    G, D = generator(latent, widths, channels, side), discriminator(widths[::-1], channels, side)
    real = torch.randn(batch, channels, side, side).clamp(-1, 1)
if variant == "channels-last":
    G, D, real = (x.to(memory_format=torch.channels_last) for x in (G, D, real))
if variant == "compiled":
    G, D = torch.compile(G), torch.compile(D)
g_adam = torch.optim.Adam(G.parameters(), 2e-4, betas=(0.5, 0.999))
d_adam = torch.optim.Adam(D.parameters(), 2e-4, betas=(0.5, 0.999))


def penalty(fake):
    mix = torch.rand(batch, 1, 1, 1)
    between = (fake + mix * (real - fake)).requires_grad_(True)
    slope = torch.autograd.grad(D(between).sum(), between, create_graph=True)[0]
    return 10.0 * ((slope.flatten(1).square().sum(1) + 1e-12).sqrt() - 1.0).square().mean()


def discriminator_step():
    fake = G(torch.randn(batch, latent)).detach()
    if wasserstein:
        loss = D(fake).mean() - D(real).mean() + penalty(fake)
    else:
        loss = F.softplus(-D(real)).mean() + F.softplus(D(fake)).mean()
    d_adam.zero_grad()
    loss.backward()
    d_adam.step()


def generator_step():
    scores = D(G(torch.randn(batch, latent)))
    loss = -scores.mean() if wasserstein else F.softplus(-scores).mean()
    # The discriminator's weights need no gradient here.
    for weight in G.parameters():
        weight.grad = None
    loss.backward(inputs=list(G.parameters()))
    g_adam.step()


def step():
    for _ in range(sizes["discriminator_steps"]):
        discriminator_step()
    generator_step()


common.measure(f"{variant} pytorch ".lstrip() + torch.__version__.split("+")[0], config, sizes, threads, seconds, step)
