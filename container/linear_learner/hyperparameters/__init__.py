"""The hyperparameters of a job: declared once, checked together, resolved in one place."""
