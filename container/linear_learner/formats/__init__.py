"""Bytes to rows and predictions to bytes, by content type. Shared by training and serving."""
