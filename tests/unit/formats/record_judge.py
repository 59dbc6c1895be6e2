"""Google's protobuf library, told of Amazon's Record message: what our own reader is held against."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

FIELD = descriptor_pb2.FieldDescriptorProto
PACKAGE = "aialgs.data"


def _add(message: Any, name: str, number: int, kind: int, *, label: int = FIELD.LABEL_OPTIONAL, **more: Any) -> None:
    field = message.field.add(name=name, number=number, type=kind, label=label)
    if more.get("packed"):
        field.options.packed = True
    if "of" in more:
        field.type_name = f".{PACKAGE}.{more['of']}"
    if "oneof" in more:
        field.oneof_index = more["oneof"]


def _classes(packed: bool) -> dict[str, Any]:
    file = descriptor_pb2.FileDescriptorProto(name=f"record_{packed}.proto", package=PACKAGE, syntax="proto2")
    repeated = FIELD.LABEL_REPEATED
    for kind, number_type in (
        ("Float32", FIELD.TYPE_FLOAT),
        ("Float64", FIELD.TYPE_DOUBLE),
        ("Int32", FIELD.TYPE_INT32),
    ):
        tensor = file.message_type.add(name=f"{kind}Tensor")
        _add(tensor, "values", 1, number_type, label=repeated, packed=packed)
        _add(tensor, "keys", 2, FIELD.TYPE_UINT64, label=repeated, packed=packed)
        _add(tensor, "shape", 3, FIELD.TYPE_UINT64, label=repeated, packed=packed)
    blob = file.message_type.add(name="Bytes")
    _add(blob, "value", 1, FIELD.TYPE_BYTES, label=repeated)
    _add(blob, "content_type", 2, FIELD.TYPE_STRING)
    for type_name in ("Value", "ValueOfEntry"):
        value = file.message_type.add(name=type_name)
        value.oneof_decl.add(name="value")
        for name, number, of in (
            ("float32_tensor", 2, "Float32Tensor"),
            ("float64_tensor", 3, "Float64Tensor"),
            ("int32_tensor", 7, "Int32Tensor"),
        ):
            _add(value, name, number, FIELD.TYPE_MESSAGE, of=of, oneof=0)
    _add(file.message_type[-2], "bytes", 9, FIELD.TYPE_MESSAGE, of="Bytes", oneof=0)
    _add(file.message_type[-1], "bytes", 9, FIELD.TYPE_BYTES, oneof=0)
    record = file.message_type.add(name="Record")
    for name, number in (("features", 1), ("label", 2)):
        entry = record.nested_type.add(name=f"{name.capitalize()}Entry")
        entry.options.map_entry = True
        _add(entry, "key", 1, FIELD.TYPE_STRING)
        _add(entry, "value", 2, FIELD.TYPE_MESSAGE, of="Value")
        _add(record, name, number, FIELD.TYPE_MESSAGE, label=repeated, of=f"Record.{entry.name}")
    entry = file.message_type.add(name="Entry")
    _add(entry, "key", 1, FIELD.TYPE_BYTES)
    _add(entry, "value", 2, FIELD.TYPE_MESSAGE, of="ValueOfEntry")
    entries = file.message_type.add(name="Entries")
    for name, number in (("features", 1), ("label", 2)):
        _add(entries, name, number, FIELD.TYPE_MESSAGE, label=repeated, of="Entry")
    for name, number in (("uid", 3), ("metadata", 4), ("configuration", 5)):
        _add(record, name, number, FIELD.TYPE_STRING)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{PACKAGE}.{name}"))
        for name in ("Record", "Entries")
    }


_PACKED = _classes(packed=True)
Record = _PACKED["Record"]
Entries = _PACKED["Entries"]
"""A Record with its maps as what they are on the wire: repeated entries of key and value, the last of a key counts.
(The library leaves out of a map each entry that holds an unknown field too; other implementations do not.) What is in a
Bytes is not looked into, which our reader, that has no use for one, does not do either."""
UnpackedRecord = _classes(packed=False)["Record"]
"""The same message from a writer that does not pack repeated numbers."""

TENSORS = {"float32": "float32_tensor", "float64": "float64_tensor", "int32": "int32_tensor"}


def record(
    features: Any, label: Any = None, *, kind: str = "float32", label_kind: str = "float32", cls: Any = Record
) -> Any:
    """A dense Record as the SageMaker SDK fills it."""
    message = cls()
    getattr(message.features["values"], TENSORS[kind]).values.extend(np.asarray(features).tolist())
    if label is not None:
        getattr(message.label["values"], TENSORS[label_kind]).values.extend(np.atleast_1d(label).tolist())
    return message


def frame(payload: bytes) -> bytes:
    """A payload in the frame that the SageMaker SDK writes."""
    return struct.pack("<II", 0xCED7230A, len(payload)) + payload + bytes(-len(payload) % 4)


def file_of(*records: Any) -> bytes:
    return b"".join(frame(message.SerializeToString()) for message in records)
