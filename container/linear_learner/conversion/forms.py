"""The forms that a model is converted to, by name, and what each leaves out."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from linear_learner.conversion import c_source, onnx_file, python_source, scikit_learn
from linear_learner.conversion.parts import Parts
from linear_learner.errors import ClientError
from linear_learner.model import artifact
from linear_learner.model.linear_model import LinearModel, Model
from linear_learner.whole_file import whole_file

NAMES, CLASSES, FILLS = "the names of features", "the texts of classes", "what takes the place of missing values"


@dataclass(frozen=True)
class Form:
    """``write`` puts the model at a path. ``keeps``: those of NAMES, CLASSES and FILLS that it has a place for."""

    write: Callable[[LinearModel, Path], None]
    keeps: frozenset[str]


ALL = frozenset({NAMES, CLASSES, FILLS})


def read(place: Path) -> Model:
    """The model at ``place``: an archive or folder of ours or Amazon's, or the JSON of ``scikit_learn``."""
    if place.is_file():
        with place.open("rb") as file:
            if file.read(1) == b"{":
                return scikit_learn.read(place)
    return artifact.load(place)


def left_out(model: LinearModel, form: Form) -> list[str]:
    """What of the model the form has no place for."""
    if form is FORMS["linear-learner"]:
        return []
    parts = Parts.of(model)
    there = {NAMES: bool(parts.names), CLASSES: bool(parts.classes), FILLS: parts.fills is not None}
    missing = [what for what, is_there in there.items() if is_there and what not in form.keeps]
    schema = model.metadata.get("schema")
    has_categories = isinstance(schema, dict) and bool(schema.get("columns"))
    return [*missing, *(["the levels of categories, which are features there"] if has_categories else [])]


def _of_text(text: Callable[[Parts, str], bytes]) -> Callable[[LinearModel, Path], None]:
    return lambda model, path: _write(path, text(Parts.of(model), _module(path)))


def _module(path: Path) -> str:
    """A name for help and comments, whatever the file is called."""
    return re.sub(r"\W", "_", path.stem, flags=re.ASCII) or "model"


def _write(path: Path, content: bytes) -> None:
    with whole_file(path) as stream:
        stream.write(content)


def _ours(model: LinearModel, path: Path) -> None:
    if path.is_file():
        raise ClientError("A file stands where a folder should", where=str(path), fix="name a folder")
    artifact.save(_with_sound_metadata(model), path, pack=True)


def _with_sound_metadata(model: LinearModel) -> LinearModel:
    """Anyone may have written them; what is no set of hyperparameters is left out."""
    if isinstance(model.metadata.get("hyperparameters", {}), dict):
        return model
    return replace(model, metadata={k: value for k, value in model.metadata.items() if k != "hyperparameters"})


def _amazons(model: LinearModel, path: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="linear-learner-") as folder:
        artifact.save(_with_sound_metadata(model), Path(folder), pack=False, own_keys=False)
        packed = Path(folder) / "model_algo-1"
        if path.name.endswith((".tar.gz", ".tgz")):
            artifact.write_tar(Path(folder) / "tar", {packed.name: packed})
            packed = Path(folder) / "tar"
        _write(path, packed.read_bytes())


FORMS = {
    "linear-learner": Form(_ours, ALL),
    "amazon": Form(_amazons, frozenset()),
    "onnx": Form(lambda model, path: _write(path, onnx_file.to_onnx(Parts.of(model))), ALL),
    "scikit-learn": Form(lambda model, path: _write(path, scikit_learn.to_json(Parts.of(model))), ALL),
    "python": Form(_of_text(python_source.to_python), ALL),
    "c": Form(_of_text(c_source.to_c), ALL),
}
