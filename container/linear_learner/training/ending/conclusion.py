"""From trained candidates to the files of a model: chosen, scored, written, and reported on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from linear_learner.data.dataset import Dataset
from linear_learner.errors import CutShort
from linear_learner.model import artifact
from linear_learner.training.ending import finishing, outcome
from linear_learner.training.ending.fewer_rows import on_fewer_rows
from linear_learner.training.ending.finishing import Finished
from linear_learner.training.ending.job_report import describe, leave_report
from linear_learner.training.epochs.progress import Trained
from linear_learner.training.evaluation import model_selection
from linear_learner.training.evaluation.metrics import Metric
from linear_learner.training.evaluation.model_selection import Choice
from linear_learner.training.logs.epoch_log import repeat_best_epoch
from linear_learner.training.logs.log_lines import PassCounter
from linear_learner.training.training_job import TrainingJob


def finish(job: TrainingJob, trained: Trained) -> None:
    """Choose a candidate, score it on the held-out channels, and write it, which the first host does. Once the job is
    to end, that is done anew on fewer rows."""

    def go_on() -> None:
        if job.cluster.any(job.should_stop()):
            raise CutShort

    try:
        go_on()
        conclusion = conclude(job, trained, go_on)
    except CutShort:
        job = on_fewer_rows(job)
        conclusion = conclude(job, trained, lambda: None)
    hp, log, choice, served = job.hp, job.log, conclusion.choice, conclusion.served
    for name, found in conclusion.scores.items():
        if name == "test":
            rows, counter = len(conclusion.judged[name]), PassCounter()
            counter.saw(batches=-(-rows // hp.mini_batch_size), records=rows)
            log.counters("test_data_iter", counter)
        log.scores(name, found)
    repeat_best_epoch(hp, job.task, log, trained, choice.candidate)
    log.best_model({"optimizer": hp.optimizer, **vars(job.candidates[choice.candidate])})
    if "test" not in job.channels:
        log.no_test_data()
    metadata = outcome.metadata(job, choice, trained, conclusion.scores)
    metadata |= served.facts
    metadata |= finishing.intervals(
        served.model, conclusion.judged, len(job.candidates), job.task, hp, job.cluster, job.should_stop
    )
    if not job.cluster.is_first:
        return
    model = replace(served.model, metadata=metadata)
    artifact.save(model, job.env.model_dir, host=job.cluster.names[0], pack=job.env.job_name is None)
    log.saved(str(job.env.model_dir / "mx-mod-0000.params"))
    leave_report(job, lambda: describe(job, trained, choice, model, conclusion.judged, conclusion.scores))


@dataclass(frozen=True)
class Conclusion:
    """What training came to. ``judged``: raw rows by channel; ``scores``: by channel, of the model as it is served."""

    choice: Choice
    served: Finished
    judged: dict[str, Dataset]
    scores: dict[str, list[Metric]]


def conclude(job: TrainingJob, trained: Trained, go_on: Callable[[], None]) -> Conclusion:
    """``go_on`` is called, on all hosts together, before each step that takes long where there are many rows; what it
    raises ends all."""
    task, hp, cluster = job.task, job.hp, job.cluster
    choice = model_selection.choose(trained, task, hp, cluster, go_on)
    chosen = job.candidates[choice.candidate]
    go_on()
    served = finishing.finish_model(choice.model, chosen, len(job.candidates), task, hp, cluster)
    judged: dict[str, Dataset] = {}
    scores = {}
    for name in (task.judge_channel, "test"):
        if name in job.channels:
            go_on()
            data = task.judge().raw if name == task.judge_channel else job.channels[name]
            assert isinstance(data, Dataset)  # noqa: S101 (for the type checker: the train channel alone is streamed)
            judged[name] = data
            scores[name] = outcome.score(served.model, data, task, chosen, hp, cluster, as_trained=choice.model)
    return Conclusion(choice, served, judged, scores)
