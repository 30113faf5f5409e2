"""The spoken digits of the experiments on speech and on sequences.

The Free Spoken Digit Dataset (github.com/Jakobovski/free-spoken-digit-dataset) has 3,000 recordings
at 8 kHz: 50 takes of ten digits by six speakers.
"""

from collections import namedtuple

import numpy as np
import tensorflow as tf

RATE = 8000  # samples per second
RANGE = 60  # dB below the loudest value of a recording
DIGITS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
# x: float32 [N, ...] in [0, 1]; y: class ids [N]; speaker: names [N]; take: [N].
Recordings = namedtuple("Recordings", ["x", "y", "speaker", "take"])


def centered(audio, samples):
    """Pads with silence, or crops, to `samples` around the middle: float32 [samples]."""
    audio = tf.cast(audio, tf.float32)[:, tf.newaxis, tf.newaxis]
    return tf.image.resize_with_crop_or_pad(audio, samples, 1)[:, 0, 0]


def tones():
    """Data for `--smoke`: a digit is a frequency, a speaker an overtone, and a take some noise."""
    rng = np.random.default_rng(0)
    seconds = np.arange(RATE // 2) / RATE
    audio, names = [], []
    for digit, speaker, take in np.ndindex(10, 6, 7):
        hertz = 300 * (digit + 1) * np.array([[1], [1.1 + speaker / 10]])
        sound = np.sin(2 * np.pi * hertz * seconds).sum(0)
        audio.append(sound + rng.normal(0, 0.1, len(seconds)))
        names.append(f"{digit}_{speaker}_{take}.wav")
    return tf.data.Dataset.from_tensor_slices({"audio": audio, "audio/filename": names})


def load(features, smoke=False):
    """Loads all recordings; `features` makes the x of one from its samples."""
    if smoke:
        dataset = tones()
    else:
        import tensorflow_datasets as tfds

        builder = tfds.builder("spoken_digit")
        builder.download_and_prepare()
        dataset = builder.as_dataset(split="train")  # the only split
    dataset = dataset.map(lambda one: (features(one["audio"]), one["audio/filename"]))
    x, names = next(dataset.batch(len(dataset)).as_numpy_iterator())
    parts = [name.decode().removesuffix(".wav").split("_") for name in names]
    digit, speaker, take = map(np.array, zip(*parts))
    return Recordings(x, digit.astype(int), speaker, take.astype(int))


def held_out(data, split, seed):
    """Returns bool [N], which is true for test examples.

    "new takes" are takes 0 to 4, as the authors of the dataset recommend. "new speakers" are two of
    the six, another two for each of three seeds.
    """
    if split == "new takes":
        return data.take < 5
    pairs = np.unique(data.speaker).reshape(3, 2)
    return np.isin(data.speaker, pairs[seed % 3])
