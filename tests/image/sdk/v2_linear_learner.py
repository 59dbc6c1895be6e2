"""SDK v2: the class LinearLearner, with an S3 of this process's own."""

from __future__ import annotations

import os

from example import Example
from moto.server import ThreadedMotoServer

server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
host, port = server.get_host_and_port()
os.environ["AWS_ENDPOINT_URL_S3"] = f"http://{host}:{port}"

import boto3  # noqa: E402  (it must find the address above)

region = os.environ["AWS_DEFAULT_REGION"]
boto3.client("s3").create_bucket(Bucket="my-bucket", CreateBucketConfiguration={"LocationConstraint": region})

example = Example()
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
