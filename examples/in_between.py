# %% [markdown]
# # Between two images: misses and gradients
#
# **Author:** keras_mixup<br>
# **Date created:** 2026/11/22<br>
# **Description:** Measure what CIFAR-10 networks predict between pairs of training images.<br>
# **Accelerator:** None
#
# **What.** On the lines between random pairs of CIFAR-10 training images, at
# `x = λ x_i + (1 - λ) x_j`, this experiment measures how often a network predicts neither of the
# two classes, and how large the gradient of its loss with respect to the image is.
#
# **Why.** This experiment follows Figure 2 of [the paper](https://arxiv.org/abs/1710.09412). mixup
# trains on these lines, and a network that is linear there has smoother decision boundaries.
#
# **How long.** About 3 minutes of CPU time per seed, plus 6 for each of the three models that
# `images.py` has not trained yet. The minutes in the output are wall-clock time on a busy machine.

# %%
import experiment
import measures
from cifar10 import ALPHAS, CPU, load, shorter, trained

from keras_mixup import mixup

args = experiment.flags(
    "Figure 2: misses and gradient norms between training images of CIFAR-10.",
    seeds=([0], "seeds of the models to measure"),
    pairs=(1000, "number of image pairs"),
    models=("cifar10_models", "folder of trained models; models in it are not trained again"),
)
data, recipe = load(smoke=args.smoke), shorter(CPU) if args.smoke else CPU
pairs = 20 if args.smoke else args.pairs

# %% [markdown]
# ## Models and measures
#
# All models of a seed are measured on the same pairs. The two images of a pair are different, but
# their classes may be the same, as they are in one pair in ten. The gradient is that of the
# cross-entropy with the mixed label `λ y_i + (1 - λ) y_j`, in nats per pixel unit, where pixels
# range from 0 to 255. The paper does not say which label it used, so compare the models with each
# other, not the values with those of the paper.

# %%
results = []
for seed in args.seeds:
    models = {}
    for name, alpha in ALPHAS.items():
        mix = mixup(alpha, num_classes=10, dtype="float32", seed=seed)
        models[name], _ = trained(name, data, mix, seed, args.models, recipe)
    results.append(measures.in_between(models, data.x, data.y, pairs=pairs, seed=seed))

# %% [markdown]
# ## Halfway, and at one end

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
# ## Comparison with the paper's curves
#
# The dotted lines are read off the paper's Figure 2a, which is for a larger network that fits its
# training images and has a lower test error. The paper's gradient norms are on another scale and
# are not drawn; at λ = ½, that of plain training is 4.6 times that of mixup. Each curve is that of
# a single model, in the paper and here, where it is the model of the first seed.

# %%
shares = [0, 0.1, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5]  # and symmetric from the other end
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

# %% [markdown]
# ## Conclusion
#
# Between two training images, mixup misses both classes less often and has smaller gradients, with
# every seed. At the images themselves the order is reversed, because mixup fits them less closely.
