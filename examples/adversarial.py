# %% [markdown]
# # Adversarial examples
#
# **Author:** keras_mixup<br>
# **Date created:** 2026/11/22<br>
# **Description:** Attack CIFAR-10 networks with FGSM and I-FGSM, white-box and by transfer.<br>
# **Accelerator:** None
#
# **What.** Each pixel of a CIFAR-10 test image is changed by at most 4 of 255 so that the loss
# grows. On such images, this experiment measures the error of networks trained with and without
# mixup. The changes are computed from the gradient of the network itself (white box) or from that
# of another network (transfer).
#
# **Why.** This experiment follows Section 3.5 and Table 3 of [the
# paper](https://arxiv.org/abs/1710.09412). Smaller gradients between examples should give an
# attacker less to follow. **This is not a defense**: in the paper, a white-box attack of several
# steps defeats mixup just as it defeats plain training.
#
# **How long.** About 2 minutes of CPU time per seed, plus 6 for each of the four models that
# `images.py` has not trained yet. The minutes in the output are wall-clock time on a busy machine.

# %%
import experiment
import measures
from cifar10 import ALPHAS, CPU, load, logits, shorter, trained

from keras_mixup import mixup

args = experiment.flags(
    "Sec. 3.5: FGSM and I-FGSM on CIFAR-10, white box and transfer.",
    seeds=([0], "seeds of the attacked models; transfer uses the plain model of the next seed"),
    images=(1000, "number of test images to attack"),
    models=("cifar10_models", "folder of trained models; models in it are not trained again"),
)
data, recipe = load(smoke=args.smoke), shorter(CPU) if args.smoke else CPU
count = 50 if args.smoke else args.images
test = data.x_test[:count], data.y_test[:count]

# %% [markdown]
# ## Attack
#
# FGSM takes one step of size 4 along the sign of the gradient of the loss, and I-FGSM takes ten
# steps of size 0.4. The models are attacked at their logits, because the softmax of a confident
# model rounds to 1 and its gradient to 0. The paper attacked a ResNet-101 on ImageNet; these are
# small networks on small images.

# %%
white, transfer = [], []
for seed in args.seeds:
    models = {}
    for name, alpha in ALPHAS.items():
        mix = mixup(alpha, num_classes=10, dtype="float32", seed=seed)
        models[name] = logits(trained(name, data, mix, seed, args.models, recipe)[0])
    mix = mixup(0, num_classes=10, seed=seed + 1)
    source = logits(trained("plain", data, mix, seed + 1, args.models, recipe)[0])
    common = {"value_range": (0, 255), "eps": 4}
    white.append(measures.adversarial_errors(models, *test, **common))
    transfer.append(measures.adversarial_errors(models, *test, source=source, **common))

# %% [markdown]
# ## Errors


# %%
def errors_table(results, title):
    rows = []
    for name in ALPHAS:
        kinds = [[100 * errors[name][kind] for errors in results] for kind in measures.ATTACKS]
        rows.append([name, *map(experiment.mean_and_range, kinds)])
    title += ", mean (range) of the seeds" if results[1:] else ", one seed"
    return experiment.table([title, *(f"{kind} (%)" for kind in measures.ATTACKS)], rows)


experiment.show_table(errors_table(white, f"White box, {count:,} images"))
experiment.show_table(errors_table(transfer, f"Transfer, {count:,} images"))

# %% [markdown]
# ## Pictures
#
# The bars show the models of the first seed.

# %%
for title, results in {"White box": white, "Transfer": transfer}.items():
    figure = measures.plot_attacks(results[0], f"{title}, ε = 4/255 of the range")
    experiment.show_picture(figure, f"adversarial_{title.lower().replace(' ', '_')}", args)

# %% [markdown]
# ## Conclusion
#
# With alpha = 1, errors under attack are a few points lower than without mixup, more for attacks
# that were computed on another model than in the white box. In the white box, nearly all images are
# still misclassified: mixup is not a defense.
