"""Calls of AWS: the clients, and what is said when a call fails.

boto3 finds credentials, region and endpoint (``AWS_ENDPOINT_URL``) as all AWS tools do. It is imported with the first
call, since most commands need none.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from linear_learner.errors import AlgorithmError, ClientError, LinearLearnerError, PlatformError

if TYPE_CHECKING:
    from botocore.exceptions import ClientError as Refusal

OPERATIONS = {
    "s3": {
        "ListObjectsV2": "ListBucket",
        "HeadObject": "GetObject",
        "GetObject": "GetObject",
        "PutObject": "PutObject",
        "CreateMultipartUpload": "PutObject",
        "UploadPart": "PutObject",
        "CompleteMultipartUpload": "PutObject",
        "AbortMultipartUpload": "AbortMultipartUpload",
        "DeleteObject": "DeleteObject",
    },
    "sagemaker": {
        name: name
        for name in (
            "CreateTrainingJob",
            "DescribeTrainingJob",
            "CreateHyperParameterTuningJob",
            "DescribeHyperParameterTuningJob",
            "CreateModel",
            "DescribeModel",
            "DeleteModel",
            "CreateEndpointConfig",
            "DescribeEndpointConfig",
            "DeleteEndpointConfig",
            "CreateEndpoint",
            "DescribeEndpoint",
            "DeleteEndpoint",
            "CreateTransformJob",
            "DescribeTransformJob",
            "ListTags",
        )
    },
    "logs": {name: name for name in ("DescribeLogStreams", "GetLogEvents")},
    "ecr": {name: name for name in ("GetAuthorizationToken", "DescribeRepositories", "CreateRepository")},
}
"""What is called of each service, and the action that a policy allows it by."""

DENIED = {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "403"}
EXPIRED = {"ExpiredToken", "ExpiredTokenException", "RequestExpired"}
UNKNOWN_KEY = {
    "InvalidClientTokenId",
    "UnrecognizedClientException",
    "InvalidAccessKeyId",
    "SignatureDoesNotMatch",
    "InvalidSignatureException",
}
ABSENT = {"NoSuchBucket", "NoSuchKey", "404", "ResourceNotFound", "ResourceNotFoundException"}
QUOTA = {"ResourceLimitExceeded", "LimitExceededException", "ServiceQuotaExceededException"}
TAKEN = {"ResourceInUse", "ResourceInUseException"}
BUSY = {"Throttling", "ThrottlingException", "RequestLimitExceeded", "TooManyRequestsException", "SlowDown"}

TRUST = {"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"}
"""The statement that lets SageMaker take on a role."""

SIGN_IN = "run 'aws configure' or 'aws sso login', or set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"


class Refused(ClientError):  # noqa: N818 (AWS did the right thing)
    """What AWS answered instead of doing what it was asked. ``code``: such as AccessDenied."""

    def __init__(self, code: str, message: str, *, where: str, fix: str = "") -> None:
        self.code = code
        super().__init__(message, where=where, fix=fix)


@functools.cache
def client(service: str, region: str | None = None) -> Any:
    """The client of an AWS service; without ``region`` in the one that AWS_DEFAULT_REGION or the profile names."""
    import boto3
    from botocore.config import Config

    with aws_errors():
        return boto3.session.Session().client(service, region_name=region, config=Config(retries={"mode": "standard"}))


@dataclass(frozen=True)
class Account:
    """What the caller's credentials reach, in ``region`` or else in the one that the environment or profile names."""

    region: str | None = None

    def call(self, service: str, operation: str, *, where: str = "", **request: Any) -> dict[str, Any]:
        """What AWS answers to one of OPERATIONS. Its errors are raised as ours."""
        from botocore import xform_name

        if operation not in OPERATIONS[service]:
            raise AlgorithmError(f"{service} {operation} is missing in OPERATIONS")
        with aws_errors(where):
            answer: dict[str, Any] = getattr(client(service, self.region), xform_name(operation))(**request)
        return answer

    def known_region(self) -> str | None:
        """None where none is set. Needs no client."""
        import boto3

        with aws_errors():
            return self.region or boto3.session.Session().region_name

    def region_name(self) -> str:
        """ClientError where none is set."""
        return str(client("sagemaker", self.region).meta.region_name)


