"""Models in other forms: Amazon's archive, ONNX, JSON for scikit-learn, and source text that needs nothing else.

A form holds what scores rows of features: weights, bias, link and threshold; and where it has a place for them, the
names of features and classes, and what takes the place of missing values. Categories of tables are features there
already, one for each level.
"""
