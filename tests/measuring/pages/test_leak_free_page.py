"""The section of the results page on the leak-free setting."""

from __future__ import annotations

from benchmarks.common.render import to_markdown
from benchmarks.pages.results import leak_free
from benchmarks.study.runs import STUDY
from tests.helpers.training_results import make_all, make_result


def test_the_small_network_from_other_weights_is_compared_with_itself_over_seeds() -> None:
    documents = make_all()
    for seed in ("", "-seed1", "-seed2"):
        name = f"edge-leak-free-160x240{seed}"
        documents[f"{name}-torchvision"] = make_result(STUDY[f"{name}-torchvision"], 0.98)
        documents[name] = make_result(STUDY[name], 0.95)
    page = to_markdown(leak_free.seeds(documents))
    assert "| `edge`, torchvision's weights | 3 | 9" in page
    assert "| torchvision's weights are better for `edge` than tonylins' | confirmed | +" in page
    assert to_markdown(leak_free.leak_free(documents)).count("| `edge` |") == 1
    del documents["edge-leak-free-160x240-torchvision"], documents["edge-leak-free-160x240-seed1-torchvision"]
    del documents["edge-leak-free-160x240-seed2-torchvision"]
    assert "torchvision" not in to_markdown(leak_free.seeds(documents))
