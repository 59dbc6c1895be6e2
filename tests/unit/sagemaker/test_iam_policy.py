"""docs/iam-policy.json, held against what the code calls."""

from __future__ import annotations

import ast
import functools
import json
from pathlib import Path

import botocore.session
import pytest
from botocore import xform_name

import linear_learner
from linear_learner.aws import OPERATIONS, action

PACKAGE = Path(linear_learner.__file__).parent
POLICY = PACKAGE.parents[1] / "docs/iam-policy.json"
BESIDE = {
    "iam:PassRole": "giving a job or a model its role",
    "sagemaker:AddTags": "making anything with a tag",
    "ecr:TagResource": "making a repository with a tag",
    **dict.fromkeys(
        (
            "ecr:BatchCheckLayerAvailability",
            "ecr:BatchGetImage",
            "ecr:InitiateLayerUpload",
            "ecr:UploadLayerPart",
            "ecr:CompleteLayerUpload",
            "ecr:PutImage",
        ),
        "docker push",
    ),
}
"""What is needed although we do not call it, and for what."""


def allowed() -> set[str]:
    actions: set[str] = set()
    for statement in json.loads(POLICY.read_text())["Statement"]:
        assert statement["Effect"] == "Allow"
        found = statement["Action"]
        actions |= {found} if isinstance(found, str) else set(found)
    return actions


@functools.cache
def trees() -> dict[str, ast.Module]:
    return {str(file.relative_to(PACKAGE)): ast.parse(file.read_text()) for file in PACKAGE.rglob("*.py")}


def test_it_allows_what_is_called_and_nothing_else() -> None:
    called = {action(operation) for operations in OPERATIONS.values() for operation in operations}
    assert allowed() == called | BESIDE.keys()


def test_nothing_is_allowed_on_everything_but_what_cannot_be_narrowed() -> None:
    for statement in json.loads(POLICY.read_text())["Statement"]:
        assert statement["Resource"] != "*" or statement["Action"] == "ecr:GetAuthorizationToken"


@pytest.mark.parametrize("service", OPERATIONS)
def test_operations_are_those_of_the_service(service: str) -> None:
    known = botocore.session.get_session().get_service_model(service).operation_names
    assert set(OPERATIONS[service]) <= set(known)


def test_account_calls_nothing_else(service: object) -> None:
    from linear_learner.aws import Account
    from linear_learner.errors import AlgorithmError

    with pytest.raises(AlgorithmError, match="sagemaker StopTrainingJob is missing in OPERATIONS"):
        Account().call("sagemaker", "StopTrainingJob", TrainingJobName="one")


def test_clients_are_called_by_account_and_by_s3_alone() -> None:
    users = {
        name
        for name, tree in trees().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "client"
    }
    assert users == {"aws.py", "s3.py"}


def test_what_s3_calls_is_known() -> None:
    """Methods of the client and names of its paginators; upload_file calls the last five."""
    methods = {
        xform_name(name): name for name in botocore.session.get_session().get_service_model("s3").operation_names
    }
    nodes = list(ast.walk(trees()["s3.py"]))
    names = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    names |= {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    called = {methods[name] for name in names & methods.keys()}
    multipart = {"CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload", "AbortMultipartUpload"}
    assert called | {"PutObject"} | multipart == set(OPERATIONS["s3"])


def test_every_operation_is_asked_for_somewhere() -> None:
    words = {
        node.value
        for name, tree in trees().items()
        if name.startswith("sagemaker/")
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    for service in OPERATIONS.keys() - {"s3"}:
        assert set(OPERATIONS[service]) <= words
