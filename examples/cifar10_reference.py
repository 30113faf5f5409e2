"""The network and recipe of `cifar10_paper.py` in PyTorch, with torchvision's mixup.

    python examples/cifar10_reference.py --epochs 30 --policy mixed_bfloat16
    python examples/cifar10_paper.py --show cifar10_reference.csv

It needs torch, torchvision, and what `cifar10.py` needs to load the data. The network and its
initial distribution, optimizer, schedule, crops, flips and judged errors are those of `PAPER`.
`torchvision.transforms.v2.MixUp(alpha=1)` draws one lam per batch, as `mixup(1.0, per_batch=True)`
does, and pairs each image with the one before it.
"""

import csv
import importlib.util
import time
from functools import partial
from pathlib import Path

import experiment
import torch
from cifar10 import MOMENTUM, PAPER, load
from cifar10_paper import COLUMNS, read, results
from torch import nn
from torch.nn import functional

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
norm = partial(nn.BatchNorm2d, eps=1e-3, momentum=0.01)  # as in Keras


class Convolution(nn.Conv2d):
    def __init__(self, before, filters, stride=1, size=3):
        super().__init__(before, filters, size, stride, bias=False)
        nn.init.xavier_uniform_(self.weight)
        # As Keras pads: with a stride, at the right and at the bottom.
        self.sides = (1, 1) if stride == 1 and size == 3 else (0, size // 2)

    def forward(self, x):
        return super().forward(functional.pad(x, self.sides * 2))


class Block(nn.Module):
    def __init__(self, before, filters, stride):
        super().__init__()
        self.norm1, self.norm2 = norm(before), norm(filters)
        self.shortcut = Convolution(before, filters, stride, 1) if before != filters else None
        self.convolution1 = Convolution(before, filters, stride)
        self.convolution2 = Convolution(filters, filters)

    def forward(self, x):
        activated = self.norm1(x).relu()
        shortcut = self.shortcut(activated) if self.shortcut else x
        return shortcut + self.convolution2(self.norm2(self.convolution1(activated)).relu())


class Network(nn.Module):
    def __init__(self, widths, mean, variance):
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean).float().view(3, 1, 1))
        self.register_buffer("scale", torch.tensor(variance).float().view(3, 1, 1).rsqrt())
        blocks = []
        for before, filters in zip([widths[0], *widths[:-1]], widths):
            stride = 2 if filters > widths[0] else 1
            blocks += [Block(before, filters, stride), Block(filters, filters, 1)]
        self.body = nn.Sequential(Convolution(3, widths[0]), *blocks, norm(filters), nn.ReLU())
        self.head = nn.Linear(filters, 10)
        nn.init.xavier_uniform_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, x):
        x = self.body((x - self.mean) * self.scale).mean((2, 3))
        with torch.autocast(DEVICE, enabled=False):  # float32 under every policy
            return self.head(x.float())


def augmented(x):
    """Crops of padded images, others for every image, of which half are flipped."""
    images = torch.arange(len(x), device=DEVICE)[:, None, None]
    starts = torch.randint(0, 9, (2, len(x), 1), device=DEVICE)
    rows, columns = starts + torch.arange(x.shape[-1], device=DEVICE)
    columns = torch.where(torch.rand(len(x), 1, device=DEVICE) < 0.5, columns.flip(1), columns)
    padded = functional.pad(x, (4, 4, 4, 4)).permute(0, 2, 3, 1)
    return padded[images, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def mix_of(method):
    if method == "plain":
        return lambda x, y: (x, functional.one_hot(y, 10).float())
    from torchvision.transforms import v2  # not needed otherwise

    return v2.MixUp(alpha=1.0, num_classes=10)


def train(method, seed, data, recipe, path, policy="float32"):
    torch.manual_seed(seed)
    pixels, steps = data.x.reshape(-1, 3), len(data.x) // 128
    model = Network(recipe.widths, pixels.mean(0), pixels.var(0)).to(DEVICE)
    x, x_test = (torch.tensor(x, device=DEVICE).permute(0, 3, 1, 2) for x in (data.x, data.x_test))
    y, y_test = (torch.tensor(y, device=DEVICE).long() for y in (data.y, data.y_test))
    # The recipe's decay is that of Keras, which its momentum does not multiply.
    decay, mix = recipe.weight_decay * (1 - MOMENTUM), mix_of(method)
    optimizer = torch.optim.SGD(model.parameters(), 0.1, MOMENTUM, weight_decay=decay)
    lowered = [recipe.epochs * steps * quarter // 4 for quarter in (2, 3)]
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimizer, lowered)
    half = torch.autocast(DEVICE, torch.bfloat16, enabled=policy == "mixed_bfloat16")
    for epoch in range(1, recipe.epochs + 1):
        start, losses = time.perf_counter(), []
        model.train()
        for rows in torch.randperm(len(x), device=DEVICE)[: steps * 128].split(128):
            x_mixed, y_mixed = mix(augmented(x[rows]).float(), y[rows])
            with half:
                loss = functional.cross_entropy(model(x_mixed), y_mixed)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            losses.append(loss.detach())
        model.eval()
        with torch.no_grad(), half:
            logits = torch.cat([model(part.float()) for part in x_test.split(500)])
        error = 100 * (logits.argmax(1) != y_test).float().mean()
        found = torch.stack(losses).mean(), functional.cross_entropy(logits, y_test)
        row = [method, seed, epoch, recipe.epochs, f"{time.perf_counter() - start:.2f}"]
        row += [*(f"{loss:.4f}" for loss in found), f"{error:.2f}"]
        with open(path, "a", newline="") as file:
            csv.writer(file, lineterminator="\n").writerow(row)


def main():
    args = experiment.flags(
        __doc__.splitlines()[0],
        methods=(["plain", "mixup"], "methods to train", ["plain", "mixup"]),
        seeds=([0], "seeds; each method is trained once per seed"),
        epochs=(30, "epochs"),
        policy=("float32", "float32 or mixed_bfloat16"),
        table=("cifar10_reference.csv", "file to write the table to"),
    )
    recipe = PAPER._replace(epochs=args.epochs, widths=(4, 8) if args.smoke else PAPER.widths)
    if "mixup" in args.methods and importlib.util.find_spec("torchvision") is None:
        raise SystemExit("torchvision is not installed: give --methods plain, or install it.")
    data = load(50_000, args.smoke)
    Path(args.table).write_text(",".join(COLUMNS) + "\n")
    for seed in args.seeds:
        for method in args.methods:
            train(method, seed, data, recipe, args.table, args.policy)
    experiment.show_table(results(read(args.table)))


if __name__ == "__main__":
    main()
