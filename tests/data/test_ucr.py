"""The UCR archive as one zip: what is listed, what is read, and what is refused."""

import zipfile

import numpy as np
import pytest
from places import SHARED

from lib import data
from lib.data import ucr
from lib.errors import DataError

REAL = SHARED / "ucr_archive_145.zip"
VALUES = [float(k % 7) for k in range(60)]
LINES = "\n".join(map(str, VALUES)).encode()
WORDS = " ".join(f"{value:.3e}" for value in VALUES).encode()  # all in one line, as some are
FILES = {
    "a/b/005_UCR_Anomaly_DISTORTEDgait2_20_31_33.txt": LINES,
    "a/b/250_UCR_Anomaly_weallwalk_20_31_31.txt": WORDS,
    "__MACOSX/a/b/._005_UCR_Anomaly_DISTORTEDgait2_20_31_33.txt": b"\x00",
    "a/readme.txt": b"read me",
}


@pytest.fixture
def make(tmp_path, monkeypatch):
    """A function that writes a zip to the place of the archive and returns its path."""
    monkeypatch.setenv("LIB_DOWNLOADS", str(tmp_path))
    monkeypatch.delenv("LIB_UCR_ARCHIVE", raising=False)

    def write(files):
        path = tmp_path / "ucr_archive.zip"
        with zipfile.ZipFile(path, "w") as opened:
            for file, content in files.items():
                opened.writestr(file, content)
        return path

    return write


def test_series_are_listed_by_number_wherever_they_lie(make):
    make(FILES)
    listed = ucr.series()
    assert listed.index.tolist() == ["ucr_005", "ucr_250"]
    columns = ["file", "title", "source", "family", "train_rows", "first", "last"]
    assert list(listed) == columns
    assert listed.loc["ucr_005", columns[1:]].tolist() == [
        "UCR anomaly archive 005, DISTORTEDgait2", "gait2", "gait", 20, 31, 33,
    ]  # fmt: skip


@pytest.mark.parametrize(("name", "marked"), [("ucr_005", [30, 31, 32]), ("ucr_250", [30])])
def test_a_series_is_read_out_of_the_zip(name, marked, make):
    make(FILES)
    frame = data.load(name)
    assert frame["value"].tolist() == VALUES
    assert np.flatnonzero(frame["anomaly"]).tolist() == marked
    assert frame.index.name == "step"
    assert frame.attrs["name"] == name
    assert (frame.attrs["rows"], frame.attrs["train_rows"]) == (60, 20)
    assert {"title", "source", "family", "licence", "citation", "unit"} <= frame.attrs.keys()


def test_a_new_zip_is_listed_anew(make):
    make(FILES)
    listed = ucr.series()
    listed["title"] = "changed by the caller"
    assert ucr.series()["title"].tolist() == [
        "UCR anomaly archive 005, DISTORTEDgait2",
        "UCR anomaly archive 250, weallwalk",
    ]
    make({"006_UCR_Anomaly_gait3_20_31_33.txt": LINES})
    assert ucr.series().index.tolist() == ["ucr_006"]


def test_a_file_of_its_own_comes_before_the_zip(make, tmp_path):
    make(FILES)
    (tmp_path / "ucr").mkdir()
    own = tmp_path / "ucr" / "005_UCR_Anomaly_own_20_31_33.txt"
    own.write_bytes(LINES)
    assert data.load("ucr_005").attrs["source"] == "own"
    own.write_bytes(b"text")
    with pytest.raises(DataError, match=r"own_20_31_33.txt must hold numbers"):
        data.load("ucr_005")


def test_without_an_archive_the_command_is_named(make, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"lib fetch ucr` .*LIB_UCR_ARCHIVE.*archive\.zip"):
        data.load("ucr_005")
    with pytest.raises(FileNotFoundError, match="lib fetch ucr_001`"):
        data.load("ucr_001")


def test_an_unknown_number_is_refused(make):
    make(FILES)
    with pytest.raises(ValueError, match=r"one of the 2 series .* Received: name='ucr_251'"):
        data.load("ucr_251")


