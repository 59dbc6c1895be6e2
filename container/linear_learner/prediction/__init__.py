"""Predictions for whole files: what the server does for a request, in bounded memory whatever the file's size."""
