"""What only a GPU can show: recordings that are graphs, queues that overlap, and the same ids."""

import time
import warnings

import pytest
import torch
from test_gpu_steps import begun, load, prompt
from tiny import make_checkpoint

from smoldocling.model.cuda.plain import Plain
from smoldocling.model.cuda.seam import Cuda, Host
from smoldocling.model.cuda.steps import MOST_AHEAD, Rows
from smoldocling.model.network import Network

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Network:
    folder = make_checkpoint(tmp_path_factory.mktemp("device"), heads=3)
    return load(folder, device=torch.device("cuda"), compiled=True)


def test_recorded_steps_are_graphs_and_find_what_unrecorded_ones_find(network: Network) -> None:
    """A warning would say that capture was refused and nothing is any faster."""
    found = []
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for seam in (Host(), Cuda(network.device)):
            cache, first = begun(network, [0, 1, 2], 3)
            steps = network.steps(cache, seam)
            rows = [Rows(slot, len(prompt(slot)), [token]) for slot, token in enumerate(first)]
            for ahead in (1, MOST_AHEAD, 3):
                ticket = seam.steps.send(lambda: steps.run(rows, ahead))  # noqa: B023 - waited for at once
                found.append(ticket.value()[:, :3, 0].tolist())
    assert found[:3] == found[3:]


def test_fused_kernels_are_used_where_the_shape_allows(network: Network) -> None:
    """The small heads of this network do not; the real ones are measured by benchmarks/gpu.py, which names the body."""
    assert isinstance(network.steps(network.cache(1, 64), Host()).body, Plain)


def test_two_queues_work_at_the_same_time() -> None:
    """A kernel of many small blocks leaves room for another: together they take less than one after the other."""
    seam = Cuda(torch.device("cuda"))
    a = torch.randn(512, 512, device="cuda")

    def work() -> torch.Tensor:
        x = a
        for _ in range(400):
            x = (x @ a).clamp_(-1, 1)
        return x

    def seconds(*queues: object) -> float:
        torch.cuda.synchronize()
        start = time.perf_counter()
        for ticket in [queue.send(work) for queue in queues]:  # type: ignore[attr-defined]
            ticket.value()
        return time.perf_counter() - start

    seconds(seam.steps, seam.pages)
    assert seconds(seam.steps, seam.pages) < 1.9 * seconds(seam.steps)
