"""How a job joins the other hosts; whole jobs are in tests/integration."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from in_threads import together

from linear_learner.environment import Environment
from linear_learner.errors import ClientError
from linear_learner.hyperparameters import HyperParameters, notices, resolve, validate, without_unused
from linear_learner.training.cluster.hosts import check_hyperparameters, joined
from linear_learner.training.cluster.interface import ALONE


def hyperparameters(**given: str) -> HyperParameters:
    return validate({"predictor_type": "binary_classifier", **given})


def test_what_has_no_effect_on_one_host_has_one_on_several() -> None:
    hp = hyperparameters(_kvstore="dist_sync", _num_kv_servers="3")
    assert len(notices(hp)) == 2
    assert notices(hp, hosts=2) == []
    given, usual = (
        resolve(without_unused(each, hosts=2), feature_dim=2, rows=1000) for each in (hp, hyperparameters())
    )
    assert (given._kvstore, given._num_kv_servers) == ("dist_sync", 3)
    assert (usual._kvstore, usual._num_kv_servers) == ("dist_sync", 2)
    alone = resolve(without_unused(hp), feature_dim=2, rows=1000)
    assert (alone._kvstore, alone._num_kv_servers) == ("local", 1)


def test_hosts_with_different_hyperparameters_are_told() -> None:
    together(3, lambda cluster: check_hyperparameters(hyperparameters(epochs="3"), cluster))
    with pytest.raises(ClientError, match=r"Hosts 'algo-.' and 'algo-.' have different hyperparameters"):
        together(3, lambda cluster: check_hyperparameters(hyperparameters(epochs=str(3 + cluster.rank // 2)), cluster))


def test_one_host_needs_no_network(tmp_path: Path) -> None:
    with joined(Environment(tmp_path), hyperparameters(), lambda: False, lambda env, error: 1) as cluster:
        assert (cluster.names, cluster.rank, cluster.size, cluster.is_first) == (("algo-1",), 0, 1, True)


def test_alone_everything_is_as_it_is() -> None:
    numbers = np.array([1.5, np.nan, -np.inf])
    np.testing.assert_array_equal(ALONE.sum(numbers), numbers)
    ALONE.add(numbers)
    np.testing.assert_array_equal(numbers, [1.5, np.nan, -np.inf])
    assert ALONE.gather({"a": [1]}) == [{"a": [1]}]
    assert ALONE.any(True) and not ALONE.any(False)
    assert ALONE.traffic.sums == 0


@pytest.mark.parametrize(
    "resources",
    [
        {"current_host": "algo-3", "hosts": ["algo-1", "algo-2"]},
        {"current_host": "algo-1", "hosts": ["algo-1", "algo-2", "algo-2"]},
    ],
)
def test_a_host_is_one_of_all_and_named_once(resources: dict[str, object], tmp_path: Path) -> None:
    file = tmp_path / "input/config/resourceconfig.json"
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps(resources))
    with pytest.raises(ClientError, match=r"current_host '.*' is not one of hosts.*List every host once"):
        Environment(tmp_path).hosts()


@pytest.mark.parametrize(("named", "found"), [({"network_interface_name": "eth0"}, "eth0"), ({}, None)])
def test_the_interface_is_the_configs(named: dict[str, str], found: str | None, tmp_path: Path) -> None:
    assert Environment(tmp_path).network_interface() is None
    file = tmp_path / "input/config/resourceconfig.json"
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps({"current_host": "a", "hosts": ["a"], **named}))
    assert Environment(tmp_path).network_interface() == found


@pytest.mark.parametrize(("given", "is_sharded"), [(None, False), ("FullyReplicated", False), ("ShardedByS3Key", True)])
def test_a_channel_is_sharded_where_its_config_says_so(given: str | None, is_sharded: bool, tmp_path: Path) -> None:
    file = tmp_path / "input/config/inputdataconfig.json"
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps({"train": {} if given is None else {"S3DistributionType": given}}))
    assert Environment(tmp_path).channels()["train"].is_sharded == is_sharded
    file.write_text(json.dumps({"train": {"S3DistributionType": "Sharded"}}))
    with pytest.raises(ClientError, match=r"Sharded. of channel 'train' is not known.*FullyReplicated, ShardedByS3Key"):
        Environment(tmp_path).channels()
