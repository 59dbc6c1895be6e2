"""SDK v2: the class LinearLearner, and a multi-model endpoint."""

from __future__ import annotations

from example import Example

with Example() as example:
    names = example.names
    example.run("The class LinearLearner")
    example.report(
        image=names["amazons_name"],
        model_data=names["linear"].model_data,
        labels=names["labels"].tolist(),
        predicted=names["predicted"],
    )

    example.run("Several models on one endpoint")
    example.report(answers=names["answers"])
