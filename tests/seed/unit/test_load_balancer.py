from orch.gateway.balancer import Candidate, RoundRobin


def test_weighted_round_robin() -> None:
    """Seed: tests/unit/test_load_balancer.py::test_weighted_round_robin.

    Weights 2 and 1 give about two thirds and one third of 30 choices.
    """
    balancer = RoundRobin()
    weights = [Candidate("instance1", 2), Candidate("instance2", 1)]
    selections = [balancer.choose(weights) for _ in range(30)]
    assert 18 <= selections.count("instance1") <= 22
    assert 8 <= selections.count("instance2") <= 12
