"""An open, SageMaker-compatible Linear Learner: training and inference."""

__version__ = "0.1.0"
