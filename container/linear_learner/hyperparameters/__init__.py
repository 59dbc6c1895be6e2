"""The hyperparameters of a job: declared once, checked together, resolved in one place.

schema.py          one row for each hyperparameter: type, range, default, where it is used, what it means
validation.py      texts of the user -> HyperParameters, or one error that lists all that is wrong
auto.py            what ``auto`` means, the base candidate's values among it
applicability.py   what has no effect in a job, and the sentences that tell the user so
tuning.py          the metrics that a tuning job can watch, and which jobs log them
demands.py         the channels and the hosts that a job must have for them
resolution.py      HyperParameters as given -> as used
table.py           docs/hyperparameters.md
"""

from linear_learner.hyperparameters.applicability import notices, without_unused
from linear_learner.hyperparameters.demands import check_demands
from linear_learner.hyperparameters.fields import AUTO
from linear_learner.hyperparameters.resolution import resolve
from linear_learner.hyperparameters.schema import HyperParameters, defaults
from linear_learner.hyperparameters.validation import validate

__all__ = ["AUTO", "HyperParameters", "check_demands", "defaults", "notices", "resolve", "validate", "without_unused"]
