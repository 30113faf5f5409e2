# %% [markdown]
# # Between two images: misses and gradients
#
# **Author:** keras_mixup<br>
# **Date created:** 2026/11/22<br>
# **Description:** Measure what CIFAR-10 networks predict between pairs of training images.<br>
# **Accelerator:** None
#
# **What.** On the lines between random pairs of training images of CIFAR-10, at
# $x = \lambda x_i + (1 - \lambda) x_j$: how often a network predicts neither of the two classes,
# and how large the gradient of its loss with respect to the image is.
#
# **Why.** Figure 2 of [the paper](https://arxiv.org/abs/1710.09412): mixup trains on these lines. A
# network that is linear there has smoother decision boundaries.
#
# **How long.** About 3 processor minutes per seed, and 6 more for each of the three models that
# `images.py` has not trained yet.

# %%
import experiment
from cifar10 import ALPHAS, CPU, load, shorter, trained

from keras_mixup import analysis, mixup

args = experiment.flags(
    "Figure 2: misses and gradient norms between training images of CIFAR-10.",
    seeds=([0], "measure the models of every seed"),
    pairs=(1000, "of images"),
    models=("cifar10_models", "folder of trained models; those in it are not trained again"),
)
data, recipe = load(smoke=args.smoke), shorter(CPU) if args.smoke else CPU
pairs = 20 if args.smoke else args.pairs

# %% [markdown]
# ## The models, and the measure
#
# All models of a seed see the same pairs. The two images of a pair are different; their classes may
# be the same, as in one pair of ten. The gradient is that of the cross-entropy with the mixed label
# $\lambda y_i + (1 - \lambda) y_j$, in nats per unit of a pixel's 255. The paper does not say which
# label it used; compare models, not the paper's scale.

# %%
results = []
for seed in args.seeds:
    models = {}
    for name, alpha in ALPHAS.items():
        mix = mixup(alpha, num_classes=10, seed=seed)
        models[name], _ = trained(name, data, mix, seed, args.models, recipe)
    results.append(analysis.in_between(models, (data.x, data.y), pairs=pairs, seed=seed, verbose=2))

# %% [markdown]
# ## Half way, and at the ends

# %%
half = len(results[0].lam) // 2
rows = []
for name in ALPHAS:
    misses = [100 * result.miss[name] for result in results]
    norms = [1000 * result.gradient_norm[name] for result in results]
    at = [[curve[step] for curve in curves] for curves in (misses, norms) for step in (half, -1)]
    rows.append([name, *map(experiment.mean_and_range, at)])
title = f"{pairs:,} pairs, " + ("mean (range) of the seeds" if args.seeds[1:] else "one seed")
miss, norm = "miss (%)", "gradient norm (0.001 nats per pixel unit)"
header = [title, f"{miss}, λ = ½", f"{miss}, λ = 1", f"{norm}, λ = ½", f"{norm}, λ = 1"]
experiment.show_table(experiment.table(header, rows))

# %% [markdown]
# ## Beside the paper's curves
#
# The dotted lines are read off the paper's Figure 2a, for a larger network that fits its training
# images and has a lower test error. Its gradient norms are on another scale and not drawn: at λ = ½
# that of plain training is 4.6 times that of mixup. The curves are those of one model of each kind,
# in the paper and here.

# %%
shares = [0, 0.1, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5]  # and the same from the other end
paper = {
    "paper, plain": ([1.27, 1.60, 3.55, 5.58, 8.27, 11.26, 14.22, 15.79, 16.52], "#D55E00"),
    "paper, mixup": ([0.71, 0.92, 1.82, 2.68, 3.66, 4.57, 5.30, 5.94, 6.04], "#009E73"),
}
figure = results[0].plot()
left = figure.axes[0]
for name, (curve, color) in paper.items():
    both_ends = [*shares, *(1 - share for share in shares[-2::-1])]
    left.plot(both_ends, [*curve, *curve[-2::-1]], ":", color=color, label=name)
left.legend(frameon=False, loc="lower left", bbox_to_anchor=(0, 1), ncols=2)
experiment.show_picture(figure, "in_between", args)