def test_a_zip_of_something_else_is_refused(make):
    make({"a.txt": b"1", "b.txt": b"2"})
    with pytest.raises(DataError, match=r"must hold files such as 001_UCR.*Received: 2 other"):
        ucr.series()


@pytest.mark.parametrize("content", [b"", b"no zip", b"PK\x03\x04" + b"0" * 100])
def test_what_is_no_zip_is_refused(content, make):
    make(FILES).write_bytes(content)
    with pytest.raises(DataError, match=r"must be a zip of the UCR archive\. Received: File is no"):
        ucr.series()


@pytest.mark.parametrize("cut", [0.5, 0.98])
def test_a_cut_zip_is_refused(cut, make):
    path = make(FILES)
    path.write_bytes(path.read_bytes()[: int(cut * path.stat().st_size)])
    with pytest.raises(DataError, match="must be a zip"):
        data.load("ucr_005")


def test_damage_inside_is_refused(make):
    path = make(FILES)
    path.write_bytes(path.read_bytes().replace(b"3.0\n4.0", b"3.0\n5.0", 1))
    with pytest.raises(DataError, match=r"gait2_20_31_33.txt must be whole.*Bad CRC"):
        data.load("ucr_005")


@pytest.mark.parametrize("content", [b"1 2 three", b"1 2 3", b"", b"\xff", b"nan " * 60])
def test_other_content_is_refused(content, make):
    make({"005_UCR_Anomaly_gait2_20_31_33.txt": content})
    with pytest.raises(DataError, match=r"gait2_20_31_33.txt must hold (finite )?numbers"):
        data.load("ucr_005")


@pytest.mark.parametrize(
    ("title", "source", "family"),
    [
        ("DISTORTED1sddb40", "1sddb40", "sddb"),
        ("NOISECIMIS44AirTemperature4", "CIMIS44AirTemperature4", "CIMISAirTemperature"),
        ("InternalBleeding16", "InternalBleeding16", "InternalBleeding"),
        ("TkeepForthMARS", "TkeepForthMARS", "TkeepForthMARS"),
        ("DISTORTEDltstdbs30791AS", "ltstdbs30791AS", "ltstdbsAS"),
        ("mit14046longtermecg", "mit14046longtermecg", "mitlongtermecg"),
        ("DISTORTEDs20101mML2", "s20101mML2", "smML"),
        ("gaitHunt3", "gaitHunt3", "gaitHunt"),
    ],
)
def test_sources_and_families(title, source, family):
    one = ucr.described(f"007_UCR_Anomaly_{title}_20_31_33.txt")
    assert (one["source"], one["family"]) == (source, family)


@pytest.fixture
def real(monkeypatch):
    if not REAL.exists():
        pytest.skip(f"needs {REAL.name}, a part of the archive that does not ship")
    monkeypatch.setenv("LIB_UCR_ARCHIVE", str(REAL))


def test_the_real_archive_is_listed(real):
    listed = ucr.series()
    assert len(listed) == 145
    assert (listed["source"].nunique(), listed["family"].nunique()) == (71, 31)
    assert (listed["train_rows"] < listed["first"]).all()
    assert (listed["first"] <= listed["last"]).all()


@pytest.mark.parametrize("name", ["ucr_001", "ucr_136", "ucr_152"])
def test_the_zip_holds_the_values_of_the_files(name, real, monkeypatch):
    monkeypatch.setenv("LIB_DOWNLOADS", "nowhere")
    frame = data.load(name)
    paths = list((SHARED / "ucr").glob(f"{name[4:]}_*.txt"))
    if not paths:
        pytest.skip("needs single files of the archive, which do not ship")
    assert (frame["value"].to_numpy() == np.loadtxt(paths[0])).all()
    monkeypatch.setenv("LIB_DOWNLOADS", str(SHARED))
    assert frame.equals(data.load(name))
    assert frame.attrs == data.load(name).attrs
