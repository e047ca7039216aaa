import os

import pytest

from streams.kafka.broker import cluster_id, running_address


@pytest.mark.parametrize("first", range(256))
def test_a_cluster_id_is_never_read_as_an_option(first: int) -> None:
    made = cluster_id(bytes([first]) + os.urandom(15))
    assert len(made) == 22
    assert made[0].isalpha()


def test_no_broker_runs_on_an_empty_directory(tmp_path) -> None:
    assert running_address(tmp_path) is None
