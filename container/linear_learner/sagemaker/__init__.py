"""Jobs and endpoints on Amazon SageMaker, with this container's image.

``requests`` writes what SageMaker is asked for, ``watch`` follows what comes of it, and the others do one command each.
"""
