"""Training: the same weights from the same seed, the best epoch kept, and no noise."""

import hashlib
import io
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from lib import models, training
from lib.backend import keras
from lib.numpy_lstm import backward

RNG = np.random.default_rng(0)
WINDOWS = RNG.normal(size=(40, 5, 1)).astype("float32")
LATER = RNG.normal(size=(20, 5, 1)).astype("float32")
SEEDED_FIT = """
import hashlib
import numpy as np
from lib import models, training

def digest():
    windows = np.random.default_rng(1).normal(size=(50, 6, 1))
    model = models.build_lstm_autoencoder(window=6, units=3, latent=2, dropout=0.2, seed=5)
    training.fit(model, windows, windows, epochs=2, batch_size=16, seed=5)
    return hashlib.sha256(b"".join(w.tobytes() for w in model.get_weights())).hexdigest()
"""


def dense(learning_rate=0.05, seed=0, loss="mae"):
    """A network without time: trained in a blink, and all that `fit` needs."""
    keras.utils.set_random_seed(seed)
    inputs = keras.Input((5, 1))
    model = keras.Model(inputs, keras.layers.Dense(1)(keras.layers.Dense(3)(inputs)))
    optimizer = keras.optimizers.SGD(learning_rate)
    model.compile(optimizer=optimizer, loss=models.SameShapeLoss(loss), run_eagerly=True)
    return model


def digest_of(model):
    return hashlib.sha256(b"".join(w.tobytes() for w in model.get_weights())).hexdigest()


# Seeds


def test_same_seed_same_weights_bit_for_bit_here_again_and_in_another_process():
    command = [sys.executable, "-c", SEEDED_FIT + "print(digest())"]
    other = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, encoding="utf-8")
    scope = {}
    exec(SEEDED_FIT, scope)
    digests = [scope["digest"](), scope["digest"](), other.communicate(timeout=120)[0].strip()]
    assert len(digests[0]) == 64
    assert len(set(digests)) == 1


def test_the_seed_of_fit_decides_the_shuffling():
    digests = []
    for seed in (1, 1, 2):
        model = dense()
        training.fit(model, WINDOWS, WINDOWS, epochs=1, batch_size=8, seed=seed)
        digests.append(digest_of(model))
    assert digests[0] == digests[1] != digests[2]


# Early stopping


def test_the_best_epoch_is_kept_when_it_gets_worse():
    model = dense(learning_rate=2.0)  # far too high: the first epochs are as good as it gets
    history = training.fit(
        model, WINDOWS, WINDOWS, validation=(LATER, LATER), epochs=30, patience=3
    )
    best = history["val_loss"].idxmin()
    assert history.attrs["best_epoch"] == best
    assert len(history) == best + 3 < 30  # stopped three epochs later
    assert history["val_loss"].iloc[-1] > history["val_loss"].min()
    kept = model.evaluate(LATER, LATER, verbose=0)
    assert kept == pytest.approx(history["val_loss"].min(), rel=1e-5)


def test_the_best_epoch_is_kept_when_the_epochs_run_out():
    model = dense(learning_rate=2.0)
    history = training.fit(
        model, WINDOWS, WINDOWS, validation=(LATER, LATER), epochs=4, patience=50
    )
    assert len(history) == 4
    assert history.attrs["best_epoch"] < 4
    kept = model.evaluate(LATER, LATER, verbose=0)
    assert kept == pytest.approx(history["val_loss"].min(), rel=1e-5)


def test_training_lowers_the_loss():
    history = training.fit(dense(), WINDOWS, WINDOWS, epochs=5, batch_size=8)
    assert history["loss"].iloc[-1] < history["loss"].iloc[0]


def test_validation_is_never_trained_on():
    digests = []
    for later in (LATER, -7 * LATER):
        model = dense()
        training.fit(model, WINDOWS, WINDOWS, validation=(later, later), epochs=2, patience=9)
        digests.append([digest_of(model)])
    alone = dense()
    training.fit(alone, WINDOWS, WINDOWS, epochs=2)
    assert digests[0] == digests[1] == [digest_of(alone)]


