"""SDK v2: the class Estimator, from training to batch transform."""

from __future__ import annotations

from example import Example

with Example() as example:
    names = example.names

    example.run("Train")
    example.report(model_data=names["estimator"].model_data)

    example.run("Serve")
    example.report(
        labels=names["labels"].tolist(),
        answer=names["answer"],
        from_json=names["from_json"],
        from_records=names["from_records"],
        from_csv=names["from_csv"],
        wrong_width=names["predictor"].predict(names["features"][:, :3]),
    )
    example.run("Delete")

    example.run("Batch transform")
    example.report(transformed=(example.folder / "predictions" / "rows.csv.out").read_text())

    example.run("Batch transform of records")
    example.report(transformed_records=(example.folder / "predictions" / "rows.pbr.out").read_text())

    example.run("When a job fails")

    example.run("Estimator on SageMaker")
    remote = names["remote"]
    example.report(remote_job=remote.latest_training_job.name, metric=remote.metric_definitions[0]["Regex"])
