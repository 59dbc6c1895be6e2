"""SDK v3: ModelTrainer in a local container, and an endpoint through the local session."""

from __future__ import annotations

from example import Example

with Example() as example:
    names = example.names

    example.run("Train with ModelTrainer")
    example.run("Serve with the session's client")
    example.report(labels=names["labels"], answer=names["answer"])

    example.run("ModelTrainer on SageMaker")
    example.report(remote_job=names["remote"]._latest_training_job.training_job_name)
