# The training and inference image: `docker run IMAGE train`, `docker run -p 8080:8080 IMAGE serve`.
# Built in stages, so that the image holds no compiler and a change of the code installs nothing anew.

FROM debian:bookworm-slim AS python
RUN apt-get update \
    && apt-get install -y --no-install-recommends python3 libgomp1 libquadmath0 \
    && rm -rf /var/lib/apt/lists/*

# -- the dependencies that pyproject.toml names: only a change of that list installs MXNet again -----------------
FROM python AS requirements
COPY pyproject.toml /
RUN python3 -c "import tomllib; print(*tomllib.load(open('/pyproject.toml', 'rb'))['project']['dependencies'], sep='\n')" \
    > /requirements.txt

# -- the virtual environment, the compiled library and the code --------------------------------------------------
FROM python AS builder
RUN apt-get update \
    && apt-get install -y --no-install-recommends g++ python3-venv ca-certificates \
    && rm -rf /var/lib/apt/lists/*
COPY --from=requirements /requirements.txt /
# Left out: setuptools (nothing imports it), the packages' own tests, pyarrow's headers and its client and server of
# Flight (Parquet takes 110 MB without them and 150 MB with them), the second of zstandard's two builds, and
# botocore's descriptions of all the AWS services but those that SageMaker jobs meet. pip stays: the SageMaker SDK's
# driver script calls it.
RUN python3 -m venv /opt/venv \
    && /opt/venv/bin/pip install --no-cache-dir -r /requirements.txt \
    && /opt/venv/bin/pip uninstall --yes setuptools \
    && cd /opt/venv/lib/python3.11/site-packages \
    && find numpy pyarrow -type d \( -name tests -o -name include \) -prune -exec rm -r {} + \
    && rm pyarrow/*flight* zstandard/_cffi.*.so \
    && find botocore/data -mindepth 1 -maxdepth 1 -type d ! -name 's3*' ! -name 'sts' ! -name 'sso' ! -name 'sso-oidc' ! -name 'sagemaker*' ! -name 'logs' -exec rm -r {} + \
    && echo /opt/linear-learner > linear-learner.pth

COPY container/linear_learner/__init__.py /opt/linear-learner/linear_learner/
COPY container/linear_learner/native /opt/linear-learner/linear_learner/native
RUN /opt/venv/bin/python -m linear_learner.native.build
COPY container /opt/linear-learner
RUN /opt/venv/bin/python -m compileall -q /opt/linear-learner

# -- the image ---------------------------------------------------------------------------------------------------
FROM python
LABEL com.amazonaws.sagemaker.capabilities.accept-bind-to-port=true \
      com.amazonaws.sagemaker.capabilities.multi-models=true
# SageMaker reads a container's output line by line, through a pipe.
ENV PATH=/opt/linear-learner:/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1
COPY --from=builder /opt/venv /opt/venv
COPY --from=builder /opt/linear-learner /opt/linear-learner
EXPOSE 8080
# Python itself is process 1, so that it gets the signals; the argument is a subcommand of linear-learner.
ENTRYPOINT ["python3", "-m", "linear_learner.cli"]
CMD ["train"]
