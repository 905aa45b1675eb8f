"""A stored detector: whole or not at all, readable on every backend, and never executed."""

import copy
import errno
import hashlib
import json
import os
import pickle
import resource
import subprocess
import sys
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
from places import ROOT

from lib.backend import keras
from lib.detectors import storage
from lib.detectors.detector import Detector
from lib.detectors.network import Network
from lib.errors import DetectorError

WINDOW = 6
SERIES = pd.DataFrame(
    np.random.default_rng(0).normal(size=(80, 2)).cumsum(axis=0),
    columns=["wind speed", "Leistung in °C"],
    index=pd.RangeIndex(80, name="step"),
)
HOLES = SERIES.mask(np.random.default_rng(1).random((80, 2)) < 0.1)


def fitted(seed=0, **options):
    settings = {"options": {"units": (4,)}, "epochs": 1, **options}
    return Detector("dense_autoencoder", WINDOW, seed=seed, **settings).fit(SERIES)


@pytest.fixture(scope="module")
def one():
    return fitted(balance=True, smooth=2)


@pytest.fixture(scope="module")
def other():
    return fitted(seed=1)


@pytest.fixture
def folder(tmp_path, one):
    one.save(tmp_path / "detector")
    return tmp_path / "detector"


def is_the_same(loaded, saved):
    pd.testing.assert_series_equal(
        loaded.decision_function(HOLES), saved.decision_function(HOLES), rtol=0, atol=1e-6
    )
    pd.testing.assert_series_equal(loaded.predict(HOLES), saved.predict(HOLES))
    assert loaded.threshold_ == saved.threshold_
    return True


# Back and forth


def test_what_is_loaded_is_what_was_saved(folder, one):
    loaded = Detector.load(str(folder))
    assert is_the_same(loaded, one)
    assert loaded.recipe == one.recipe
    assert loaded.features_ == one.features_
    assert loaded.n_windows_ == one.n_windows_
    pd.testing.assert_frame_equal(loaded.scaler_, one.scaler_)
    pd.testing.assert_frame_equal(loaded.history_, one.history_)
    assert loaded.history_.attrs == one.history_.attrs
    pd.testing.assert_frame_equal(loaded.contributions(HOLES), one.contributions(HOLES))


def test_a_loaded_detector_goes_on(folder, one, tmp_path):
    loaded = Detector.load(folder)
    stream = pd.concat([loaded.update(HOLES.iloc[:30]), loaded.update(HOLES.iloc[30:])])
    expected = one.decision_function(HOLES)
    np.testing.assert_allclose(stream, expected, rtol=0, atol=1e-6)
    loaded.save(tmp_path / "again")
    assert is_the_same(Detector.load(tmp_path / "again"), one)
    assert loaded.fit(SERIES).threshold_ == one.threshold_


def test_the_json_can_be_read(folder, one):
    header = json.loads((folder / "detector.json").read_text(encoding="utf-8"))
    assert sorted(path.name for path in folder.iterdir()) == ["detector.json", "model.keras"]
    assert header["version"] == storage.VERSION
    assert header["recipe"]["kind"] == "dense_autoencoder"
    assert header["features"] == ["wind speed", "Leistung in °C"]
    assert header["threshold"] == one.threshold_
    assert header["made_with"]["backend"] == keras.backend.backend()
    assert "wind speed" in (folder / "detector.json").read_text(encoding="utf-8")


def test_an_infinite_threshold_survives(tmp_path):
    saved = fitted(threshold="conformal", threshold_options={"alpha": 1e-4})
    assert saved.threshold_ == np.inf
    saved.save(tmp_path / "detector")
    assert is_the_same(Detector.load(tmp_path / "detector"), saved)


def test_folders_on_the_way_are_made(one, tmp_path):
    one.save(tmp_path / "a" / "b")
    assert is_the_same(Detector.load(tmp_path / "a" / "b"), one)
    assert os.listdir(tmp_path / "a") == ["b"]


# Replacing


def test_a_detector_is_replaced(folder, other):
    other.save(folder)
    assert is_the_same(Detector.load(folder), other)
    assert os.listdir(folder.parent) == ["detector"]


def test_an_empty_folder_is_filled(tmp_path, one):
    one.save(tmp_path)
    assert is_the_same(Detector.load(tmp_path), one)


