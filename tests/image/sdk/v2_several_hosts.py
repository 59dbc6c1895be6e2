"""SDK v2: a training job on two containers."""

from __future__ import annotations

from example import Example

with Example() as example:
    example.run("Train")
    example.run("Several hosts")
    example.report(model_data=example.names["together"].model_data)