# A budget of steps


def test_a_budget_of_steps_is_kept_to_the_step_and_looked_at_forty_times():
    history = training.fit(
        dense(), WINDOWS, WINDOWS, validation=(LATER, LATER), steps=90, batch_size=16, patience=99
    )
    assert history.index.name == "step"
    assert len(history) == training.LOOKS
    assert history.index[-1] == history.attrs["steps"] == 90
    assert history.attrs["stopped"] == "budget"
    assert history.attrs["best_step"] == history["val_loss"].idxmin()


def test_steps_and_epochs_of_the_same_number_give_the_same_weights():
    digests = []
    for budget in ({"epochs": 2}, {"steps": 6}):  # three batches an epoch
        model = dense()
        history = training.fit(model, WINDOWS, WINDOWS, batch_size=16, **budget)
        digests.append(digest_of(model))
        assert history.attrs["steps"] == 6
    assert digests[0] == digests[1]


def test_training_does_not_stop_before_its_minimum_of_steps():
    ends = {}
    for least in (0, 14):
        history = training.fit(
            dense(learning_rate=2.0),  # it gets worse from the first step
            *(WINDOWS, WINDOWS),
            validation=(LATER, LATER),
            **{"steps": 30, "min_steps": least, "patience": 2, "batch_size": 16},
        )
        assert history.attrs["stopped"] == "patience"
        ends[least] = history.attrs["steps"]
    assert ends[0] < 10 < 14 <= ends[14] < 30


def test_the_ratio_tells_a_network_that_learned_from_one_that_predicts_the_mean():
    waves = np.sin(np.arange(5) + np.linspace(0, 6, 40)[:, None])[..., None]
    idle, learned = (
        training.fit(dense(rate, loss="mse"), waves, waves, epochs=3, batch_size=8)
        for rate in (1e-9, 0.2)
    )
    assert idle.attrs["ratio"] > 0.5
    assert learned.attrs["ratio"] < 0.1
    model = dense(1e-9, loss="mse")
    for weight in model.weights:
        weight.assign(0 * weight)
    nothing = training.fit(model, waves, waves - waves.mean(axis=0), epochs=1)
    assert nothing.attrs["ratio"] == pytest.approx(1.0, rel=1e-4)


# Losses


def test_both_losses_are_means_over_all_windows(monkeypatch):
    monkeypatch.setattr(training, "SCORED_AT_ONCE", 8)  # the 20 in three steps, the last of 4
    later = LATER * np.linspace(0.1, 5.0, len(LATER)).reshape(-1, 1, 1)  # no part as the whole
    model = dense(learning_rate=1e-9)  # and so all windows meet the same weights
    options = {"validation": (later, later), "epochs": 1, "batch_size": 16}
    history = training.fit(model, WINDOWS, WINDOWS, **options)
    losses = [
        np.abs(keras.ops.convert_to_numpy(model(part)) - part).mean() for part in (WINDOWS, later)
    ]
    np.testing.assert_allclose(history.loc[1], losses, rtol=1e-5)


# A learning rate that falls


@pytest.mark.parametrize("trainer", ["keras", "numpy"])
def test_the_rate_falls_in_a_straight_line_and_is_put_back(trainer, monkeypatch):
    model = models.build_dense_autoencoder(5, units=(3,), learning_rate=0.01)
    student = model if trainer == "keras" else backward.learner(model)
    monkeypatch.setattr(training, "learner", lambda model: student)
    seen, step = [], student.train_on_batch

    def noting(*batch, **options):
        seen.append(float(np.asarray(student.optimizer.learning_rate)))
        return step(*batch, **options)

    monkeypatch.setattr(student, "train_on_batch", noting)
    options = {"epochs": 4, "batch_size": 16, "decay": True, "trainer": trainer}
    training.fit(model, WINDOWS, WINDOWS, **options)
    np.testing.assert_allclose(seen, 0.01 * (1 - np.arange(12) / 12), rtol=1e-5)  # 3 an epoch
    assert float(np.asarray(model.optimizer.learning_rate)) == pytest.approx(0.01)