@pytest.mark.parametrize(
    "names",
    [["notes.txt"], ["detector.json"], ["model.keras"], ["detector.json", "model.keras", "a.csv"]],
)
def test_a_folder_that_is_no_detector_is_left_alone(names, tmp_path, one):
    for name in names:
        (tmp_path / name).write_text("precious")
    with pytest.raises(DetectorError):
        one.save(tmp_path)
    assert sorted(os.listdir(tmp_path)) == sorted(names)
    assert {(tmp_path / name).read_text() for name in names} == {"precious"}


def test_a_file_beside_the_detector_is_not_lost(folder, other, one):
    (folder / "notes.txt").write_text("precious")
    with pytest.raises(DetectorError, match=r"nothing but a detector.*'notes.txt' in it"):
        other.save(folder)
    assert (folder / "notes.txt").read_text() == "precious"
    assert is_the_same(Detector.load(folder), one)


def test_a_file_is_not_overwritten(tmp_path, one):
    (tmp_path / "detector").write_text("precious")
    with pytest.raises(DetectorError, match="`folder` must not be a file"):
        one.save(tmp_path / "detector")
    assert (tmp_path / "detector").read_text() == "precious"


def test_what_can_be_replaced_is_known_beforehand(folder, tmp_path):
    for fine in (folder, tmp_path / "new"):
        storage.check_replaceable(fine)
    (folder / "notes.txt").write_text("precious")
    with pytest.raises(DetectorError, match="nothing but a detector"):
        storage.check_replaceable(str(folder))


def only_the_old_is_left(folder, old):
    assert is_the_same(Detector.load(folder), old)
    assert os.listdir(folder.parent) == [folder.name]


@pytest.mark.parametrize("limit", [0, 200, 5000])
def test_a_full_disk_leaves_the_old_one_whole(limit, folder, one, other):
    """The system itself refuses to write on after `limit` bytes of a file."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        with pytest.raises(OSError):  # noqa: PT011 - which one depends on who writes
            other.save(folder)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    only_the_old_is_left(folder, one)


@pytest.mark.parametrize("failing", ["fsync", "rename", "second rename"])
@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(errno.ENOSPC, "no space")])
def test_an_interruption_leaves_the_old_one_whole(failing, error, folder, one, other, monkeypatch):
    calls = []
    real = getattr(os, failing.split()[-1])

    def fail(*arguments):
        calls.append(arguments)
        if len(calls) == (2 if failing.startswith("second") else 1):
            raise error
        return real(*arguments)

    monkeypatch.setattr(os, failing.split()[-1], fail)
    with pytest.raises(type(error)):
        other.save(folder)
    monkeypatch.undo()
    assert calls
    only_the_old_is_left(folder, one)


def test_killed_between_the_moves_the_old_one_is_still_found(folder, one, other, monkeypatch):
    class Killed(BaseException):
        pass

    def move_once(temporary, place):
        os.rename(place, storage._previous(place))
        raise Killed

    monkeypatch.setattr(storage, "_move", move_once)
    monkeypatch.setattr(storage.shutil, "rmtree", lambda *a, **options: None)  # dead men don't tidy
    with pytest.raises(Killed):
        other.save(folder)
    monkeypatch.undo()
    assert not folder.exists()
    assert is_the_same(Detector.load(folder), one)
    other.save(folder)
    assert is_the_same(Detector.load(folder), other)
    assert not storage._previous(folder).exists()


# While others save, and after they were killed

SAVER = """
import sys
from lib.detectors.detector import Detector
first, second, target = sys.argv[1:]
pair = [Detector.load(first), Detector.load(second)]
while True:
    for one in pair:
        one.save(target)