@contextmanager
def aws_errors(where: str = "") -> Iterator[None]:
    """What botocore raises inside becomes one of our errors. ``where``: the bucket, object or job that it is about."""
    import botocore.exceptions as failures

    try:
        yield
    except failures.ClientError as error:
        raise refused(error, where) from None
    except failures.NoRegionError:
        raise ClientError("No AWS region is set", where=where, fix="give --region, or set AWS_DEFAULT_REGION") from None
    except (failures.NoCredentialsError, failures.PartialCredentialsError) as error:
        raise ClientError(f"AWS credentials are missing: {_plain(error)}", where=where, fix=SIGN_IN) from None
    except (failures.ProfileNotFound, failures.SSOError, failures.TokenRetrievalError) as error:
        raise ClientError(f"AWS credentials cannot be used: {_plain(error)}", where=where, fix=SIGN_IN) from None
    except failures.ParamValidationError as error:
        raise ClientError(_plain(error), where=where, fix="mend the value") from None
    except (failures.ConnectionError, failures.HTTPClientError, failures.IncompleteReadError) as error:
        raise PlatformError(
            f"AWS cannot be reached: {_plain(error)}", where=where, fix="check the network, the region and proxies"
        ) from None
    except failures.BotoCoreError as error:
        raise PlatformError(f"The AWS client failed: {_plain(error)}", where=where) from None


@functools.cache
def _service_model(service: str) -> Any:
    import botocore.session

    return botocore.session.Session().get_service_model(service)


def check_request(service: str, operation: str, request: dict[str, Any]) -> None:
    """ClientError for what the AWS client refuses to send: unknown names, missing ones, values of another type. Needs
    neither credentials nor a network."""
    import botocore.validate
    from botocore.exceptions import ParamValidationError

    shape = _service_model(service).operation_model(operation).input_shape
    report = botocore.validate.ParamValidator().validate(request, shape)
    if report.has_errors():
        with aws_errors(operation):
            raise ParamValidationError(report=report.generate_report())


def refused(error: Refusal, where: str = "") -> LinearLearnerError:
    """What AWS answered instead of doing what it was asked."""
    code, message = error_code(error), str(error.response.get("Error", {}).get("Message", ""))
    said = f"{error.operation_name} was refused: {message or code} [{code}]"
    if code in BUSY or _status(error) >= 500:
        return PlatformError(said, where=where, fix="try again later")
    return Refused(code, said, where=where, fix=_fix(error, code, message))


def _fix(error: Refusal, code: str, message: str) -> str:
    if code in DENIED:
        return _permission(error)
    if code in EXPIRED:
        return f"the credentials have run out: {SIGN_IN}"
    if code in UNKNOWN_KEY:
        return f"AWS does not know these credentials: {SIGN_IN}"
    if code in ABSENT:
        return "check the name, the account and the region"
    if code in QUOTA:
        return "take another --instance-type, or ask for more in the Service Quotas console"
    if code in TAKEN:
        return "give another --name, or wait until the other one is done"
    # ValidationException is the only code that SageMaker has for these two.
    if "already exist" in message:
        return "give another --name"
    if "assume" in message and "role" in message:
        return f"SageMaker must be let into the role by its trust policy: {json.dumps(TRUST)}"
    return ""


def error_code(error: Refusal) -> str:
    """Such as NoSuchBucket."""
    return str(error.response.get("Error", {}).get("Code", ""))


def action(operation: str) -> str:
    """What a policy must allow for an operation of the API: ``s3:ListBucket`` for ListObjectsV2."""
    for service, actions in OPERATIONS.items():
        if operation in actions:
            return f"{service}:{actions[operation]}"
    return operation


def _permission(error: Refusal) -> str:
    passes_role = "PassRole" in str(error.response.get("Error", {}).get("Message", ""))
    needed = "iam:PassRole" if passes_role else action(error.operation_name)
    statement = {"Effect": "Allow", "Action": needed, "Resource": "*"}
    return (
        f"the caller needs {needed}, which a policy allows with {json.dumps(statement)}; docs/iam-policy.json has all "
        "that these commands need"
    )


def _status(error: Refusal) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def _plain(error: Exception) -> str:
    return " ".join(str(error).split())
