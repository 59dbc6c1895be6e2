"""All between the files of the channels and the first epoch: rows as they are trained on, and first weights."""