"""


@pytest.mark.slow
def test_a_load_while_another_saves_never_mixes_two_detectors(one, other, tmp_path):
    one.save(tmp_path / "a")
    other.save(tmp_path / "b")
    one.save(tmp_path / "target")
    words = [sys.executable, "-c", SAVER, *(str(tmp_path / name) for name in ("a", "b", "target"))]
    known = [it.model_.get_weights()[0] for it in (one, other)]
    found = []
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(words, env=environment) as saver:
        try:
            while len(set(found)) < 2 or len(found) < 60:
                loaded = Detector.load(tmp_path / "target")
                which = [loaded.threshold_ == it.threshold_ for it in (one, other)].index(True)
                np.testing.assert_array_equal(loaded.model_.get_weights()[0], known[which])
                found.append(which)
        finally:
            saver.kill()
    one.save(tmp_path / "target")
    assert is_the_same(Detector.load(tmp_path / "target"), one)
    assert sorted(os.listdir(tmp_path)) == ["a", "b", "target"]


def test_what_killed_savers_left_is_removed(folder, other, tmp_path):
    for name, content in (
        (".detector.0123abcd.tmp", storage.JSON),
        (".detector.89abcdef.tmp", "x.txt"),
    ):
        (tmp_path / name).mkdir()
        (tmp_path / name / content).write_text("left")
    (tmp_path / ".detector.mine.tmp").mkdir()
    other.save(folder)
    assert sorted(os.listdir(tmp_path)) == [
        ".detector.89abcdef.tmp",  # not ours
        ".detector.mine.tmp",
        "detector",
    ]


@pytest.mark.skipif(storage.fcntl is None, reason="no locks")
def test_the_temporary_folder_of_a_living_saver_stays(folder, other, tmp_path):
    living = tmp_path / ".detector.0123abcd.tmp"
    living.mkdir()
    with storage._locked(living):
        other.save(folder)
        assert living.exists()
    other.save(folder)
    assert not living.exists()


@pytest.mark.parametrize("left", [[], ["model.keras"], ["detector.json"]])
def test_a_kill_while_the_old_one_is_removed_does_not_block_saving(folder, one, other, left):
    previous = storage._previous(folder)
    previous.mkdir()
    for name in left:
        (previous / name).write_bytes((folder / name).read_bytes())
    storage.check_replaceable(folder)
    other.save(folder)
    assert is_the_same(Detector.load(folder), other)
    assert os.listdir(folder.parent) == ["detector"]


def test_plain_keras_opens_the_model(folder, one):
    path = str(folder / "model.keras")
    code = f"import keras; print(keras.models.load_model({path!r}).output_shape)"
    environment = {**os.environ, "PYTHONPATH": ""}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd="/", env=environment, capture_output=True, text=True
    )
    assert done.stdout.strip() == f"(None, {WINDOW}, 2)", done.stderr


def test_a_history_without_a_ratio_is_stored(one, tmp_path):
    """Where the loss of the mean is 0, nothing can be divided by it."""
    other = copy.copy(one)
    other._pipeline = copy.copy(one._pipeline)
    other._pipeline.history = one.history_.copy()
    other.history_.attrs = {**one.history_.attrs, "ratio": float("nan")}
    other.save(tmp_path / "one")
    assert Detector.load(tmp_path / "one").history_.attrs["ratio"] is None


def test_a_mount_point_is_filled_and_filled_again(tmp_path, one, monkeypatch):
    """It cannot be moved, as other folders are."""
    mount = tmp_path / "volume"
    mount.mkdir()
    monkeypatch.setattr(os.path, "ismount", lambda path: Path(path) == mount)
    moved = os.rename

    def rename(source, target):
        assert mount not in (Path(source), Path(target))
        moved(source, target)

    monkeypatch.setattr(os, "rename", rename)
    for fresh in (Detector("pca", WINDOW).fit(SERIES), one):
        fresh.save(mount)
        (mount / "model.keras.part").write_bytes(b"of a saver that was killed")
        assert Detector.load(mount).recipe == fresh.recipe
    assert not (mount / "state.npz").exists()
    assert {path.name for path in tmp_path.iterdir()} == {"volume"}


@pytest.mark.parametrize("place", ["a\0b", "~nobody-here/one", "x" * 5000, "loop/one", None, 5])
def test_what_is_no_path_is_one_error(place, one, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    os.symlink("loop", "loop")
    for ask in (one.save, Detector.load, storage.check_replaceable):
        with pytest.raises(DetectorError, match=r"`folder` must be|must be a folder"):
            ask(place)


# What is refused


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def edit(folder, **changes):
    path = folder / "detector.json"
    header = json.loads(path.read_text(encoding="utf-8"))
    for name, value in changes.items():
        where = header
        *outer, last = name.split("__")
        for key in outer:
            where = where[key]
        where[last] = value
    path.write_text(json.dumps(header), encoding="utf-8")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"version": storage.VERSION + 1}, "version 5, newer than 4, the last this one can read"),
        ({"version": "1"}, r"a damaged detector.json \(version='1'\)"),
        ({"version": None}, "a damaged detector.json"),
        ({"format": "somebody/else"}, "a detector.json of another format"),
        ({"model": None}, "no model.keras beside detector.json"),
        ({"model__file": "../model.keras"}, "no model.keras beside"),
        ({"model__sha256": "0" * 64}, "a damaged model.keras: its SHA-256"),
        ({"recipe": None}, "a damaged one"),
        ({"recipe": {"kind": "dense_autoencoder", "windw": 6}}, "a damaged one"),
        ({"recipe__window": 7}, "a damaged one"),
        ({"recipe__kind": "lstm_autoencoder"}, "a damaged one"),
        ({"recipe__options": {"units": (5,)}}, "a damaged one"),
        ({"recipe__options": {"activation": {"class_name": "Lambda"}}}, "numbers, words and lists"),
        ({"recipe__options": {"activation": "lib>anything"}}, "`activation` must be one of"),
        ({"features": ["wind speed"]}, "a damaged one"),
        ({"features": ["wind speed", "wind speed"]}, "a damaged one"),
        ({"features": [1, 2]}, "a damaged one"),
        ({"features": None}, "a damaged one"),
        ({"scaler__scale": [1.0, 0.0]}, "a damaged one"),
        ({"scaler__scale": [1.0]}, "a damaged one"),
        ({"scaler__mean": [1.0, float("nan")]}, "a damaged one"),
        ({"scaler": [1, 2]}, "a damaged one"),
        ({"threshold": "high"}, "a damaged one"),
        ({"threshold": float("nan")}, "a damaged one"),
        ({"history": {}}, "a damaged one"),
        ({"history__losses": {"loss": [float("nan")]}}, "`history` must hold finite"),
        ({"history__attrs": {"ratio": float("inf")}}, "`history` must hold finite"),
        ({"n_windows": -5}, "`n_windows` must be an integer"),
        ({"n_windows": 10**400}, "`n_windows` must be an integer"),
        ({"features": ["", "wind"]}, "texts of one line"),
        ({"features": "ab"}, "`features` must be a list"),
        ({"recipe__targets": ["wind"]}, "`targets` must be one of"),
    ],
)
def test_a_json_that_was_changed_is_one_error(folder, changes, message):
    edit(folder, **changes)
    with pytest.raises(DetectorError, match=message):
        Detector.load(folder)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '{"format": 1}', "[" * 100_000, "\ufeff{}", "1" * 5000]
)
def test_a_json_that_is_none_is_one_error(folder, text):
    (folder / "detector.json").write_text(text, encoding="utf-8")
    with pytest.raises(DetectorError, match=r"must be a folder that `Detector\.save` wrote"):
        Detector.load(folder)


def test_bytes_that_are_no_text_are_one_error(folder):
    (folder / "detector.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DetectorError, match=r"a damaged detector\.json"):
        Detector.load(folder)


@pytest.mark.parametrize("name", ["detector.json", "model.keras"])
def test_half_a_folder_is_one_error(folder, name):
    (folder / name).unlink()
    with pytest.raises(DetectorError, match=name):
        Detector.load(folder)


@pytest.mark.parametrize("damage", ["cut", "bit", "empty"])
def test_damaged_weights_are_one_error(folder, damage):
    path = folder / "model.keras"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    pieces = {"cut": content[: len(content) // 2], "bit": content, "empty": b""}
    path.write_bytes(pieces[damage])
    with pytest.raises(DetectorError, match=r"a damaged model\.keras"):
        Detector.load(folder)
    edit(folder, model__sha256=sha256(path))
    if damage != "bit":  # one wrong bit may lie where nobody looks
        with pytest.raises(DetectorError, match="a damaged"):
            Detector.load(folder)


@pytest.fixture
def nothing_is_built(monkeypatch):
    def build(*arguments, **options):
        raise AssertionError("built all the same")

    monkeypatch.setattr(Network, "load", build)


def rewritten(folder, change):
    """Change the weights' file of a detector, an HDF5 file in a zip file, and its checksum."""
    path = folder / "model.keras"
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    weights = folder.parent / "changed.h5"
    weights.write_bytes(files["model.weights.h5"])
    with h5py.File(weights, "r+") as file:
        change(file)
    files["model.weights.h5"] = weights.read_bytes()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    edit(folder, model__sha256=sha256(path))


