"""The published examples of SimpleChains.jl in PyTorch: LeNet-5, and a network for the exponential of 2x2 matrices.

Measures the training steps for `cargo xtask bench host`. With --learn FOLDER it trains on the examples there, for
`cargo xtask bench learn`, and prints the time and the measure of the test set.
"""
import json
import time

import common
import torch
from torch import nn
from torch.nn import functional as F

config, sizes, threads, seconds, variant = common.arguments()
torch.set_num_threads(threads)
torch.manual_seed(1)
batch = sizes["batch"]
lenet = config == "lenet5"

if lenet:
    model = nn.Sequential(
        nn.Conv2d(1, 6, 5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(256, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10),
    )
    shape, outputs = [1, 28, 28], 10
else:
    model = nn.Sequential(nn.Linear(4, 32), nn.Tanh(), nn.Linear(32, 16), nn.Tanh(), nn.Linear(16, 4))
    shape, outputs = [4], 4
for layer in model:
    if hasattr(layer, "weight"):
        (nn.init.xavier_uniform_ if isinstance(layer, nn.Conv2d) else nn.init.xavier_normal_)(layer.weight)
if variant == "channels-last":
    model = model.to(memory_format=torch.channels_last)
if variant == "compiled":
    model = torch.compile(model)
adam = torch.optim.Adam(model.parameters(), 3e-4 if lenet else 1e-3)
loss = F.cross_entropy if lenet else F.mse_loss


def update(inputs, targets):
    adam.zero_grad()
    loss(model(inputs), targets).backward()
    adam.step()


def read(folder, part):
    """Inputs and targets of one part of the examples in `folder`."""
    inputs = torch.frombuffer(bytearray(open(f"{folder}/{part}.inputs", "rb").read()), dtype=torch.float32)
    targets = torch.frombuffer(bytearray(open(f"{folder}/{part}.targets", "rb").read()), dtype=torch.float32)
    targets = targets.view(-1, outputs)
    return inputs.view(-1, *shape), targets.argmax(1) if lenet else targets


def learn(folder, epochs):
    inputs, targets = read(folder, "train")
    start, started = time.perf_counter(), time.process_time()
    # Each epoch is shuffled; batches continue over the end of an epoch.
    order = torch.cat([torch.randperm(len(inputs)) for _ in range(epochs)])
    for chosen in order.split(batch):
        if len(chosen) == batch:
            update(inputs[chosen], targets[chosen])
    wall, cpu = time.perf_counter() - start, time.process_time() - started
    inputs, targets = read(folder, "test")
    with torch.no_grad():
        seen = model(inputs)
        measure = (seen.argmax(1) == targets).float().mean() if lenet else loss(seen, targets)
    print(json.dumps({"wall_s": wall, "cpu_s": cpu, "measure": float(measure)}))


peer = f"{variant} pytorch ".lstrip() + torch.__version__.split("+")[0]
learning = common.learning()
if learning:
    learn(*learning)
else:
    inputs = torch.rand(batch, *shape) if lenet else torch.randn(batch, *shape)
    if variant == "channels-last":
        inputs = inputs.to(memory_format=torch.channels_last)
    targets = torch.randint(0, 10, (batch,)) if lenet else torch.matrix_exp(inputs.view(-1, 2, 2)).view(-1, 4)
    common.measure(peer, config, sizes, threads, seconds, lambda: update(inputs, targets))
