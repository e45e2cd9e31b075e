"""Train a classifier of handwritten digits: arrays, autograd and initializers of remx on a compute server.

    python examples/digits.py                                   # starts a server for itself
    python examples/digits.py --server HOST:PORT --token TOKEN  # uses a running one, as REMX_SERVER does

The data goes to the server once. From then on a training step sends a few hundred numbers and waits for
nothing: losses and accuracies stay on the server as arrays, and one read an epoch brings them here.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import matplotlib
import numpy as np
import remx as mx
from remx import autograd, nd
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from tqdm import tqdm

LAYERS = (64, 512, 256, 10)
DROPOUT = 0.5
LEARNING_RATE = 0.1
MOMENTUM = 0.9


class Images(NamedTuple):
    """Images as rows of 64 pixels between 0 and 1, and the digits that they show; both on the server."""

    pixels: nd.NDArray
    digits: nd.NDArray


class Epoch(NamedTuple):
    """What is known after an epoch: the mean loss of its steps, and the accuracies at its end."""

    loss: float
    train_accuracy: float
    test_accuracy: float


class Network:
    """Fully connected layers, with ReLU and dropout between them."""

    def __init__(self, sizes: tuple[int, ...]) -> None:
        initializer = mx.init.MSRAPrelu(slope=0.0)
        self.layers: list[tuple[nd.NDArray, nd.NDArray]] = []
        for number, (inputs, outputs) in enumerate(pairwise(sizes)):
            weight, bias = nd.empty((outputs, inputs)), nd.empty((outputs,))
            for name, parameter in (("weight", weight), ("bias", bias)):
                initializer(mx.init.InitDesc(f"layer{number}_{name}"), parameter)
                parameter.attach_grad()
            self.layers.append((weight, bias))

    def __call__(self, x: nd.NDArray) -> nd.NDArray:
        """The scores of the ten digits for each image. Dropout acts in training mode only."""
        for number, (weight, bias) in enumerate(self.layers):
            if number > 0:
                x = nd.Dropout(nd.relu(x), p=DROPOUT)
            x = nd.FullyConnected(x, weight, bias, num_hidden=weight.shape[0])
        return x


class Momentum:
    """Gradient descent with momentum, in place on the server."""

    def __init__(self, network: Network) -> None:
        parameters = [parameter for layer in network.layers for parameter in layer]
        self.pairs = [(parameter, nd.zeros_like(parameter)) for parameter in parameters]

    def step(self, rate: float) -> None:
        """Move every parameter against its gradient."""
        for parameter, velocity in self.pairs:
            velocity *= MOMENTUM
            velocity -= parameter.grad * rate
            parameter += velocity


def load() -> tuple[Images, Images]:
    """The 1,797 digits: four fifths for training, one for the test, always the same, with equal shares."""
    pixels, digits = load_digits(return_X_y=True)
    parts = train_test_split(pixels / 16, digits, test_size=0.2, stratify=digits, random_state=0)
    train_pixels, test_pixels, train_digits, test_digits = (nd.array(part) for part in parts)
    return Images(train_pixels, train_digits), Images(test_pixels, test_digits)


def batches(images: Images, size: int, random: np.random.Generator) -> Iterator[Images]:
    """The images in a new order, in batches. The server picks them out; only their order is sent."""
    count = len(images.digits)
    order = nd.array(random.permutation(count))
    for first in range(0, count, size):
        chosen = order[first : first + size]
        yield Images(nd.take(images.pixels, chosen), nd.take(images.digits, chosen))


def cross_entropy(scores: nd.NDArray, digits: nd.NDArray) -> nd.NDArray:
    """The mean of -log(probability of the right digit)."""
    return -nd.pick(nd.log_softmax(scores), digits).mean()


def accuracy(network: Network, images: Images) -> nd.NDArray:
    """The share of the images that get their highest score for the right digit."""
    return (network(images.pixels).argmax(axis=1) == images.digits).mean()


def train_epoch(network: Network, optimizer: Momentum, rate: float, train: Iterator[Images]) -> nd.NDArray:
    """Train with every batch; the mean loss, which is still on the server."""
    losses = []
    for batch in train:
        with autograd.record():
            loss = cross_entropy(network(batch.pixels), batch.digits)
        loss.backward()
        optimizer.step(rate)
        losses.append(loss)
    return nd.concat(*losses, dim=0).mean()


def train(epochs: int, batch_size: int, seed: int) -> list[Epoch]:
    """Train a network and tell of each epoch: with a bar at a terminal, with lines in a log."""
    mx.random.seed(seed)
    random = np.random.default_rng(seed)
    train_images, test_images = load()
    count = len(train_images.digits)
    network = Network(LAYERS)
    optimizer = Momentum(network)
    history: list[Epoch] = []
    started = time.perf_counter()
    # disable=None: a bar only where standard error is a terminal.
    with tqdm(total=epochs * count, unit=" samples", unit_scale=True, disable=None) as bar:
        for number in range(1, epochs + 1):
            rate = LEARNING_RATE * (1 + math.cos(math.pi * (number - 1) / epochs)) / 2
            loss = train_epoch(network, optimizer, rate, batches(train_images, batch_size, random))
            accuracies = accuracy(network, train_images), accuracy(network, test_images)
            # The only wait of the epoch: one read of three numbers.
            epoch = Epoch(*nd.concat(loss, *accuracies, dim=0).asnumpy().tolist())
            history.append(epoch)
            bar.set_postfix(loss=f"{epoch.loss:.4f}", test=f"{epoch.test_accuracy:.1%}")
            bar.update(count)
            if bar.disable and (number == 1 or number % 10 == 0 or number == epochs):
                speed = number * count / (time.perf_counter() - started)
                print(
                    f"epoch {number:3} of {epochs}: loss {epoch.loss:.4f}, "
                    f"test accuracy {epoch.test_accuracy:.1%}, {speed:,.0f} samples/s",
                    flush=True,
                )
    return history


def draw(history: list[Epoch], path: Path) -> None:
    """Save the training curve as a PNG."""
    matplotlib.use("Agg")
    from matplotlib import pyplot

    numbers = range(1, len(history) + 1)
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(10, 4), layout="constrained")
    left.semilogy(numbers, [epoch.loss for epoch in history])
    left.set(title="Training loss", xlabel="epoch", ylabel="mean cross-entropy (log scale)")
    for name, style, values in (
        ("training images", "C0--", [epoch.train_accuracy for epoch in history]),
        ("test images", "C1", [epoch.test_accuracy for epoch in history]),
    ):
        right.plot(numbers, [100 * value for value in values], style, label=f"{name}: {values[-1]:.1%}")
    right.set(title="Accuracy", xlabel="epoch", ylabel="% of the images", ylim=(85, 100.5))
    right.legend(loc="lower right", frameon=False)
    for panel in (left, right):
        panel.grid(alpha=0.3)
        panel.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=150)


def main() -> None:
    """Parse the command line, train, and say how it went."""
    parser = argparse.ArgumentParser(description="Train a classifier of handwritten digits on a remx server.")
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--seed", type=int, default=1, help="of first weights, dropout and the images' order")
    parser.add_argument("--output", type=Path, default=Path(__file__).with_suffix(".png"), help="the curve")
    parser.add_argument("--server", help="host:port of a running one; default: REMX_SERVER, else a new one")
    parser.add_argument("--token", help="what that server wants to see; default: REMX_TOKEN")
    parser.add_argument("--device", choices=("cpu", "gpu"), default="cpu")
    options = parser.parse_args()
    if options.server:
        mx.connect(options.server, token=options.token)
    if options.device == "gpu" and mx.num_gpus() == 0:
        parser.error("--device gpu: the server has no GPU")
    started = time.perf_counter()
    with mx.Context(options.device):
        history = train(options.epochs, options.batch_size, options.seed)
    seconds = time.perf_counter() - started
    draw(history, options.output)
    print(f"test accuracy {history[-1].test_accuracy:.2%} after {options.epochs} epochs in {seconds:.1f} s")
    print(f"training curve in {options.output}")
    print(f"\nWhat mx.stats() counted:\n{mx.stats()}")


if __name__ == "__main__":
    try:
        main()
    except mx.MXNetError as error:
        sys.exit(f"{type(error).__name__}: {error}")