def first_weights(file):
    names = []
    file.visititems(lambda name, it: names.append(name) if isinstance(it, h5py.Dataset) else None)
    return names[0]


def huge(file):
    file.create_dataset("more", (10**9,), "f4", compression="gzip", fillvalue=0)


def elsewhere(file):
    name = first_weights(file)
    shape = file[name].shape
    del file[name]
    file.create_dataset(name, shape, "f4", external=[("/etc/hostname", 0, h5py.h5f.UNLIMITED)])


def a_link(file):
    name = first_weights(file)
    del file[name]
    file[name] = h5py.ExternalLink("other.h5", "/x")


def a_loop(file):
    file["layers/again"] = file["/"]


@pytest.mark.usefixtures("nothing_is_built")
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (huge, "declares more numbers"),
        (elsewhere, "no plain numbers"),
        (a_link, "a link to elsewhere"),
        (a_loop, "a damaged one"),
    ],
)
def test_weights_that_are_not_what_they_should_be_are_not_read(folder, change, message):
    rewritten(folder, change)
    with pytest.raises(DetectorError, match=message):
        Detector.load(folder)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_no_numbers_are_refused(folder, value):
    def spoil(file):
        file[first_weights(file)][...] = value

    rewritten(folder, spoil)
    with pytest.raises(DetectorError, match="weights that are no finite numbers"):
        Detector.load(folder)


