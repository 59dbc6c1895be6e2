"""Training many linear models at once, choosing one of them, and reporting on it.

job.py            a training job from its folder to its model, top to bottom
trainer.py        the loop over the epochs
training_job.py   what all steps of a job need to know of it
sigterm.py        the signal by which a platform ends a job

checks/           what is found wrong with a job before it trains
preparation/      from the channels to rows as they are trained on, and the first weights
engines/          the candidates, their state, and what trains them: the engines and the optimizers
epochs/           how an epoch is cut, how far training has come, early stopping, checkpoints
cluster/          the hosts of a job
evaluation/       how good scores are, and what is chosen by that: the threshold, the model; calibration, confidence
ending/           from trained candidates to the files of a model and the report
logs/             the lines of the log
"""
