# %% [markdown]
# # mixup in your own pipeline, in five minutes
#
# **Author:** keras_mixup<br>
# **Date created:** 2026/11/22<br>
# **Description:** Add mixup to a `tf.data` pipeline, train with a stock `fit`, and compare.<br>
# **Accelerator:** None
#
# **What.** You have a `tf.data` pipeline and a Keras model. This tour shows what mixup adds to
# them, what the pipeline then yields, and what to watch for in `fit`.
#
# **Why.** A network trained on mixtures of examples, with labels mixed in the same way, memorizes
# fewer wrong labels and often does better on new examples ([Zhang et al.,
# 2017](https://arxiv.org/abs/1710.09412)).
#
# **How long.** About a minute on two CPU cores. The data are the 1,797 handwritten digits that
# come with scikit-learn.

# %%
import experiment

# isort: split
import keras
import numpy as np
import tensorflow as tf
from keras import layers
from sklearn.datasets import load_digits

from keras_mixup import analysis, choose, cutmix, metrics, mixup, plot

args = experiment.flags("A tour: mixup in your own pipeline.")
epochs = 1 if args.smoke else 25

# %% [markdown]
# ## Your pipeline
#
# The pipeline yields images and integer class ids, shuffled and batched. None of this changes.

# %%
x, y = load_digits(return_X_y=True)
x, y = (x.reshape(-1, 8, 8, 1) / 16).astype("float32"), y.astype("int32")
order = np.random.default_rng(0).permutation(len(x))
x, y = x[order], y[order]
(x_train, x_test), (y_train, y_test) = np.split(x, [1200]), np.split(y, [1200])


def pipeline(labels):
    return tf.data.Dataset.from_tensor_slices((x_train, labels)).shuffle(1200, seed=0).batch(64)


train = pipeline(y_train)
val = tf.data.Dataset.from_tensor_slices((x_test, y_test)).batch(597)

# %% [markdown]
# ## One more line
#
# Call `apply` after `batch`. The ids become soft labels; the structure of the elements stays the
# same.

# %%
mix = mixup(alpha=0.2, num_classes=10, seed=0)
mixed = train.apply(mix).prefetch(2)
print(train.element_spec, "->", mixed.element_spec, sep="\n")

# %% [markdown]
# This is what the network will see. With alpha = 0.2, most examples are nearly unmixed. Above
# each image are the shares of its label, which equal the shares of its pixels.

# %%
names = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
experiment.show_picture(plot.show_batch(mixed, names, max_images=12), "tour_mixup", args)

# %% [markdown]
# ## Labels that are partly wrong
#
# These digits are so easy that plain training leaves little to improve. From here on, 40 % of the
# training labels are therefore replaced with random ones; the held-out labels stay true.

# %%
y_noisy, replaced = analysis.corrupt_labels(y_train, 0.4, num_classes=10, seed=0)
noisy = pipeline(y_noisy)

# %% [markdown]
# ## A stock `fit`
#
# - The loss must accept soft labels: use `categorical_crossentropy`, not the `sparse_` one.
# - `SoftAccuracy` counts the share of the label that belongs to the predicted class. `"accuracy"`
#   would compare the prediction with the larger label only.
# - Validation data are not mixed: `alpha=0` makes their ids one-hot and does nothing else.


# %%
def build():
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(32, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(64, 3, padding="same", activation="relu"),
            layers.Flatten(),
            layers.Dense(128, activation="relu"),
            layers.Dense(10, activation="softmax"),
        ]
    )
    accuracy = metrics.SoftAccuracy(name="accuracy")
    adam = keras.optimizers.Adam(3e-3)
    # For a network this small, XLA would compile for longer than TensorFlow trains.
    model.compile(adam, "categorical_crossentropy", metrics=[accuracy], jit_compile=False)
    return model


unmixed = mixup(alpha=0, num_classes=10)
pipelines = {"plain": noisy.apply(unmixed), "mixup": noisy.apply(mix)}
models, histories = {}, {}
for name, dataset in pipelines.items():
    models[name] = build()
    histories[name] = models[name].fit(
        dataset.prefetch(2),
        epochs=epochs,
        validation_data=val.apply(unmixed),
        shuffle=False,  # the dataset shuffles; otherwise Keras warns that it cannot
        verbose=0,
    )

# %% [markdown]
# ## Did it help?
#
# Training accuracy looks worse with mixup, as it should, because the labels are mixed and partly
# wrong. What counts is the accuracy on held-out digits with true labels, after the last epoch.

# %%
rows = []
for name, history in histories.items():
    last = [100 * history.history[key][-1] for key in ("accuracy", "val_accuracy")]
    rows.append([name, *(f"{value:.1f}" for value in last)])
header = ["after the last epoch", "training accuracy (%)", "held-out accuracy (%)"]
experiment.show_table(experiment.table(header, rows))

# %% [markdown]
# The next table shows what the two networks do with the labels. The error on the training examples
# with replaced labels is near 0 if the labels were memorized, and near 90 % if none of them were.

# %%
rows = []
for name, model in models.items():
    wrong = model.predict(x_train, verbose=0).argmax(-1) != y_noisy
    rows.append(
        [name, *(f"{100 * part.mean():.1f}" for part in (wrong[~replaced], wrong[replaced]))]
    )
header = ["training error", "on true labels (%)", "on replaced labels (%)"]
experiment.show_table(experiment.table(header, rows))

# %% [markdown]
# ## How confident are they?
#
# Mixed labels make a network less confident. If its confidence is below its accuracy (the bars
# above the diagonal), the network is underconfident. Expect that with noisy labels, and more of it
# with a larger alpha.

# %%
result = analysis.calibration(models, (x_test, y_test), verbose=0)
experiment.show_table(result.table())
experiment.show_picture(result.plot(), "tour_calibration", args)

# %% [markdown]
# ## More
#
# Other methods are used in the same way, and `choose` draws one of several for each example:

# %%
either = choose(mixup(0.4, num_classes=10), cutmix(1.0, num_classes=10), seed=0)
picture = plot.show_batch(train.apply(either), names, max_images=12)
experiment.show_picture(picture, "tour_choose", args)

# %% [markdown]
# `docs/data.md` covers dictionaries, sample weights, masks, several outputs, and regression;
# `docs/schedules.md` covers schedules; and `docs/analysis.md` covers everything that `analysis`
# measures. `README.md` lists what is guaranteed, such as the same batches for the same seed.