@pytest.mark.usefixtures("nothing_is_built")
@pytest.mark.parametrize(
    ("kind", "network"),
    [
        ("dense_autoencoder", {"units": [20_000, 20_000]}),
        ("dense_autoencoder", {"latent": 10**30}),
        ("lstm_autoencoder", {"units": 16_000}),
        ("lstm_autoencoder", {"units": 8, "depth": 10**12}),
        ("lstm_forecaster", {"units": [50_000]}),
        ("conv_autoencoder", {"filters": [100_000, 100_000]}),
    ],
)
def test_a_recipe_that_is_too_large_for_its_file_is_not_built(folder, kind, network):
    edit(folder, recipe__kind=kind, recipe__options=network)
    with pytest.raises(
        DetectorError, match=r"a damaged model\.keras: [\d,]+ bytes for [\d,]+ param"
    ):
        Detector.load(folder)


@pytest.mark.usefixtures("nothing_is_built")
def test_a_file_that_is_too_large_is_not_read(folder):
    os.truncate(folder / "model.keras", 30_000_000_000)  # a sparse one
    with pytest.raises(DetectorError, match="30,000,000,000 bytes for 134 parameters"):
        Detector.load(folder)


def test_what_is_not_there_is_one_error(tmp_path):
    with pytest.raises(DetectorError, match="nothing at that place"):
        Detector.load(tmp_path / "detector")
    (tmp_path / "file").write_text("x")
    with pytest.raises(DetectorError, match="Received: a file"):
        Detector.load(tmp_path / "file")
    with pytest.raises(DetectorError, match=r"a folder without detector\.json"):
        Detector.load(tmp_path)


# What is never executed

MARK = "executed.txt"


@pytest.fixture
def trap(tmp_path, monkeypatch):
    """A config that runs code as soon as Keras builds a network from it, and proof that it does."""
    monkeypatch.chdir(tmp_path)
    inputs = keras.Input((WINDOW, 2))
    run = keras.layers.Lambda(lambda x: (open("executed.txt", "w").close(), x)[1])
    keras.Model(inputs, run(inputs)).save("evil.keras")
    Path(MARK).unlink()
    keras.saving.load_model("evil.keras", safe_mode=False)
    assert Path(MARK).exists(), "the trap does not work, so that the tests would prove nothing"
    Path(MARK).unlink()
    return zipfile.ZipFile("evil.keras").read("config.json")


FOREIGN = json.dumps(
    {
        "module": "pathlib",
        "class_name": "Path.touch",
        "config": {"self": MARK},
        "registered_name": "touch",
        "build_config": {},
    }
).encode()


@pytest.mark.parametrize("foreign", [False, True])
def test_a_config_that_runs_code_is_not_looked_at(folder, one, trap, foreign):
    path = folder / "model.keras"
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    assert "config.json" in files
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            evil = FOREIGN if foreign else trap
            archive.writestr(name, evil if name == "config.json" else content)
    edit(folder, model__sha256=sha256(path))
    assert is_the_same(Detector.load(folder), one)
    assert not Path(MARK).exists()


class Evil:
    def __reduce__(self):
        return Path.touch, (Path(MARK),)


@pytest.mark.parametrize("name", ["detector.json", "model.keras"])
def test_a_pickle_is_not_opened(folder, name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (folder / name).write_bytes(pickle.dumps(Evil()))
    edit_or_not = sha256(folder / name)
    if name == "model.keras":
        edit(folder, model__sha256=edit_or_not)
    with pytest.raises(DetectorError):
        Detector.load(folder)
    assert not Path(MARK).exists()


@pytest.mark.parametrize("path", sorted((ROOT / "lib" / "detectors").glob("*.py")))
def test_no_module_of_the_detector_names_what_runs_code(path):
    code = path.read_text(encoding="utf-8")
    for name in ("import pickle", "joblib", "eval(", "exec(", "load_model", "from_config"):
        assert name not in code
