"""Training many linear models at once, choosing one of them, and reporting on it."""