def test_an_interrupted_training_puts_the_rate_back(monkeypatch):
    model = dense()
    step = model.train_on_batch

    def interrupted(*batch, **options):
        if float(np.asarray(model.optimizer.learning_rate)) < 0.03:
            raise KeyboardInterrupt
        return step(*batch, **options)

    monkeypatch.setattr(model, "train_on_batch", interrupted)
    with pytest.raises(KeyboardInterrupt):
        training.fit(model, WINDOWS, WINDOWS, decay=True)
    assert float(np.asarray(model.optimizer.learning_rate)) == pytest.approx(0.05)


def test_a_schedule_of_keras_is_left_alone():
    model = dense()
    schedule = keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.5)
    model.compile(keras.optimizers.SGD(schedule), model.loss)
    training.fit(model, WINDOWS, WINDOWS, epochs=2, batch_size=8)
    rate = float(np.asarray(model.optimizer.learning_rate))
    assert rate == pytest.approx(0.1 * 0.5, rel=0.1)  # after ten steps


# History


@pytest.mark.parametrize(
    ("validation", "columns"), [(None, ["loss"]), ((LATER, LATER), ["loss", "val_loss"])]
)
def test_history(validation, columns):
    history = training.fit(dense(), WINDOWS, WINDOWS, validation=validation, epochs=3)
    pd.testing.assert_index_equal(history.index, pd.RangeIndex(1, 4, name="epoch"))
    assert history.columns.tolist() == columns
    assert np.isfinite(history.to_numpy()).all()
    assert set(history.attrs) == {"best_epoch", "seconds", "steps", "stopped", "ratio"}
    assert type(history.attrs["best_epoch"]) is int
    assert 1 <= history.attrs["best_epoch"] <= 3
    assert history.attrs["seconds"] > 0


def test_without_validation_all_epochs_run_and_the_last_is_kept():
    history = training.fit(dense(learning_rate=2.0), WINDOWS, WINDOWS, epochs=8)
    assert len(history) == history.attrs["best_epoch"] == 8


def test_read_only_views_can_be_trained_on():
    view = np.lib.stride_tricks.sliding_window_view(np.arange(30.0), 5)[:, :, np.newaxis]
    assert len(training.fit(dense(), view, view, epochs=1)) == 1


# Progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_nothing_is_written_when_nobody_watches(capfd, monkeypatch):
    monkeypatch.setenv("LIB_PROGRESS", "0")
    training.fit(dense(), WINDOWS, WINDOWS, validation=(LATER, LATER), epochs=2)
    assert capfd.readouterr() == ("", "")


def test_nothing_is_written_into_a_file(monkeypatch):
    monkeypatch.delenv("LIB_PROGRESS", raising=False)
    log = io.StringIO()
    monkeypatch.setattr(sys, "stdout", log)
    training.fit(dense(), WINDOWS, WINDOWS, epochs=2)
    assert log.getvalue() == ""


def test_a_terminal_shows_a_bar_that_is_gone_afterwards(monkeypatch):
    monkeypatch.delenv("LIB_PROGRESS", raising=False)
    monkeypatch.setattr(sys, "stdout", terminal := Terminal())
    training.fit(dense(), WINDOWS, WINDOWS, validation=(LATER, LATER), epochs=2)
    written = terminal.getvalue()
    assert "0/2" in written
    assert written.split("\r")[-1].strip() == ""  # the line is wiped


def test_an_automatic_run_shows_no_bar_even_in_a_terminal(monkeypatch):
    monkeypatch.setenv("LIB_PROGRESS", "0")
    monkeypatch.setattr(sys, "stdout", terminal := Terminal())
    training.fit(dense(), WINDOWS, WINDOWS, epochs=1)
    assert terminal.getvalue() == ""


