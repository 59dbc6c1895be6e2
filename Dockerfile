# The training and inference image: `docker run IMAGE train`, `docker run -p 8080:8080 IMAGE serve`.
# Three stages, so that the image holds no compiler and a change of the code installs nothing anew.

# -- what pyproject.toml depends on, as a list: only a change of the list itself installs MXNet again ------------
FROM debian:bookworm-slim AS python
RUN apt-get update \
    && apt-get install -y --no-install-recommends python3 libgomp1 libquadmath0 \
    && rm -rf /var/lib/apt/lists/*

FROM python AS requirements
COPY pyproject.toml /
RUN python3 -c "import tomllib; print(*tomllib.load(open('/pyproject.toml', 'rb'))['project']['dependencies'], sep='\n')" \
    > /requirements.txt

# -- the virtual environment and the compiled library ------------------------------------------------------------
FROM python AS builder
RUN apt-get update \
    && apt-get install -y --no-install-recommends g++ python3-venv ca-certificates \
    && rm -rf /var/lib/apt/lists/*
COPY --from=requirements /requirements.txt /
RUN python3 -m venv /opt/venv \
    && /opt/venv/bin/pip install --no-cache-dir -r /requirements.txt \
    && echo /opt/linear-learner > /opt/venv/lib/python3.11/site-packages/linear-learner.pth

COPY container/linear_learner/__init__.py container/linear_learner/errors.py /opt/linear-learner/linear_learner/
COPY container/linear_learner/native /opt/linear-learner/linear_learner/native
RUN /opt/venv/bin/python -m linear_learner.native.build

# -- the image ---------------------------------------------------------------------------------------------------
FROM python
LABEL com.amazonaws.sagemaker.capabilities.accept-bind-to-port=true \
      com.amazonaws.sagemaker.capabilities.multi-models=true
# SageMaker reads a container's output line by line, through a pipe.
ENV PATH=/opt/linear-learner:/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1
COPY --from=builder /opt/venv /opt/venv
COPY --from=builder /opt/linear-learner /opt/linear-learner
COPY container /opt/linear-learner
EXPOSE 8080
# Python itself is process 1, so that it gets the signals; the command is a subcommand of linear-learner.
ENTRYPOINT ["python", "-m", "linear_learner.cli"]
CMD ["train"]
