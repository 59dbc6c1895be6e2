"""What is said when AWS refuses, or cannot be asked."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from botocore import exceptions

from linear_learner import aws
from linear_learner.aws import Account, Refused, aws_errors, check_request
from linear_learner.errors import ClientError, LinearLearnerError, PlatformError


def refusal(code: str, message: str = "no", operation: str = "CreateTrainingJob", status: int = 400) -> Exception:
    answer: Any = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return exceptions.ClientError(answer, operation)


def told(error: Exception) -> LinearLearnerError:
    with pytest.raises(LinearLearnerError) as caught, aws_errors("job one"):
        raise error
    return caught.value


def test_what_was_asked_what_was_said_and_where_it_was_is_told() -> None:
    error = told(refusal("SomeCode", "some words"))
    assert str(error) == "CreateTrainingJob was refused: some words [SomeCode] (job one)"
    assert isinstance(error, Refused) and error.code == "SomeCode" and error.exit_code == 2


@pytest.mark.parametrize(
    ("operation", "action"),
    [
        ("CreateTrainingJob", "sagemaker:CreateTrainingJob"),
        ("ListObjectsV2", "s3:ListBucket"),
        ("HeadObject", "s3:GetObject"),
        ("GetLogEvents", "logs:GetLogEvents"),
        ("CreateRepository", "ecr:CreateRepository"),
    ],
)
@pytest.mark.parametrize("code", ["AccessDenied", "AccessDeniedException", "403"])
def test_a_missing_right_is_told_with_the_statement_that_gives_it(operation: str, action: str, code: str) -> None:
    error = told(refusal(code, operation=operation, status=403))
    assert f"needs {action}, " in error.fix and "docs/iam-policy.json" in error.fix
    assert f'{{"Effect": "Allow", "Action": "{action}", "Resource": "*"}}' in error.fix


def test_a_role_that_may_not_be_passed_is_told() -> None:
    error = told(refusal("AccessDeniedException", "User me is not authorized to perform: iam:PassRole on resource: r"))
    assert "needs iam:PassRole, " in error.fix


def test_a_role_that_cannot_be_taken_on_is_told_with_its_trust_policy() -> None:
    message = (
        "Could not assume role arn:aws:iam::1:role/r. Please ensure that the role exists and allows principal "
        "'sagemaker.amazonaws.com' to assume the role."
    )
    error = told(refusal("ValidationException", message))
    assert '"Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"' in error.fix


@pytest.mark.parametrize(
    ("code", "message", "fix"),
    [
        ("ResourceLimitExceeded", "The account-level service limit is 0 Instances", "Service Quotas console"),
        ("ExpiredToken", "no", "the credentials have run out: run 'aws configure'"),
        ("InvalidAccessKeyId", "no", "AWS does not know these credentials"),
        ("NoSuchBucket", "no", "check the name, the account and the region"),
        ("ResourceInUse", "no", "give another --name"),
        ("ValidationException", 'Cannot create already existing model "x"', "give another --name"),
    ],
)
def test_what_to_do_is_told(code: str, message: str, fix: str) -> None:
    error = told(refusal(code, message))
    assert fix in error.fix and error.exit_code == 2


@pytest.mark.parametrize(
    "error",
    [
        refusal("ThrottlingException"),
        refusal("InternalFailure", status=500),
        exceptions.EndpointConnectionError(endpoint_url="https://nowhere"),
        exceptions.ReadTimeoutError(endpoint_url="https://nowhere"),
        exceptions.IncompleteReadError(actual_bytes=1, expected_bytes=2),
    ],
)
def test_what_nobody_did_wrong_is_the_platforms_fault(error: Exception) -> None:
    assert isinstance(told(error), PlatformError)


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (exceptions.NoCredentialsError(), "AWS credentials are missing"),
        (exceptions.PartialCredentialsError(provider="env", cred_var="key"), "AWS credentials are missing"),
        (exceptions.ProfileNotFound(profile="mine"), r"cannot be used: The config profile \(mine\)"),
        (exceptions.UnauthorizedSSOTokenError(), "AWS credentials cannot be used"),
    ],
)
def test_credentials_that_are_none_are_told(error: Exception, sentence: str) -> None:
    with pytest.raises(ClientError, match=f"{sentence}.*Run 'aws configure' or 'aws sso login'"), aws_errors():
        raise error


def test_a_missing_region_is_told(fresh_clients: None, account: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    with pytest.raises(ClientError, match=r"No AWS region is set\. Give --region, or set AWS_DEFAULT_REGION"):
        Account().call("sagemaker", "ListTags", ResourceArn="arn")
    assert Account().known_region() is None
    assert Account("us-west-2").region_name() == Account("us-west-2").known_region() == "us-west-2"


def test_calls_are_tried_again_as_botocore_does_it(fresh_clients: None, account: Any) -> None:
    assert aws.client("sagemaker").meta.config.retries["mode"] == "standard"


@pytest.mark.parametrize(
    ("request_", "sentence"),
    [
        ({}, 'Missing required parameter in input: "TrainingJobName"'),
        ({"TrainingJobName": 3}, "Invalid type for parameter TrainingJobName"),
        ({"Name": "x"}, 'Unknown parameter in input: "Name"'),
    ],
)
def test_a_request_is_checked_without_being_sent(request_: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ClientError, match=sentence):
        check_request("sagemaker", "CreateTrainingJob", request_)


def test_a_secret_is_in_no_error(fresh_clients: None, account: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)  # at which botocore logs what it sends
    with pytest.raises(ClientError) as caught:
        Account().call("sagemaker", "DescribeTrainingJob", TrainingJobName="none")
    assert "DescribeTrainingJob" in caplog.text
    assert "a-secret" not in str(caught.value) + caplog.text