# Errors, each before anything is trained


def with_value(values, bad):
    values = values.copy()
    values[-1, -1, -1] = bad
    return values


EMPTY = WINDOWS[:0]
BAD_CALLS = [
    ({"epochs": 0}, "`epochs` must be a positive integer. Received: epochs=0"),
    ({"epochs": -3}, "`epochs` .* Received: epochs=-3"),
    ({"epochs": 2.0}, "`epochs` .* Received: epochs=2.0"),
    ({"batch_size": "8"}, "`batch_size` .* Received: batch_size='8'"),
    ({"batch_size": True}, "`batch_size` .* Received: batch_size=True"),
    ({"patience": 0}, "`patience` .* Received: patience=0"),
    ({"patience": None}, "`patience` .* Received: patience=None"),
    ({"targets": WINDOWS[:-1]}, "`targets` must have one entry per window, 40. Received: 39"),
    ({"targets": WINDOWS[:, 0, 0]}, r"`targets` must have shape .*5, 1\).* Received: \(40,\)"),
    ({"targets": WINDOWS[:, :, 0]}, r"`targets` must have shape .*5, 1\).* Received: \(40, 5\)"),
    ({"targets": WINDOWS[:, :1]}, r"`targets` must have shape .*5, 1\).* Received: \(40, 1, 1\)"),
    ({"inputs": WINDOWS[:, :4]}, r"`inputs` must have shape .*5, 1\).* Received: \(40, 4, 1\)"),
    ({"inputs": WINDOWS[:, :, 0]}, r"`inputs` must have shape .*5, 1\).* Received: \(40, 5\)"),
    ({"inputs": EMPTY, "targets": EMPTY}, r"`inputs` .*at least one window. .*\(0, 5, 1\)"),
    ({"inputs": with_value(WINDOWS, np.nan)}, "`inputs` must be finite"),
    ({"targets": with_value(WINDOWS, np.inf)}, "`targets` must be finite"),
    ({"validation": (LATER, LATER[1:])}, "`targets` must have one entry per window, 20"),
    ({"validation": (LATER, LATER[:, 1:])}, r"`targets` must have shape .*\(20, 4, 1\)"),
    ({"validation": (EMPTY, EMPTY)}, "`inputs` .*at least one window"),
    ({"validation": (with_value(LATER, -np.inf), LATER)}, "`inputs` must be finite"),
]


@pytest.mark.parametrize(("change", "message"), BAD_CALLS)
def test_bad_arguments_are_named_before_training(change, message):
    model = dense()
    before = digest_of(model)
    call = {"inputs": WINDOWS, "targets": WINDOWS, "epochs": 1, **change}
    with pytest.raises(ValueError, match=message):
        training.fit(model, call.pop("inputs"), call.pop("targets"), **call)
    assert digest_of(model) == before


def test_a_restarted_model_trains_like_a_fresh_one_bit_for_bit():
    windows = np.random.default_rng(3).normal(size=(64, 6, 1))

    def build(seed):
        return models.build_lstm_autoencoder(window=6, units=3, dropout=0.3, seed=seed)

    fresh = build(seed=1)
    training.fit(fresh, windows, windows, epochs=2, seed=5)
    used = build(seed=0)
    training.fit(used, windows, windows, epochs=3, seed=9)
    training.restart(used, build(seed=1))
    training.fit(used, windows, windows, epochs=2, seed=5)
    for one, other in zip(used.get_weights(), fresh.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_training_that_diverges_says_so():
    windows = np.random.default_rng(0).normal(size=(32, 5, 1)) * 1e30
    model = models.build_lstm_autoencoder(window=5, units=2, loss="mse")
    with pytest.raises(ValueError, match="`learning_rate` must be small enough"):
        training.fit(model, windows, windows, epochs=2)
